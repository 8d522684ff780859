import { httpLimits } from '#protocol/limits.ts'

/**
 * Writes a record of what happens again and again, such as a page that asks by itself, once in a while only. What was
 * not written is tried again the next time.
 */
export function createRecent(
  clock: () => number,
  windowMs: number,
): (key: string, write: () => Promise<unknown>) => Promise<void> {
  const recent = new Map<string, number>()
  return async (key, write) => {
    const at = recent.get(key)
    // To either side: a clock that is set back must not silence what follows until it has caught up.
    if (at !== undefined && Math.abs(clock() - at) < windowMs) return
    await write()
    recent.delete(key)
    recent.set(key, clock())
    const oldest = recent.keys().next().value
    if (recent.size > httpLimits.openingsMax && oldest !== undefined) recent.delete(oldest)
  }
}
