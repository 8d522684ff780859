import { randomFillSync } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Disk } from './disk.ts'

/**
 * A file that takes room while there is some, and is given up when the disk is full: whatever else fills a disk, what an
 * archive must still write then (rejections, audit, a database that is opened again) has that room. Made again later.
 */
export type Ballast = AsyncDisposable & {
  /** The disk as intake sees it: what is missing of the ballast is not free. */
  readonly disk: Disk
  /** Gives it up when the disk is full now; for small writes that must not wait until somebody made room. */
  makeRoom(): Promise<void>
}

type BallastOptions = {
  folder: string
  disk: Disk
  /** Zero: none. */
  bytes: number
  log: Log
}

const fileOf = (folder: string): string => join(folder, 'ballast')

/** When the archive is not open yet, and cannot be for want of room. */
export const giveUpBallast = (folder: string): Promise<void> => rm(fileOf(folder), { force: true })

export async function openBallast({ folder, disk, bytes, log }: BallastOptions): Promise<Ballast> {
  const file = await openBallastFile(fileOf(folder), bytes)
  const closing = new AbortController()
  let filling: Promise<void> | undefined
  let looking: Promise<void> | undefined
  let retryAt = -Infinity

  const free = async () => (await disk.freeSpace()).freeBytes
  const isLow = async () => (await free()) < bytes * storageLimits.ballastLowFraction
  /** What is left after it was made is more than what makes it be given up. */
  const hasRoom = async () => !closing.signal.aborted && (await free()) > 2 * bytes - file.held()
  const mayFill = () => file.held() < bytes && filling === undefined && performance.now() >= retryAt

  /** Under a quota there is less room than the disk says: what is left of it is not for the ballast. */
  async function giveBack(error: unknown): Promise<void> {
    retryAt = performance.now() + storageLimits.ballastRetryMs
    await file.remove()
    log.warn({ err: error }, 'the ballast cannot be made')
  }

  async function look(): Promise<void> {
    if (file.held() > 0 && (await isLow())) {
      await filling
      await file.remove()
      log.error({ bytes }, 'the disk is full: the ballast of the archive is given up')
    } else if (mayFill() && (await hasRoom())) {
      filling = file
        .fill(hasRoom)
        .catch(giveBack)
        .catch((error: unknown) => log.warn({ err: error }, 'the ballast is not whole'))
        .finally(() => (filling = undefined))
    }
  }
  /** One at a time. */
  const lookOnce = async (): Promise<void> => {
    if (bytes > 0) await (looking ??= look().finally(() => (looking = undefined)))
  }
  const tick = () =>
    lookOnce().catch((error: unknown) => log.warn({ err: error }, 'free space is not known'))

  // Whoever opens the archive needs the room at once.
  await tick()
  const timer =
    bytes > 0 ? setInterval(() => void tick(), storageLimits.ballastLookMs).unref() : undefined
  return {
    disk: {
      ...disk,
      async freeSpace() {
        await lookOnce()
        const { freeBytes, ...space } = await disk.freeSpace()
        return { ...space, freeBytes: freeBytes - (bytes - file.held()) }
      },
    },
    makeRoom: lookOnce,
    async [Symbol.asyncDispose]() {
      closing.abort()
      clearInterval(timer)
      await looking?.catch(() => undefined)
      await filling
    },
  }
}

/** One that is larger than it should be is of another configuration. */
async function openBallastFile(file: string, bytes: number) {
  let held = await sizeOf(file)
  const remove = async () => {
    await rm(file, { force: true })
    held = 0
  }
  if (held > bytes) await remove()
  return {
    held: () => held,
    remove,
    /** Each piece is synced, so that the pace is the disk's own and nobody else waits long. */
    async fill(mayGoOn: () => Promise<boolean>): Promise<void> {
      const handle = await open(file, 'a')
      // No zeros: a file system that compresses would keep no room for them.
      const piece = randomFillSync(Buffer.alloc(storageLimits.ballastPieceBytes))
      try {
        while (held < bytes && (await mayGoOn())) {
          const part = Math.min(piece.length, bytes - held)
          held += (await handle.write(piece, 0, part)).bytesWritten
          await handle.datasync()
        }
      } finally {
        await handle.close()
      }
    },
  }
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  )
