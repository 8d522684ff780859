import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Archive } from '../../node/archive/archive.ts'
import { openDisk } from '../../node/archive/disk.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { allComplete, ingestAll, ingestOne, openBenchArchive, unsynced } from './archive-load.ts'
import type { Bench } from './bench-run.ts'
import { median } from './line.ts'
import { createStudySet, type StudySet } from './study-set.ts'
import { usageOf } from './usage.ts'

/** Numbers of instances at which an archive is measured; `CAMI_LEVELS` gives others. */
const fullLevels = [0, 100_000, 300_000, 500_000, 1_000_000]
const quickLevels = [0, 2000, 5000]
const studyInstances = 50
/**
 * Each alone, of 64 KB, with real syncs; taken between two fills, so always by a process that has just started. Enough
 * that one wait for the disk does not decide the mean: of two hundred a single one of 40 ms is a fifth.
 */
const sampled = 2000
const warmUp = 500
const sampleBytes = 64 * 1024
const holder = '1.2.643.5.1.13.13.12.2.42.1001' as OrganizationOid

/** What an archive costs at one size, measured in a process that does nothing else. */
type Level = {
  startMs: number
  ingest: Times
  /** Those of an empty archive, taken by turns with them: what else the machine does troubles both alike. */
  emptyIngest: Times
  handles: number
  rssMB: number
  heapMB: number
  scrubUs: number
  scrubCpuUs: number
  scrubRssMB: number
}

type Times = { median: number; mean: number }

/** What an archive costs as it grows. The fill is not synced: only the samples are what a sender waits for. */
export const scale: Bench = async ({ quick, dir, report, note }) => {
  const levels =
    process.env['CAMI_LEVELS']?.split(',').map(Number) ?? (quick ? quickLevels : fullLevels)
  const archiveDir = path.join(dir, 'archive')
  await mkdir(archiveDir)
  const set = createStudySet(Math.ceil((levels.at(-1) ?? 0) / studyInstances) + 1)
  let filled = 0
  for (const [number, level] of levels.entries()) {
    const began = performance.now()
    await fillUp(archiveDir, set, { from: filled, to: level })
    const seconds = (performance.now() - began) / 1000
    const rate = Math.round((level - filled) / seconds)
    filled = level
    note(`${level} instances, filled at ${rate} a second`)
    const found = await measureApart(archiveDir, number)
    const { ingest, emptyIngest } = found
    const figure = (name: string, unit: string, ours: number): void =>
      report({ case: `${level}: ${name}`, unit, better: 'lower', ours })
    report({
      case: `${level}: ingest, median`,
      unit: 'ms',
      better: 'lower',
      ours: ingest.median,
      peer: emptyIngest.median,
      peerName: 'empty archive',
    })
    report({
      case: `${level}: ingest, mean`,
      unit: 'ms',
      better: 'lower',
      ours: ingest.mean,
      peer: emptyIngest.mean,
      peerName: 'empty archive',
    })
    figure('start', 'ms', found.startMs)
    figure('catalog', 'MB', await megabytesOf(path.join(archiveDir, 'catalog')))
    figure('log, with the samples', 'MB', await megabytesOf(path.join(archiveDir, 'log')))
    figure('files', 'files', await filesOf(archiveDir))
    figure('open handles', 'handles', found.handles)
    figure('memory after the start', 'MB', found.rssMB)
    figure('heap', 'MB', found.heapMB)
    figure('scrub per instance', 'µs', found.scrubUs)
    figure('scrub per instance, CPU', 'µs', found.scrubCpuUs)
    figure('memory after the scrub', 'MB', found.scrubRssMB)
  }
}

async function fillUp(
  dir: string,
  set: StudySet,
  { from, to }: { from: number; to: number },
): Promise<void> {
  if (to <= from) return
  const disk = unsynced(await openDisk(path.join(dir, 'log')))
  await using archive = await openBenchArchive(dir, holder, { disk })
  await ingestAll(archive, itemsOf(set, from, to))
  await allComplete()
}

