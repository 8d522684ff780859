import { hash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { auditLimits } from '#protocol/limits.ts'
import { Sha256 } from '#protocol/ids.ts'
import type { ChainHead } from './audit-segment.ts'

/**
 * A chain cannot say that its end is missing, so the newest record's number and digest stand in a file beside it. It
 * is written after each batch, always later than the records: it never promises what is not there. Two places are
 * written in turn, so that a write cut short leaves the other.
 */
export type HeadFile = AsyncDisposable & {
  /** What the file said when it was opened; undefined when it was missing or unreadable. */
  readonly found: ChainHead | undefined
  write(head: ChainHead): Promise<void>
}

const slotBytes = 256

export async function openHeadFile(file: string, clock: () => number): Promise<HeadFile> {
  const handle = await openOrCreate(file)
  const found = await readSlots(handle)
  let slot = 0
  let syncedAt = -Infinity
  return {
    found,
    async write(head) {
      await handle.write(encodeSlot(head), 0, slotBytes, slot * slotBytes)
      slot = 1 - slot
      // A killed process loses nothing; a power cut loses what was promised in this interval, and no more.
      if (Math.abs(clock() - syncedAt) < auditLimits.headSyncIntervalMs) return
      await handle.datasync()
      syncedAt = clock()
    },
    async [Symbol.asyncDispose]() {
      try {
        await handle.datasync()
      } finally {
        await handle.close()
      }
    },
  }
}

async function openOrCreate(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return open(file, 'wx+', 0o600)
  }
}

function encodeSlot({ seq, digest }: ChainHead): Buffer {
  const text = `${seq} ${digest}`
  const slot = Buffer.alloc(slotBytes, ' ')
  slot.write(`${text} ${hash('sha256', text)}`)
  slot[slotBytes - 1] = 0x0a
  return slot
}

async function readSlots(handle: FileHandle): Promise<ChainHead | undefined> {
  const bytes = Buffer.alloc(2 * slotBytes)
  const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0)
  const heads = [0, slotBytes]
    .filter((offset) => offset + slotBytes <= bytesRead)
    .map((offset) => decodeSlot(bytes.toString('utf8', offset, offset + slotBytes)))
    .filter((head) => head !== undefined)
  return heads.sort((a, b) => b.seq - a.seq)[0]
}

function decodeSlot(text: string): ChainHead | undefined {
  const found = /^(\d{1,15}) ([0-9a-f]{64}) ([0-9a-f]{64})\s*$/.exec(text)
  if (found === null || hash('sha256', `${found[1]} ${found[2]}`) !== found[3]) return undefined
  return { seq: Number(found[1]), digest: Sha256.parse(found[2]) }
}
