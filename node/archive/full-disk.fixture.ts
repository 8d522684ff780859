import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Sha256 } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import { dataSet, fetch, noise, openTestArchive, sendSlice } from './archive.fixture.ts'
import type { Change } from './catalog-rows.ts'
import { openCatalog } from './catalog.ts'
import { manySlice } from './fill.fixture.ts'
import { createRandom } from './simulated-disk.fixture.ts'

const run = promisify(execFile)

/** A real file system of that size; undefined when this process may not mount one. */
export async function mountSmall(
  megabytes: number,
): Promise<(AsyncDisposable & { path: string }) | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'cami-full-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path])
  } catch {
    await rm(path, { recursive: true })
    return undefined
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path])
      await rm(path, { recursive: true })
    },
  }
}

export type FullFigures = {
  points: number
  acknowledged: number
  refused: number
  lost: number
  /** Acknowledged, and not to be had before there was room again. */
  unreadWhileFull: number
  slowestRecoveryMs: number
}

/**
 * Fills a file system to a different point each time, with nothing kept free, goes on sending, makes room and waits for
 * the archive to take instances again without being opened again.
 */
export async function fillRepeatedly(
  points: number,
  seed: number,
): Promise<FullFigures | undefined> {
  const random = createRandom(seed)
  const figures = {
    points,
    acknowledged: 0,
    refused: 0,
    lost: 0,
    unreadWhileFull: 0,
    slowestRecoveryMs: 0,
  }
  for (let point = 0; point < points; point++) {
    await using disk = await mountSmall(24 + Math.floor(random() * 40))
    if (disk === undefined) return undefined
    await using archive = await openTestArchive(join(disk.path, 'archive'), {
      segmentBytes: 1_000_000,
    })
    const there: number[] = []
    let next = 0
    const slice = (i: number) => manySlice(i, { pixels: noise(20_000 + (i % 9) * 30_000, i) })
    const send = async (): Promise<boolean> => {
      const i = next++
      try {
        await sendSlice(archive, slice(i))
        there.push(i)
        return true
      } catch (error) {
        assert.equal((error as { code: string }).code, 'storage_full')
        figures.refused++
        return false
      }
    }
    for (let i = 0; i < 10; i++) await send()
    const ballast = join(disk.path, 'ballast')
    // All of the room but a little: what fails first differs from point to point.
    await fillUp(ballast, Math.floor(random() * 400_000))
    for (let i = 0; i < 40 && figures.refused < 1e6; i++) await send()
    const isWhole = async (i: number): Promise<boolean> => {
      const { study, sop } = slice(i)
      const read = await fetch(archive, study, sop).catch(() => Buffer.alloc(0))
      return read.equals(dataSet(slice(i)))
    }
    for (const i of there) if (!(await isWhole(i))) figures.unreadWhileFull++
    await truncate(ballast, 0)
    const begin = performance.now()
    while (!(await send())) {
      assert.ok(performance.now() - begin < 10_000, 'takes instances again within ten seconds')
      await pause(50)
    }
    figures.slowestRecoveryMs = Math.max(figures.slowestRecoveryMs, performance.now() - begin)
    for (const i of there) if (!(await isWhole(i))) figures.lost++
    figures.acknowledged += there.length
  }
  return { ...figures, slowestRecoveryMs: Math.round(figures.slowestRecoveryMs) }
}

/** Writes until nothing more fits, and gives so many bytes back. */
export async function fillUp(file: string, spare: number): Promise<void> {
  let written = 0
  for (let block = 1_048_576; block >= 4096; block /= 2) {
    try {
      for (;;) {
        await writeFile(file, Buffer.alloc(block, 1), { flag: 'a' })
        written += block
      }
    } catch {
      // A part of the block may have found room: what is counted is cut to what was whole.
      await truncate(file, written).catch(() => {})
    }
  }
  await truncate(file, Math.max(0, written - spare))
}

/** What the log says of an index entry; each in a place of its own, end to end with the one before. */
export const entry = (seq: number): Extract<Change, { kind: 'entry' }> => ({
  kind: 'entry',
  seq,
  location: { segment: 1, offset: seq * 100, payload: seq * 100, bytes: 10, streamed: false },
  sha256: 'a'.repeat(64) as Sha256,
  span: { segment: 1, start: (seq - 1) * 100, end: seq * 100, chain: Buffer.alloc(32, seq) },
})

/** A catalog on a disk that is full, with changes that it could not write; undefined where none can be made. */
export async function openFullCatalog({ written, held }: { written: number; held: number }) {
  await using stack = new AsyncDisposableStack()
  const disk = await mountSmall(32)
  if (disk === undefined) return undefined
  stack.use(disk)
  const catalog = stack.use(await openCatalog(join(disk.path, 'c'), { log: silentLog, node: 'n' }))
  let count = 0
  // Nothing that LevelDB could make smaller: what it is opened with is as large as what it wrote.
  const next = () => {
    const sha256 = noise(32, ++count).toString('hex') as Sha256
    return catalog.apply({ ...entry(count), sha256 })
  }
  const many = () => Promise.all(Array.from({ length: 256 }, next))
  for (let i = 0; i < written; i += 256) await many()
  const rubbish = join(disk.path, 'rubbish')
  await fillUp(rubbish, 0)
  const isBehind = () =>
    catalog.check().then(
      () => false,
      () => true,
    )
  while (!(await isBehind())) await next()
  for (let i = 0; i < held; i += 256) await many()
  const owned = stack.move()
  const dispose = () => owned.disposeAsync()
  return { catalog, rubbish, isBehind, count, [Symbol.asyncDispose]: dispose }
}
