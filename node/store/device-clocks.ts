import { z } from 'zod'
import type { Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

/** How far a device's clock is ahead of ours; negative when it is behind. */
export const SuggestedClock = z.strictObject({
  device: z.string(),
  aheadMinutes: z.int(),
  /** So many studies in a row agree. */
  studies: z.int(),
})
export type SuggestedClock = z.infer<typeof SuggestedClock>

const Readings = z.strictObject({
  device: z.string(),
  readings: z.array(z.strictObject({ study: z.string(), aheadMinutes: z.int() })),
})
type Readings = z.infer<typeof Readings>

/** What devices' clocks show, learned study by study as they are sent (DQ-12). A person confirms what follows from it. */
export type DeviceClocks = {
  /** A study came from the device as it was made; 0 when its time is plausible. */
  learn(device: string, study: string, aheadMinutes: number): void
  /** What devices' clocks show now; `confirmed` is what is known of one already, which need not be said again. */
  suggestions(confirmed: (device: string) => number): SuggestedClock[]
}

/** So many studies in a row must agree, and so closely: between an image and its receipt a few minutes pass. */
const agreeingStudies = 3
const agreeingMinutes = 30
const keptStudies = 8
const kind = 'device-clock'

export async function openDeviceClocks(deps: {
  records: Records
  onError: (error: unknown) => void
}): Promise<DeviceClocks> {
  const { records, onError } = deps
  const inTurn = createTurns()
  const { rows: known } = await records.load(kind, Readings, { mayLogKeys: true })
  return {
    learn(device, study, aheadMinutes) {
      const before = known.get(device)?.readings ?? []
      // Of a clock that was always right nothing is kept.
      if (aheadMinutes === 0 && before.length === 0) return
      if (before.some((reading) => reading.study === study)) return
      const readings = [...before, { study, aheadMinutes }].slice(-keptStudies)
      // At once in memory: the next object may be here before the disk is.
      known.set(device, { device, readings })
      inTurn(async () => records.put(kind, device, { device, readings })).catch(onError)
    },
    suggestions: (confirmed) =>
      [...known.values()]
        .flatMap(suggestionOf)
        .filter(
          ({ device, aheadMinutes }) =>
            Math.abs(aheadMinutes - confirmed(device)) > agreeingMinutes,
        ),
  }
}

function suggestionOf({ device, readings }: Readings): SuggestedClock[] {
  const newest = readings.at(-1)?.aheadMinutes ?? 0
  const firstOther = readings.findLastIndex(
    ({ aheadMinutes }) => Math.abs(aheadMinutes - newest) > agreeingMinutes,
  )
  const agreeing = readings.slice(firstOther + 1).map(({ aheadMinutes }) => aheadMinutes)
  if (agreeing.length < agreeingStudies) return []
  const sorted = agreeing.toSorted((a, b) => a - b)
  const aheadMinutes = sorted[Math.floor(sorted.length / 2)] ?? newest
  return [{ device, aheadMinutes, studies: agreeing.length }]
}
