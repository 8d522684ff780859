import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf } from '#protocol/errors.ts'
import { noise, temporaryFolder } from '../archive/archive.fixture.ts'
import { storeRequest } from './command-set.ts'
import { commandPdu, dataHeader } from './pdu.ts'
import { connectRaw, type Raw } from './scp.fixture.ts'
import { createStoreScu } from './scu.ts'
import { ctClass, requestPdu } from './units.fixture.ts'
import { dataSet, declare } from '../archive/archive.fixture.ts'

export type CrowdFigures = {
  alone: number
  crowded: number
  slowestCloseMs: number
  /** Bad sockets that were let in again and again. */
  opened: number
  /** Associations of the honest sender that gave way before they had sent anything, and were opened again. */
  reopened: number
}

const child = path.join(import.meta.dirname, 'provider-child.fixture.ts')

/**
 * T14: sockets that say nothing, and sockets that drip a byte a second into a request, into an association or into a
 * message, from the honest sender's own address. Those that are closed come back. The provider is a process of its own
 * with a real archive; speeds are in instances/s.
 */
export async function crowd(options: {
  idle: number
  dripping: number
  seconds: number
  /** Of them the honest sender sends so many, in equal parts spread over all of it; all, when it is not said. */
  sendingSeconds?: number
}): Promise<CrowdFigures> {
  const { idle, dripping, seconds, sendingSeconds = seconds } = options
  await using folder = await temporaryFolder()
  const provider = spawn(process.execPath, [child, folder.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = (await once(provider.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    const honest = createHonest(port)
    await honest.rate(2)
    const before = await honest.rate(sendingSeconds / 2)
    const bad = createBad(port)
    await Promise.all(Array.from({ length: idle + dripping }, (_, n) => bad.open(n, n >= idle)))
    const crowded = await rateOver(honest, seconds, sendingSeconds)
    await bad.stop()
    const after = await honest.rate(sendingSeconds / 2)
    return { alone: (before + after) / 2, crowded, reopened: honest.reopened(), ...bad.figures() }
  } finally {
    provider.kill('SIGKILL')
  }
}

const partSeconds = 10

/** Instances per second of those parts of a time in which the honest sender sends. */
async function rateOver(
  honest: ReturnType<typeof createHonest>,
  seconds: number,
  sendingSeconds: number,
): Promise<number> {
  const parts = Math.max(1, Math.round(sendingSeconds / partSeconds))
  let sum = 0
  for (let part = 0; part < parts; part++) {
    sum += await honest.rate(sendingSeconds / parts)
    await pause(((seconds - sendingSeconds) / parts) * 1000)
  }
  return sum / parts
}

function createHonest(port: number) {
  const pixels = noise(200_000, 1)
  let count = 0
  let reopened = 0

  /** What is acknowledged on one association until then. */
  async function sendUntil(end: number): Promise<number> {
    await using scu = createStoreScu({
      host: '127.0.0.1',
      port,
      callingAe: 'STORESCU',
      calledAe: 'CAMI',
    })
    let stored = 0
    for (let n = 0; n < perAssociation && performance.now() < end; n++) {
      const sop = `1.2.9.${++count}`
      const bytes = dataSet({ study: '1.2.9', series: '1.2.9.1', sop, pixels })
      try {
        for await (const { status } of scu.store([{ ...declare(sop), dataSet: bytes }])) {
          assert.equal(status, 0)
          stored++
        }
      } catch (error) {
        // Until its first instance is here it is one of the crowd: a modality opens another association.
        if (codeOf(error) !== 'aborted' || n > 0) throw error
        reopened++
        return stored
      }
    }
    return stored
  }

  return {
    /** Instances per second that are acknowledged within this time, each on a new association now and then. */
    async rate(seconds: number): Promise<number> {
      const begin = performance.now()
      const end = begin + seconds * 1000
      let stored = 0
      while (performance.now() < end) stored += await sendUntil(end)
      return stored / ((performance.now() - begin) / 1000)
    },
    reopened: () => reopened,
  }
}

const perAssociation = 20
/** After this time a bad socket that was closed is there again. */
const returnMs = 10_000

/** Where a dripping socket stands when it begins to drip. */
const beginnings: (() => Buffer)[] = [
  () => requestPdu().subarray(0, 10),
  () => requestPdu(),
  () => Buffer.concat([requestPdu(), dataHeader(3, 1, 60_000)]),
  () =>
    Buffer.concat([
      requestPdu(),
      commandPdu(1, storeRequest(1, ctClass, '1.2.3')),
      dataHeader(1, 0, 60_000),
    ]),
]

function createBad(port: number) {
  const open = new Map<Raw, number>()
  let slowestCloseMs = 0
  let opened = 0
  let isOver = false

  const one = async (index: number, drips: boolean): Promise<void> => {
    const raw = await connectRaw(port).catch(() => undefined)
    if (raw === undefined) return again(index, drips)
    opened++
    open.set(raw, performance.now())
    const begin = beginnings[index % beginnings.length]
    if (begin !== undefined && drips) raw.socket.write(begin())
    const timer = drips ? setInterval(() => raw.socket.write(Buffer.from([0])), 1000) : undefined
    void raw.closed.then(() => {
      clearInterval(timer)
      slowestCloseMs = Math.max(slowestCloseMs, performance.now() - (open.get(raw) ?? 0))
      open.delete(raw)
      again(index, drips)
    })
  }
  const again = (index: number, drips: boolean): void => {
    if (!isOver) setTimeout(() => void one(index, drips), returnMs).unref()
  }

  return {
    open: one,
    /** Waits until the provider has closed every one of them. */
    async stop(): Promise<void> {
      isOver = true
      const end = performance.now() + 60_000
      while (open.size > 0 && performance.now() < end) await pause(100)
      assert.equal(open.size, 0, 'bad sockets stay open')
    },
    figures: () => ({ slowestCloseMs: Math.round(slowestCloseMs), opened }),
  }
}
