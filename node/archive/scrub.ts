import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { scrubLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { isTrusted, openCatalog, removeCatalog } from './catalog.ts'
import type { Catalog } from './catalog.ts'
import type { Finding, Repair } from './repair.ts'
import { scrubCatalog } from './scrub-catalog.ts'
import { repairSegment, scrubSegment } from './scrub-segment.ts'
import { emptyState, readState, writeState } from './scrub-state.ts'
import type { ScrubState } from './scrub-state.ts'
import type { ValueLog } from './value-log.ts'

/**
 * Reads everything again and again, so that what rots is found while another copy exists. A pass reads each record of
 * the log, makes a second catalog of them, and compares it with the one in use: so it also shows that the catalog can
 * be made again.
 */
export type Scrub = AsyncDisposable & {
  /** Goes on with the pass that is due, without pausing, to its end. */
  run(): Promise<ScrubSummary>
  status(): Promise<ScrubStatus>
}
export type ScrubSummary = { repaired: number; damaged: number; rows: number }
export type ScrubStatus = {
  startedAt: number
  /** Absent while the pass goes on. */
  finishedAt?: number
  bytesDone: number
  bytesTotal: number
  /** Records that got a new copy, records without one, and rows of the catalog that were put right. */
  repaired: number
  damaged: number
  rows: number
  segments: { segment: number; bytes: number; verifiedAt?: number }[]
}

export type ScrubOptions = {
  bytesPerSecond: number
  /** A pass that would take longer goes faster. */
  passMs: number
  /** Absent: only when it is asked to. */
  isAutomatic: boolean
}
export type ScrubParts = ScrubOptions & {
  /** The archive's folder. */
  dir: string
  node: string
  valueLog: Pick<ValueLog, 'check' | 'read' | 'segments'>
  catalog: Catalog
  repair: Repair
  /** Bytes that came in and went out so far: while they grow quickly, the scrub goes slowly. */
  traffic: () => number
  clock: () => number
  log: Log
  found: (finding: Finding) => void
}

type Pass = ScrubParts & {
  state: ScrubState
  /** Seconds of waiting are cut short when the archive closes, or somebody wants the result now. */
  isHurried: () => boolean
  signal: AbortSignal
}

export async function createScrub(parts: ScrubParts): Promise<Scrub> {
  const { dir, clock, log } = parts
  const stop = new AbortController()
  const file = join(dir, 'scrub.json')
  let state = (await readState(file)) ?? emptyState(clock())
  let hurried = 0
  let passing: Promise<ScrubSummary> | undefined

  async function pass(): Promise<ScrubSummary> {
    if (state.finishedAt !== undefined) {
      const next = emptyState(clock())
      state = { ...next, verified: readBefore(next.startedAt, state) }
    }
    const isHurried = (): boolean => hurried > 0
    await runPass({ ...parts, state, isHurried, signal: stop.signal }, file)
    const { repaired, damaged, rows } = state
    return { repaired, damaged, rows }
  }
  const current = (): Promise<ScrubSummary> =>
    (passing ??= pass().finally(() => (passing = undefined)))

  async function goOn(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        const wait = (state.finishedAt ?? 0) + scrubLimits.pauseMs - clock()
        if (state.finishedAt !== undefined && wait > 0) await sleep(wait, stop.signal)
        await current()
      } catch (error) {
        if (stop.signal.aborted) return
        log.error({ code: codeOf(error), err: error }, 'a scrub was given up; it is tried again')
        await sleep(scrubLimits.retryMs, stop.signal)
      }
    }
  }
  const going = parts.isAutomatic ? goOn() : Promise.resolve()

  return {
    async run() {
      hurried++
      try {
        return await current()
      } finally {
        hurried--
      }
    },
    status: async () => statusOf(state, await parts.valueLog.segments()),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await going
      await passing?.catch(() => {})
    },
  }
}

