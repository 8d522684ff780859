import { Level } from 'level'
import { ProtocolError } from '#protocol/errors.ts'

/**
 * Keeps a second process out of an archive: it would cut what this one writes. Node has no file locks of its own;
 * LevelDB takes one that ends with the process, so an empty database serves as the lock.
 */
export async function lockArchive(folder: string): Promise<AsyncDisposable> {
  const level = new Level(folder)
  try {
    await level.open()
  } catch (error) {
    if (isLocked(error)) {
      const message = 'the archive is open in another process: stop that one first'
      throw new ProtocolError('configuration_invalid', message, { cause: error })
    }
    throw error
  }
  return { [Symbol.asyncDispose]: () => level.close() }
}

function isLocked(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED'
}
