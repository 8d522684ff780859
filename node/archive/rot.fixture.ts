import assert from 'node:assert/strict'
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Archive } from './archive.ts'
import { dataSet, fetch, openTestArchive, temporaryFolder } from './archive.fixture.ts'
import { describe, fill, manySlice, replicaOf } from './fill.fixture.ts'
import { silentLog, type Log } from '../log.ts'
import { readLevelLog, readVersion } from './leveldb-log.ts'
import { sealBytes } from './log-record.ts'
import { createRandom } from './simulated-disk.fixture.ts'

const count = 40
const segmentBytes = 12_000
const open = (dir: string, hasReplica: boolean, log: Log = silentLog): Promise<Archive> =>
  openTestArchive(dir, { segmentBytes, log, ...(hasReplica && { findCopy: replicaOf(count) }) })

export type RotFigures = {
  states: number
  /** Bytes that were not those received were handed out. */
  wrong: number
  /** States in which something did not come back. */
  unrepaired: number
  /** How it was noticed: at the start, by a reader, by the scrub, or it changed nothing that is used. */
  noticed: Record<'start' | 'read' | 'scrub' | 'unused', number>
  byFile: Record<string, number>
  /** Where the bits lay that nobody noticed: the kind of file, and which part of it. */
  unused: Record<string, number>
}

/** A closed archive with tables, a write-ahead log and many segments, and what it says. */
async function makePristine(dir: string): Promise<unknown> {
  {
    await using archive = await open(dir, false)
    await fill(archive, count)
  }
  // What was in the write-ahead log goes to tables when the catalog opens again.
  await using archive = await open(dir, false)
  await archive.append('index-entry', Buffer.from('two'))
  return await describe(archive)
}

/**
 * Flips one bit in one file of an archive, again and again, each time in a fresh copy: reads everything, scrubs with
 * a replica at hand, and compares all there is, also with a catalog that is made from the log alone.
 */
export async function rotRepeatedly(states: number, seed: number): Promise<RotFigures> {
  const random = createRandom(seed)
  await using pristine = await temporaryFolder()
  const expected = await makePristine(pristine.path)
  const noticed = { start: 0, read: 0, scrub: 0, unused: 0 }
  const figures: RotFigures = { states, wrong: 0, unrepaired: 0, noticed, byFile: {}, unused: {} }
  for (let i = 0; i < states; i++) {
    await using folder = await temporaryFolder()
    await cp(pristine.path, folder.path, { recursive: true })
    const { kind, part } = await flipBit(folder.path, random)
    figures.byFile[kind] = (figures.byFile[kind] ?? 0) + 1
    const outcome = await readScrubCompare(folder.path, expected)
    figures.wrong += outcome.wrong
    figures.noticed[outcome.noticed]++
    if (outcome.noticed === 'unused') {
      figures.unused[`${kind}: ${part}`] = (figures.unused[`${kind}: ${part}`] ?? 0) + 1
    }
    if (!outcome.isRepaired) figures.unrepaired++
  }
  return figures
}

/** Each kind of file is hit equally often. */
async function flipBit(dir: string, random: () => number): Promise<{ kind: string; part: string }> {
  const files = [...(await filesOf(dir, 'catalog')), ...(await filesOf(dir, 'log'))]
  const kinds = [/\.seg$/, /\.ldb$/, /\d\.log$/, /MANIFEST/, /CURRENT/]
  const kind = kinds[Math.floor(random() * kinds.length)] ?? /\.seg$/
  const some = files.filter((file) => kind.test(file))
  const file = some[Math.floor(random() * some.length)] ?? ''
  const bytes = await readFile(file)
  const live = await liveFiles(join(dir, 'catalog'))
  const at = Math.floor(random() * bytes.byteLength)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))
  await writeFile(file, bytes)
  const isLive = file.endsWith('.seg') || live(basename(file))
  const part = isLive ? partOf(file, bytes.byteLength, at) : 'a file that LevelDB uses no more'
  return { kind: kind.source.replaceAll(/[\\$]|d\./g, ''), part }
}

function partOf(file: string, size: number, at: number): string {
  if (file.endsWith('.seg') && at >= size - sealBytes) return 'seal'
  if (file.endsWith('.ldb') && at >= size - tableFooterBytes) return 'footer'
  return file.endsWith('.log') && at % 32_768 > 32_768 - 7 ? 'padding' : 'elsewhere'
}
const tableFooterBytes = 48

/** Which files of a LevelDB folder count, by what its MANIFEST says. */
async function liveFiles(folder: string): Promise<(name: string) => boolean> {
  const manifest = (await readFile(join(folder, 'CURRENT'), 'utf8')).trim()
  const version = readVersion(readLevelLog(await readFile(join(folder, manifest))).records)
  return (name) =>
    name === 'CURRENT' ||
    name === manifest ||
    (name.endsWith('.ldb') && version.tables.has(Number.parseInt(name, 10))) ||
    (name.endsWith('.log') && Number.parseInt(name, 10) >= version.log)
}

