import { copyFile, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import { openDisk } from './disk.ts'
import { sealBytes } from './log-record.ts'
import { checkSegment, segmentNumber } from './log-start.ts'

/** What was copied: segments now and before, bytes now, and records that are damaged here. */
export type BackedUp = { segments: number; known: number; bytes: number; damaged: number }

const attemptsMax = 20

/**
 * Copies a node's data folder so that the copy can be started: sealed segments once, the open ones up to their last
 * whole record, and what cannot be rebuilt. The node may be running. Every segment that is copied is read again from
 * the copy and compared with its digests; without that it is not part of the backup.
 */
export async function backUp(from: string, to: string, log: Log): Promise<BackedUp> {
  const done: BackedUp = { segments: 0, known: 0, bytes: 0, damaged: 0 }
  // First what points into the log by numbers of its own, then the log: so the log is never behind.
  for (const database of ['records', 'replica']) await copyDatabase(from, to, database)
  for (const folder of ['audit', 'federation'])
    await copyFolder(join(from, folder), join(to, folder))
  const seen = new Set<string>()
  for (let attempt = 1; ; attempt++) {
    try {
      await copyLog({ from, to, seen, done }, log)
      return done
    } catch (error) {
      if (!isGone(error) || attempt >= attemptsMax) throw error
    }
  }
}

/**
 * A segment that compaction removes meanwhile has left its records in one that was not there yet: then all are looked
 * through again.
 */
async function copyLog(
  { from, to, seen, done }: { from: string; to: string; seen: Set<string>; done: BackedUp },
  log: Log,
): Promise<void> {
  const source = join(from, 'archive', 'log')
  const target = join(to, 'archive', 'log')
  await mkdir(target, { recursive: true })
  for (const name of (await readdir(source)).sort()) {
    const segment = segmentNumber(name)
    if (segment === undefined) continue
    if (await isBackedUp(join(source, name), join(target, name))) {
      if (!seen.has(name)) done.known++
      seen.add(name)
      continue
    }
    const damaged = await copySegment({ source, target, name, segment }, log)
    const { size } = await stat(join(target, name))
    done.damaged += damaged
    if (!seen.has(name)) done.segments++
    seen.add(name)
    done.bytes += size
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Sealed here and there with the same seal: it does not change any more. */
async function isBackedUp(source: string, copy: string): Promise<boolean> {
  const [one, other] = [await tailOf(source), await tailOf(copy).catch(() => undefined)]
  return (
    other !== undefined && one.size === other.size && one.tail.equals(other.tail) && one.isSealed
  )
}

async function tailOf(file: string) {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  const tail = Buffer.alloc(Math.min(sealBytes, size))
  await handle.read(tail, 0, tail.byteLength, size - tail.byteLength)
  return { size, tail, isSealed: tail.byteLength === sealBytes && tail[13] === 7 }
}

type Copying = { source: string; target: string; name: string; segment: number }

/** Copies a segment, reads the copy, and cuts off what was being written. */
async function copySegment({ source, target, name, segment }: Copying, log: Log): Promise<number> {
  const file = join(target, name)
  await copyFile(join(source, name), file)
  const disk = await openDisk(target)
  const copy = await disk.open(name, 'write')
  try {
    const records = checkSegment(copy, { segment, pace: async () => {} })
    let next = await records.next()
    while (next.done !== true) next = await records.next()
    const { end, damage, state } = next.value
    if (damage.length > 0) log.error({ segment, places: damage.length }, 'a backup has damage')
    if (state === 'open' || state === 'torn') await copy.truncate(end)
    await copy.sync()
    return damage.length
  } finally {
    await copy.close()
    await disk.syncNames()
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  const names = await readdir(from).catch((): string[] => [])
  await mkdir(to, { recursive: true })
  for (const name of names) {
    const file = join(from, name)
    if ((await stat(file)).isFile()) await copyFile(file, join(to, name))
  }
}

/**
 * A LevelDB that is in use: its tables never change, its logs only grow. When no file came or went and the MANIFEST
 * did not grow while it was copied, the copy is one that a crash at that moment would have left.
 */
async function copyDatabase(from: string, to: string, name: string): Promise<void> {
  const [source, target] = [join(from, name), join(to, name)]
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const before = await shapeOf(source)
    await rm(target, { recursive: true, force: true })
    await copyFolder(source, target).catch(() => {})
    if (before === (await shapeOf(source))) return
  }
  throw new ProtocolError('unavailable', `${name} changes too quickly to be copied: try again`)
}

async function shapeOf(folder: string): Promise<string> {
  const names = (await readdir(folder).catch((): string[] => [])).sort()
  const shape = await Promise.all(
    names.map(async (name) => {
      const { size } = await stat(join(folder, name)).catch(() => ({ size: -1 }))
      return name.startsWith('MANIFEST') || name === 'CURRENT' ? `${name}:${size}` : name
    }),
  )
  return shape.join()
}