function* itemsOf(set: StudySet, from: number, to: number): Generator<StoreItem> {
  for (let at = from; at < to; at = (Math.floor(at / studyInstances) + 1) * studyInstances) {
    const study = set.studies[Math.floor(at / studyInstances)]
    if (study === undefined) return
    const first = at % studyInstances
    yield* set.instances(study, first, Math.min(studyInstances, first + to - at))
  }
}

async function measureApart(dir: string, level: number): Promise<Level> {
  const child = fork(import.meta.filename, [dir, String(level)], { execArgv: ['--expose-gc'] })
  const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[]
  if (typeof message !== 'object') throw new Error('the measuring process ended early')
  return message as Level
}

async function measure(dir: string, level: number): Promise<Level> {
  const before = performance.now()
  await using archive = await openBenchArchive(dir, holder)
  const startMs = performance.now() - before
  const memory = memoryNow()
  const ingest = await sampleIngest(archive, dir, level)
  const handles = (await readdir('/proc/self/fd')).length
  const { instances } = await archive.counts()
  const cpu = (await usageOf(process.pid)).cpuSeconds
  const began = performance.now()
  await archive.scrub()
  const each = 1e6 / Math.max(1, instances)
  return {
    startMs,
    ...ingest,
    handles,
    ...memory,
    scrubUs: ((performance.now() - began) / 1000) * each,
    scrubCpuUs: ((await usageOf(process.pid)).cpuSeconds - cpu) * each,
    scrubRssMB: memoryNow().rssMB,
  }
}

/** Resident without mapped files: LevelDB maps its tables, and the system takes those pages back when it wants them. */
function memoryNow(): { rssMB: number; heapMB: number } {
  globalThis.gc?.()
  const status = readFileSync('/proc/self/status', 'utf8')
  const kilobytes = Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1])
  return { rssMB: kilobytes / 1024, heapMB: process.memoryUsage().heapUsed / 1e6 }
}

/** The same instances at each level but for their UIDs. The first ones warm the process up. */
async function sampleIngest(
  archive: Archive,
  dir: string,
  level: number,
): Promise<Pick<Level, 'ingest' | 'emptyIngest'>> {
  const emptyDir = `${dir}-empty`
  const times: { own: number[]; empty: number[] } = { own: [], empty: [] }
  {
    await using empty = await openBenchArchive(emptyDir, holder)
    for (const item of sampleItems(level)) {
      times.own.push(await timed(() => ingestOne(archive, item)))
      times.empty.push(await timed(() => ingestOne(empty, item)))
    }
  }
  await rm(emptyDir, { recursive: true })
  return { ingest: timesOf(times.own), emptyIngest: timesOf(times.empty) }
}

async function timed(task: () => Promise<void>): Promise<number> {
  const before = performance.now()
  await task()
  return performance.now() - before
}

function timesOf(all: readonly number[]): Times {
  const times = all.slice(-sampled)
  return {
    median: median(times),
    mean: times.reduce((sum, time) => sum + time, 0) / times.length,
  }
}

function* sampleItems(level: number): Generator<StoreItem> {
  const set = createStudySet(1)
  const [like] = set.studies
  if (like === undefined) return
  const study = { ...like, study: `2.25.8.${level + 1}`, patientId: `S${level}` }
  yield* set.instances(study, 0, warmUp + sampled, new Uint8Array(sampleBytes))
}

async function megabytesOf(dir: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(dir)) bytes += (await stat(path.join(dir, name))).size
  return bytes / 1e6
}

const filesOf = async (dir: string): Promise<number> =>
  (await readdir(dir, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
    .length

if (process.argv[1] === import.meta.filename) {
  const [, , dir = '', level = ''] = process.argv
  process.send?.(await measure(dir, Number(level)))
  process.disconnect?.()
}