const filesOf = async (dir: string, name: string): Promise<string[]> =>
  (await readdir(join(dir, name))).map((file) => join(dir, name, file))

type Outcome = { wrong: number; noticed: keyof RotFigures['noticed']; isRepaired: boolean }

async function readScrubCompare(dir: string, expected: unknown): Promise<Outcome> {
  let wrong = 0
  let noticed: Outcome['noticed'] = 'unused'
  let hasFailed = false
  const before = await readFile(join(dir, 'catalog', 'CURRENT'), 'utf8').catch(() => '')
  {
    // What LevelDB dropped from the end of its write-ahead log is taken from the value log again.
    const info = (facts: object): void => {
      if ('records' in facts) noticed = 'start'
    }
    let phase: 'start' | 'read' = 'start'
    // Also where nothing that is used was hit, whoever operates it is told.
    const told = (): void => void (noticed = noticed === 'unused' ? phase : noticed)
    await using archive = await open(dir, false, { ...silentLog, info, warn: told, error: told })
    phase = 'read'
    void archive.failed.then(() => (hasFailed = true))
    if (isMadeAgain(before, await readFile(join(dir, 'catalog', 'CURRENT'), 'utf8'))) {
      noticed = 'start'
    }
    for (let i = 0; i < count; i++) {
      const read = await readOne(archive, i)
      if (read === 'wrong') wrong++
      if (read === 'refused' && noticed === 'unused') noticed = 'read'
    }
  }
  for (let round = 0; round < 3; round++) {
    const told = (): void => void (noticed = noticed === 'unused' ? 'scrub' : noticed)
    await using archive = await open(dir, true, { ...silentLog, error: told })
    const summary = await archive.scrub().catch(() => undefined)
    if (hasFailed && noticed === 'unused') noticed = 'read'
    if (summary === undefined) continue
    const { repaired, rows } = summary
    if (repaired + rows > 0 && noticed === 'unused') noticed = 'scrub'
    break
  }
  return { wrong, noticed, isRepaired: await isWhole(dir, expected) }
}

/** The numbers of a catalog that was made again begin anew. */
const isMadeAgain = (before: string, after: string): boolean => {
  const number = (text: string) => Number(/^MANIFEST-(\d+)\n$/.exec(text)?.[1] ?? Infinity)
  return number(after) <= number(before)
}

async function readOne(archive: Archive, i: number): Promise<'good' | 'wrong' | 'refused'> {
  const { study, sop } = manySlice(i)
  try {
    return (await fetch(archive, study, sop)).equals(dataSet(manySlice(i))) ? 'good' : 'wrong'
  } catch {
    return 'refused'
  }
}

/** Everything is there, in the catalog as it is and in one that is made from the log. */
async function isWhole(dir: string, expected: unknown): Promise<boolean> {
  for (const isRebuilt of [false, true]) {
    if (isRebuilt) await rm(join(dir, 'catalog'), { recursive: true })
    await using archive = await open(dir, false)
    try {
      assert.deepEqual(await describe(archive), expected)
    } catch {
      return false
    }
    for (let i = 0; i < count; i++) if ((await readOne(archive, i)) !== 'good') return false
  }
  return true
}

export type LossFigures = { states: number; lost: number; byFile: Record<string, number> }

/** Deletes or cuts one file, each kind in turn; everything whose bytes exist somewhere must be there afterwards. */
export async function loseRepeatedly(rounds: number, seed: number): Promise<LossFigures> {
  const random = createRandom(seed)
  await using pristine = await temporaryFolder()
  const expected = await makePristine(pristine.path)
  const figures: LossFigures = { states: 0, lost: 0, byFile: {} }
  const kinds = [/CURRENT/, /MANIFEST/, /\d\.log$/, /\.ldb$/, /LOCK/, /\.seg$/]
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      for (const isCut of [false, true]) {
        await using folder = await temporaryFolder()
        await cp(pristine.path, folder.path, { recursive: true })
        const files = [
          ...(await filesOf(folder.path, 'catalog')),
          ...(await filesOf(folder.path, 'log')),
        ].filter((file) => kind.test(file))
        const file = files[Math.floor(random() * files.length)] ?? ''
        if (isCut) await truncate(file, Math.floor(random() * (await readFile(file)).byteLength))
        else await rm(file)
        {
          await using archive = await open(folder.path, true)
          await archive.scrub()
        }
        figures.states++
        const name = `${kind.source.replaceAll(/[\\$]|d\./g, '')} ${isCut ? 'cut' : 'gone'}`
        figures.byFile[name] = (figures.byFile[name] ?? 0) + 1
        if (!(await isWhole(folder.path, expected))) figures.lost++
      }
    }
  }
  return figures
}
