import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { ProtocolError } from '#protocol/errors.ts'

/**
 * Keeps a second process out of an archive: it would cut what this one writes. Node has no file locks of its own;
 * LevelDB takes one that ends with the process, so an empty database serves as the lock.
 */
export async function lockArchive(
  folder: string,
  makeRoom: () => Promise<void>,
): Promise<AsyncDisposable> {
  try {
    return await openLock(folder)
  } catch (error) {
    if (isLocked(error)) {
      const message = 'the archive is open in another process: stop that one first'
      throw new ProtocolError('configuration_invalid', message, { cause: error })
    }
    // The disk is full, or what was left of the database is damaged: nothing is in it that anybody misses.
    await makeRoom()
    await clear(folder)
    return await openLock(folder)
  }
}

async function openLock(folder: string): Promise<AsyncDisposable> {
  const level = new Level(folder)
  await level.open()
  return { [Symbol.asyncDispose]: () => level.close() }
}

/** All but the file that is locked: another process may have it by now. */
async function clear(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    if (name !== 'LOCK') await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isLocked(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED'
}
