import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { storeRequest } from './command-set.ts'
import { abortPdu, commandPdu, dataHeader, pduType, releaseRequestPdu } from './pdu.ts'
import { createPduGuard, PduError } from './pdu-guard.ts'
import { createMemoryIngest, startScp } from './scp.fixture.ts'
import { openGoodSender, type Sender } from './sender.fixture.ts'
import {
  bareCommand,
  ctClass,
  dataUnit,
  echoRequest,
  fragment,
  requestPdu,
  storeMessage,
  unit,
} from './units.fixture.ts'

export type FuzzFigures = { streams: number; stored: number; rssMiB: number; slowestEchoMs: number }

/**
 * Sends streams made by a grammar and then damaged, many at a time, while an honest association goes on. The process
 * must not throw anywhere, nothing may stay open, memory must be bounded.
 */
export async function fuzz(streams: number, random: () => number): Promise<FuzzFigures> {
  const escaped: unknown[] = []
  const onEscape = (error: unknown) => void escaped.push(error)
  process.on('uncaughtException', onEscape).on('unhandledRejection', onEscape)
  const ingest = createMemoryIngest({ onWrite: () => random() > 0.1, keep: false })
  const limits = { closeTimeoutMs: 50, closeBytesMax: 65_536, associationsPerAddress: 64 }
  try {
    await using scp = await startScp({ ...ingest, limits })
    using good = await openGoodSender(scp.port)
    let rss = 0
    let slowestEchoMs = 0
    for (let done = 0; done < streams; done += parallel) {
      await Promise.all(Array.from({ length: parallel }, async () => attack(scp.port, random)))
      assert.deepEqual(escaped, [])
      if (done % 400 !== 0) continue
      slowestEchoMs = Math.max(slowestEchoMs, await timeOf(good))
      rss = Math.max(rss, process.memoryUsage().rss)
    }
    const rssMiB = Math.round(rss / 2 ** 20)
    return { streams, stored: ingest.finished(), rssMiB, slowestEchoMs: Math.round(slowestEchoMs) }
  } finally {
    process.off('uncaughtException', onEscape).off('unhandledRejection', onEscape)
  }
}

export type GuardFigures = { streams: number; refused: number; rssMiB: number }

/** The same streams, cut in three, through the guard alone: no sockets, so millions fit into minutes. */
export function fuzzGuard(streams: number, random: () => number): GuardFigures {
  let refused = 0
  let rss = 0
  for (let done = 0; done < streams; done++) {
    const bytes = damage(stream(random), random)
    const cuts = [below(bytes.length, random), below(bytes.length, random)].sort((a, b) => a - b)
    const [first = 0, second = 0] = cuts
    let isOpen = false
    const guard = createPduGuard((type) => (type === pduType.data && !isOpen ? undefined : 262_150))
    try {
      for (const piece of [
        bytes.subarray(0, first),
        bytes.subarray(first, second),
        bytes.subarray(second),
      ]) {
        for (const event of guard.feed(piece)) {
          if (event.kind === 'pdu') isOpen ||= event.type === pduType.associateRequest
          else assert.ok(event.data.length <= bytes.length)
        }
      }
    } catch (error) {
      // Anything but a refusal is a fault of ours.
      if (!(error instanceof PduError)) throw error
      refused++
    }
    if (done % 10_000 === 0) rss = Math.max(rss, process.memoryUsage.rss())
  }
  return { streams, refused, rssMiB: Math.round(rss / 2 ** 20) }
}

const parallel = 40

async function timeOf(good: Sender): Promise<number> {
  const begin = performance.now()
  assert.equal((await good.echo()).status, 0)
  return performance.now() - begin
}

/** One connection with one damaged stream, cut in two somewhere; it ends by either side closing. */
async function attack(port: number, random: () => number): Promise<void> {
  const bytes = damage(stream(random), random)
  const cut = below(bytes.length, random)
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined).resume()
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.write(bytes.subarray(0, cut))
    setImmediate(() => {
      socket.write(bytes.subarray(cut))
      // A reset now and then; otherwise a close, which must be enough to end it.
      if (random() < 0.2) setImmediate(() => socket.resetAndDestroy())
      else setImmediate(() => socket.end())
    })
  })
}

function stream(random: () => number): Buffer {
  const parts = random() < 0.9 ? [requestPdu()] : []
  const count = below(6, random)
  for (let n = 0; n < count; n++) parts.push(pick(units, random)(random))
  return Buffer.concat(parts)
}

const below = (bound: number, random: () => number): number => Math.floor(random() * bound)

const noise = (random: () => number, most: number): Buffer =>
  Buffer.from(Array.from({ length: below(most, random) }, () => below(256, random)))

/** What an association is made of, right and wrong. */
const units: ((random: () => number) => Buffer)[] = [
  () => commandPdu(3, echoRequest(1)),
  (random) => storeMessage(1, '1.2.3', noise(random, 300), noise(random, 300)),
  () => commandPdu(1, storeRequest(2, ctClass, '1.2.3')),
  (random) => dataUnit(fragment(1, below(4, random), noise(random, 200))),
  (random) => dataUnit(fragment(below(8, random), below(256, random), noise(random, 20))),
  (random) => commandPdu(1, bareCommand(below(65_536, random), below(65_536, random))),
  (random) => unit(below(10, random), noise(random, 100)),
  (random) => unit(4, noise(random, 20), below(2 ** 32, random)),
  (random) => dataHeader(1, 0, below(300_000, random)),
  () => requestPdu(),
  () => releaseRequestPdu(),
  () => abortPdu(0),
]

const pick = <T>(list: readonly T[], random: () => number): T => {
  const picked = list[below(list.length, random)]
  assert.ok(picked !== undefined)
  return picked
}

/** Flips bits, overwrites, inserts, removes and repeats; now and then nothing at all. */
function damage(bytes: Buffer, random: () => number): Buffer {
  let damaged = Buffer.from(bytes)
  const count = below(4, random)
  for (let n = 0; n < count && damaged.length > 0; n++) {
    const at = below(damaged.length, random)
    const length = below(12, random)
    const before = damaged.subarray(0, at)
    const after = damaged.subarray(at)
    const how = below(5, random)
    if (how === 0) damaged[at] = (damaged[at] ?? 0) ^ (1 << below(8, random))
    if (how === 1) damaged[at] = pick([0, 1, 127, 128, 255], random)
    if (how === 2) damaged = Buffer.concat([before, noise(random, 12), after])
    if (how === 3) damaged = Buffer.concat([before, after.subarray(length)])
    if (how === 4) damaged = Buffer.concat([before, after.subarray(0, length), after])
  }
  return damaged
}
