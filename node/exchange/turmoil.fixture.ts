import assert from 'node:assert/strict'
import type { StudyReader } from '../archive/archive.ts'
import {
  collect,
  createFixtureGate,
  createFixtureStudy,
  instanceOf,
  newKey,
  startGrantee,
  startHolder,
} from './exchange.fixture.ts'
import type { FixtureInstance, Grantee, HolderNode } from './exchange.fixture.ts'

const KiB = 1024

/** Numbers that a seed decides (mulberry32). */
export function createDice(seed: number) {
  let state = seed >>> 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const allowed = new Set([
  'holder_unreachable',
  'stream_closed',
  'aborted',
  'forbidden',
  'chunk_mismatch',
  'timeout',
])

/**
 * A holder that dies, comes back, lies and revokes, and a grantee that is restarted, while several users read stretches
 * of everything. Whatever is returned is what the holder has, or an error; in the end all of it can be read.
 */
export async function turmoil(
  seed: number,
  steps: number,
): Promise<{ reads: number; failed: number }> {
  const dice = createDice(seed)
  const lengths = [1, 255, 256, 257, 700, 1500, 3000].map((size) => size * KiB + dice(3) - 1)
  const study = createFixtureStudy(
    lengths.map((length, i) => instanceOf(i + 1, length, 1 + (i % 2))),
  )
  study.tamper = (_sop, _offset, bytes) => (dice(40) === 0 ? bytes.map((byte) => byte ^ 1) : bytes)
  const gate = createFixtureGate()
  const key = newKey()
  const start = (): Promise<HolderNode> =>
    startHolder({ study, gate, key, limits: { recheckIntervalMs: 20 } })
  let holder = await start()
  const limits = { banMs: 100, sessionLingerMs: 200, sweepIntervalMs: 50, bulkIdleTimeoutMs: 2000 }
  const first = await startGrantee(holder, { limits })
  let grantee: Grantee = first
  const tally = { reads: 0, failed: 0 }
  const running = new Set<Promise<void>>()
  const spawn = (work: () => Promise<void>): void => {
    const one = work()
      .catch((error: unknown) => {
        const code = (error as { code?: string }).code ?? ''
        if (!allowed.has(code)) throw error
        tally.failed += 1
      })
      .finally(() => running.delete(one))
    running.add(one)
  }
  const readSome = async (from: Grantee): Promise<void> => {
    await using reader = await from.open(['anna', 'boris', 'clara'][dice(3)])
    const one = study.instances[dice(study.instances.length)]
    if (one !== undefined) await readStretch(reader, one, dice)
    tally.reads += 1
  }
  for (let step = 0; step < steps; step++) {
    const what = dice(20)
    if (what < 14) spawn(() => readSome(grantee))
    else if (what < 16) {
      grantee.target.node = undefined
      await holder[Symbol.asyncDispose]()
      holder = await start()
      grantee.target.node = holder
    } else if (what === 16) gate.revoked.add('anna')
    else if (what === 17) gate.revoked.clear()
    else if (what === 18) {
      await grantee.remote[Symbol.asyncDispose]()
      await Promise.allSettled(running)
      await grantee.host[Symbol.asyncDispose]()
      grantee = await startGrantee(holder, { limits, dir: first.dir })
    }
    await settle(dice(15), step % 10 === 9 ? running : [])
  }
  await Promise.all(running)
  gate.revoked.clear()
  study.tamper = undefined
  grantee.clock.now += 60_000
  await using reader = await grantee.open('dora')
  for (const one of study.instances) {
    assert.ok(Buffer.from(await collect(reader.read(one.sop))).equals(one.bytes), one.sop)
  }
  if (grantee !== first) await grantee[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  await holder[Symbol.asyncDispose]()
  return tally
}

/** A slow machine gets something done between two disasters as well. */
async function settle(ms: number, running: Iterable<Promise<void>>): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
  await Promise.all(running)
}

async function readStretch(
  reader: StudyReader,
  { sop, bytes }: FixtureInstance,
  dice: (below: number) => number,
): Promise<void> {
  const offset = dice(3) === 0 ? 0 : dice(bytes.byteLength)
  const length = dice(3) === 0 ? bytes.byteLength - offset : 1 + dice(bytes.byteLength - offset)
  const stop = new AbortController()
  const timer = dice(5) === 0 ? setTimeout(() => stop.abort(gone), dice(30)) : undefined
  try {
    const got = await collect(reader.read(sop, { offset, length }, stop.signal))
    assert.ok(Buffer.from(got).equals(bytes.subarray(offset, offset + length)), `${sop} ${offset}`)
  } finally {
    clearTimeout(timer)
  }
}

const gone = Object.assign(new Error('the browser has gone'), { code: 'aborted' })