/** Resolves early, without a word, when the archive closes. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(Math.min(ms, scrubLimits.sleepMsMax), undefined, { signal }).catch(() => {})
}

async function runPass(pass: Pass, file: string): Promise<void> {
  const { dir, log, state, catalog, valueLog, clock, found } = pass
  const folder = join(dir, 'scrub')
  {
    await using shadow = await openShadow(pass, folder)
    const total = (await valueLog.segments()).reduce((sum, { bytes }) => sum + bytes, 0)
    const pace = createPace(pass, total)
    for (const { number, isMissing } of await segmentsOf(pass)) {
      checkStopped(pass)
      if ((state.verified[number] ?? -1) >= state.startedAt) continue
      const position = catalog.positions().get(number)
      if (position === undefined) continue
      const { offset, chain } = position
      const finding = isMissing
        ? await repairSegment(pass, number, new Set())
        : await scrubSegment({ ...pass, shadow, pace }, number, { offset, chain })
      state.repaired += finding.repaired
      state.damaged += finding.damaged
      // A clock that was set back meanwhile does not undo what was read.
      state.verified[number] = Math.max(clock(), state.startedAt)
      await writeState(file, state)
    }
    checkStopped(pass)
    const { rows, ...overlays } = await scrubCatalog({ ...pass, shadow })
    if (rows > 0) found({ kind: 'catalog-repaired', rows })
    state.rows += rows
    state.repaired += overlays.repaired
    state.damaged += overlays.damaged
  }
  await removeCatalog(folder)
  state.finishedAt = clock()
  await writeState(file, state)
  const { repaired, damaged, rows } = state
  log.info({ repaired, damaged, rows }, 'the archive was read through')
}

/** When segments were read before that time. A time that has yet to come is of a clock that ran ahead. */
const readBefore = (time: number, { verified }: ScrubState): ScrubState['verified'] =>
  Object.fromEntries(Object.entries(verified).filter(([, at]) => at < time))

/** The second catalog, as far as the pass has come. With one that was damaged the pass begins again. */
async function openShadow({ state, node, log }: Pass, folder: string): Promise<Catalog> {
  const hasBegun = Object.values(state.verified).some((at) => at >= state.startedAt)
  if (hasBegun && (await isTrusted(folder))) {
    try {
      return await openCatalog(folder, { log, node })
    } catch (error) {
      log.warn({ err: error }, 'what a scrub had read so far was damaged; it begins again')
    }
  }
  state.verified = readBefore(state.startedAt, state)
  await removeCatalog(folder)
  return await openCatalog(folder, { log, node })
}

function checkStopped({ signal }: Pass): void {
  if (signal.aborted) throw new ProtocolError('aborted', 'the archive is being closed')
}

/** Segments on the disk and those that the catalog has applied and that are gone. */
async function segmentsOf({ valueLog, catalog, state }: Pass) {
  const present = (await valueLog.segments()).map(({ number }) => number)
  const missing = [...catalog.positions().keys()].filter((number) => !present.includes(number))
  for (const number of Object.keys(state.verified).map(Number)) {
    if (!present.includes(number)) delete state.verified[number]
  }
  return [
    ...missing.map((number) => ({ number, isMissing: true })),
    ...present.map((number) => ({ number, isMissing: false })),
  ]
}

/** Waits after each chunk so that the rate holds; a quarter of it while others want the disk, yet never too slow. */
function createPace(pass: Pass, total: number): (bytes: number) => Promise<void> {
  const { bytesPerSecond, passMs, traffic, isHurried, signal } = pass
  const least = (total / passMs) * 1000
  let due = performance.now()
  let seen = traffic()
  let seenAt = due
  let rate = Math.max(bytesPerSecond, least)
  return async (bytes) => {
    checkStopped(pass)
    if (isHurried()) return
    const now = performance.now()
    if (now - seenAt > scrubLimits.trafficWindowMs) {
      const busy = ((traffic() - seen) / (now - seenAt)) * 1000
      const isBusy = busy > scrubLimits.trafficBytesPerSecond
      rate = Math.max(isBusy ? bytesPerSecond / 4 : bytesPerSecond, least)
      seen = traffic()
      seenAt = now
    }
    due = Math.max(due, now - 1000) + (bytes / rate) * 1000
    if (due - now > scrubLimits.waitMsMin) await sleep(due - now, signal)
  }
}

function statusOf(
  state: ScrubState,
  segments: readonly { number: number; bytes: number }[],
): ScrubStatus {
  const { startedAt, finishedAt, repaired, damaged, rows, verified } = state
  const sum = (list: readonly { bytes: number }[]) => list.reduce((a, { bytes }) => a + bytes, 0)
  const done = segments.filter(({ number }) => (verified[number] ?? -1) >= startedAt)
  return {
    startedAt,
    ...(finishedAt !== undefined && { finishedAt }),
    bytesDone: sum(done),
    bytesTotal: sum(segments),
    repaired,
    damaged,
    rows,
    segments: segments.map(({ number, bytes }) => {
      const verifiedAt = verified[number]
      return { segment: number, bytes, ...(verifiedAt !== undefined && { verifiedAt }) }
    }),
  }
}
