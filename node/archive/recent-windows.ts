import { storageLimits } from '#protocol/limits.ts'

/**
 * Verified bytes of what was read last: a study that is read is often read again, by a viewer after a preview or by a
 * second reader. They are found by the digest of their data set, so they are never those of another one, and are looked
 * at by many: nobody changes them.
 */
export type RecentWindows = {
  get(sha256: string, first: number): Buffer | undefined
  /** Keeps bytes of an instance so long; false when they are not worth it. */
  keep(sha256: string, first: number, bytes: Buffer, instanceBytes: number): boolean
}

export function createRecentWindows(): RecentWindows {
  const { recentBytes, recentInstanceBytes } = storageLimits
  const windows = new Map<string, Buffer>()
  let held = 0
  const nameOf = (sha256: string, first: number): string => `${sha256} ${first}`
  const forget = (name: string): void => {
    held -= windows.get(name)?.buffer.byteLength ?? 0
    windows.delete(name)
  }
  return {
    get(sha256, first) {
      const name = nameOf(sha256, first)
      const bytes = windows.get(name)
      if (bytes === undefined) return undefined
      windows.delete(name)
      windows.set(name, bytes)
      return bytes
    },
    keep(sha256, first, bytes, instanceBytes) {
      // A long one is read from one end to the other, and would drive out everything else.
      if (instanceBytes > recentInstanceBytes) return false
      const name = nameOf(sha256, first)
      forget(name)
      windows.set(name, bytes)
      held += bytes.buffer.byteLength
      for (const oldest of windows.keys()) {
        if (held <= recentBytes) break
        forget(oldest)
      }
      return windows.has(name)
    },
  }
}
