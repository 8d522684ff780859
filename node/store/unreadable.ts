import { recordLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'

/** Rows that lie on the disk and cannot be read: told once, and counted until something else stands in their place. */
export type Unreadable = {
  /** `keys` may be none: then the kind is known to have none. */
  found(kind: string, keys: Iterable<string>, options: { mayLogKeys?: boolean | undefined }): void
  replaced(kind: string, key: string): void
  counts(): ReadonlyMap<string, number>
}

export function createUnreadable(log: Pick<Log, 'error'>): Unreadable {
  const known = new Map<string, Set<string>>()
  return {
    found(kind, keys, { mayLogKeys = false }) {
      const ofKind = known.get(kind) ?? new Set()
      known.set(kind, ofKind)
      const news = [...keys].filter((key) => !ofKind.has(key))
      if (news.length === 0) return
      for (const key of news) ofKind.add(key)
      log.error(
        {
          kind,
          rows: news.length,
          ...(mayLogKeys && { keys: news.slice(0, recordLimits.keysLogged) }),
        },
        'rows that cannot be read stay as they are and are not acted on',
      )
    },
    replaced: (kind, key) => void known.get(kind)?.delete(key),
    counts: () => new Map([...known].map(([kind, keys]) => [kind, keys.size])),
  }
}
