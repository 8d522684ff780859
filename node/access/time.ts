import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { beatKind, verifyBeat } from '#protocol/epoch.ts'
import { codeOf } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { urnOf } from '#protocol/ids.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import { timeLimits } from '#protocol/limits.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Log } from '../log.ts'
import { createTurns } from '#protocol/turns.ts'
import { readMark, writeMark } from './mark-file.ts'

/**
 * What time it is, for everything that ends at a time. The system clock may stand still, be set back, or be years ahead
 * after a flat battery; what has ended must not come back by that, and a mended clock must mend the node.
 */
export type Time = {
  /** Milliseconds; never before what was true before, unless the registry and the system clock agree that it was not. */
  now(): number
  /** Whether organizations may be let in by this time. */
  isTrusted(): boolean
  /** Whether the registry has said the time since the start; before that a clock that is ahead is believed. */
  isProven(): boolean
  /** A beat that has just come over the link to the registry. Never throws: what is wrong with it is said elsewhere. */
  hear(beat: string): Promise<void>
  /** The issue time of something that the registry signed, milliseconds. */
  raise(issuedAt: number): void
  /** To be called each minute: keeps the time, and tells of a clock that has gone wrong or right. */
  tick(): Promise<void>
}

/** Milliseconds that go on whatever is done to the clock, within one boot of the host. */
export type Monotonic = { read: () => number; boot: string }

export type ClockAlarm = Extract<ErrorCode, 'clock_behind' | 'clock_ahead'>

type Deps = {
  self: OrganizationOid
  trust: () => TrustList
  clock: () => number
  monotonic: Monotonic
  dir: string
  log: Log
  onAlarm: (code: ClockAlarm, detail: string) => Promise<void>
}

const Mark = z.strictObject({
  at: z.int().min(0),
  heard: z.int().min(0),
  monotonic: z.int().min(0),
  boot: z.string().max(64),
})

/** A time that was true at a reading of the monotonic clock: a line that rises with it. */
type Line = { at: number; monotonic: number }
const on = (line: Line, monotonic: number): number => line.at + (monotonic - line.monotonic)

type State = {
  /** Time is at least here. */
  floor: Line
  /** By the newest beat of this run. */
  beat: Line | undefined
  /** Issue time of the newest beat that was ever believed. */
  heard: number
  /** Issue time of the newest beat that came from our future. */
  contradicted: number
  alarm: ClockAlarm | undefined
}

export async function openTime(deps: Deps): Promise<Time> {
  const { clock, monotonic, log } = deps
  const file = path.join(deps.dir, 'time-high-water.json')
  const kept = await readMark(file, Mark)
  const started = Math.floor(monotonic.read())
  // Within one boot of the host the time in which the program was stopped is known, too.
  const isSameBoot = kept?.boot === monotonic.boot && kept.monotonic <= started
  const state: State = {
    floor: { at: kept?.at ?? 0, monotonic: isSameBoot ? kept.monotonic : started },
    beat: undefined,
    heard: kept?.heard ?? 0,
    contradicted: 0,
    alarm: undefined,
  }
  const read = (): { now: number; alarm: ClockAlarm | undefined } =>
    readClock(state, clock(), Math.floor(monotonic.read()))
  const inTurn = createTurns()
  // A beat and the timer may meet: what is written last must be what was read last.
  const tick = (): Promise<void> => inTurn(keep)
  async function keep(): Promise<void> {
    const { now, alarm } = read()
    // What has passed by the monotonic clock would be lost at the next boot, so the line is kept where it is now.
    const passed = Math.floor(monotonic.read())
    const at = on(state.floor, passed)
    const mark = { at, monotonic: passed, heard: state.heard, boot: monotonic.boot }
    await writeMark(file, mark)
    if (alarm === state.alarm) return
    state.alarm = alarm
    if (alarm === undefined) {
      log.info('the clock is right again')
      return
    }
    const off = Math.round((clock() - now) / 1000)
    log.error({ code: alarm, off }, 'the system clock is wrong')
    await deps.onAlarm(alarm, `system clock ${off} s off`)
  }
  await tick()
  return {
    now: () => read().now,
    isTrusted: () => read().alarm !== 'clock_behind',
    isProven: () => state.beat !== undefined,
    async hear(beat) {
      const heard = await readBeat(deps, beat, read().now)
      if (heard?.isFuture === true) state.contradicted = heard.issuedAt
      else if (heard !== undefined) {
        hearBeat(state, heard.issuedAt, { system: clock(), at: Math.floor(monotonic.read()) })
      }
      await tick()
    },
    raise(issuedAt) {
      const at = Math.floor(monotonic.read())
      if (issuedAt > on(state.floor, at)) state.floor = { at: issuedAt, monotonic: at }
    },
    tick,
  }
}

