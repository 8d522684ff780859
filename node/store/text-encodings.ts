import { z } from 'zod'
import { TextEncoding } from '../config.ts'
import type { Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

/** In which encoding a device writes its text, and how that is known. */
export const PinnedEncoding = z.strictObject({
  device: z.string(),
  encoding: TextEncoding,
  /** `learned` from studies that agreed, or what a person said. */
  source: z.enum(['learned', 'human']),
  /** Milliseconds. */
  at: z.int(),
  who: z.string().exactOptional(),
})
export type PinnedEncoding = z.infer<typeof PinnedEncoding>

/** Studies of a device that agree so far. */
const Learning = z.strictObject({
  device: z.string(),
  encoding: TextEncoding,
  studies: z.array(z.string()),
})

/** What devices write, learned study by study. All are in memory: every object of every device asks. */
export type TextEncodings = {
  get(device: string): PinnedEncoding | undefined
  list(): PinnedEncoding[]
  /** A study of the device was clearly in this encoding. */
  learn(device: string, study: string, encoding: TextEncoding): void
  /** A person says so. */
  pin(device: string, encoding: TextEncoding, who: string): Promise<PinnedEncoding>
  /** Forgets what was learned or said. */
  unpin(device: string): Promise<void>
}

/** So many studies of a device must agree; one that does not begins the count anew. */
export const agreeingStudies = 5

const pinKind = 'text-encoding'
const learningKind = 'text-learning'

export async function openTextEncodings(deps: {
  records: Records
  clock: () => number
  onError: (error: unknown) => void
}): Promise<TextEncodings> {
  const { records, clock, onError } = deps
  const inTurn = createTurns()
  const { rows: pins, unreadable } = await records.load(pinKind, PinnedEncoding, {
    mayLogKeys: true,
  })
  const { rows: learning } = await records.load(learningKind, Learning, { mayLogKeys: true })
  const keep = async (pin: PinnedEncoding): Promise<PinnedEncoding> =>
    inTurn(async () => {
      await records.write([
        { type: 'put', kind: pinKind, key: pin.device, value: pin },
        { type: 'del', kind: learningKind, key: pin.device },
      ])
      pins.set(pin.device, pin)
      unreadable.delete(pin.device)
      learning.delete(pin.device)
      return pin
    })

  return {
    get: (device) => pins.get(device),
    list: () => [...pins.values()],
    learn(device, study, encoding) {
      // What a person may have said, and cannot be read, only a person says again.
      if (pins.has(device) || unreadable.has(device)) return
      const before = learning.get(device)
      const known = before?.encoding === encoding ? before.studies : []
      if (known.includes(study)) return
      const now = { device, encoding, studies: [...known, study] }
      // At once in memory: the next object may be here before the disk is.
      learning.set(device, now)
      const done =
        now.studies.length >= agreeingStudies
          ? keep({ device, encoding, source: 'learned', at: clock() })
          : inTurn(async () => records.put(learningKind, device, now))
      done.catch(onError)
    },
    pin: async (device, encoding, who) =>
      keep({ device, encoding, source: 'human', at: clock(), who }),
    unpin: async (device) =>
      inTurn(async () => {
        await records.write([
          { type: 'del', kind: pinKind, key: device },
          { type: 'del', kind: learningKind, key: device },
        ])
        pins.delete(device)
        unreadable.delete(device)
        learning.delete(device)
      }),
  }
}