function readClock(state: State, system: number, at: number) {
  const { floor, beat, contradicted } = state
  const lowest = on(floor, at)
  if (beat !== undefined && system > on(beat, at) + timeLimits.aheadMs) {
    return { now: Math.max(lowest, on(beat, at)), alarm: 'clock_ahead' as const }
  }
  if (system < Math.max(lowest, contradicted) - timeLimits.behindMs) {
    return { now: Math.max(lowest, system), alarm: 'clock_behind' as const }
  }
  if (system > lowest) state.floor = { at: system, monotonic: at }
  return { now: Math.max(lowest, system), alarm: undefined }
}

function hearBeat(
  state: State,
  issuedAt: number,
  { system, at }: { system: number; at: number },
): void {
  // An old beat says nothing of the time now, and one that was held back on the way must not slow it.
  if (issuedAt <= state.heard) return
  state.heard = issuedAt
  state.contradicted = 0
  const line = { at: issuedAt, monotonic: at }
  if (state.beat === undefined || on(state.beat, at) < issuedAt) state.beat = line
  const lowest = on(state.floor, at)
  // The clock was ahead before: two who do not know of each other say so.
  const isAgreed = Math.abs(system - issuedAt) <= timeLimits.behindMs
  const isPast = lowest > issuedAt + timeLimits.aheadMs
  const isTooHigh = isPast || (isAgreed && lowest > issuedAt + timeLimits.behindMs)
  if (lowest < issuedAt || isTooHigh) state.floor = line
}

/**
 * By the time that we believe, or by the system clock: after a clock that was years ahead only the latter finds the
 * issuing key in its term. By its own issue time alone a beat is never judged, or a stolen key that has run out could
 * turn back the time.
 */
async function readBeat(
  deps: Deps,
  token: string,
  now: number,
): Promise<{ issuedAt: number; isFuture: boolean } | undefined> {
  const { self, trust, clock, log } = deps
  for (const by of [now, clock()]) {
    const expected = { trust: trust(), audience: urnOf(self), now: by }
    try {
      const { claims } = await verifyBeat(token, expected)
      return { issuedAt: claims.iat * 1000, isFuture: false }
    } catch (error) {
      if (codeOf(error) === 'token_not_yet_valid') {
        return { issuedAt: decodeToken(token, beatKind).claims.iat * 1000, isFuture: true }
      }
      log.debug({ code: codeOf(error) }, 'a beat says nothing of the time')
    }
  }
  return undefined
}

export function keepTime({ tick }: Pick<Time, 'tick'>, log: Log): Disposable {
  const timer = setInterval(() => {
    tick().catch((err: unknown) => log.error({ err }, 'the time was not kept'))
  }, timeLimits.keepMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** The host's own: it does not stop with the program. */
export function hostMonotonic(random: (bytes: number) => Uint8Array): Monotonic {
  const read = (): number => Number(process.hrtime.bigint() / 1_000_000n)
  try {
    return { read, boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() }
  } catch {
    // Not a Linux host: every start counts as a boot.
    return { read, boot: Buffer.from(random(16)).toString('hex') }
  }
}

/** For a clock that somebody turns by hand: forward is taken for elapsed time, backward is found out. */
export function highestOf(clock: () => number): Monotonic {
  let highest = 0
  return { read: () => (highest = Math.max(highest, clock())), boot: '' }
}
