import { httpLimits } from '#protocol/limits.ts'

/**
 * Guessing passwords: five failures close a login for one source for fifteen minutes, and a source that fails at many
 * logins is closed too. An attempt counts as failed when it begins, so that many at once are not all let through; a
 * right password takes it back. Logins that do not exist are counted alike.
 */
export type Lockout = {
  attempt(login: string, address: string): { isLocked: boolean; failures: number }
  succeed(login: string, address: string): void
}

type Count = { failures: number; since: number }

export function createLockout(clock: () => number): Lockout {
  const pairs = createCounter(clock, httpLimits.loginLockMs)
  const sources = createCounter(clock, hourMs)
  const pairOf = (login: string, address: string) =>
    `${address} ${login.normalize('NFKC').trim().toLowerCase().slice(0, 128)}`
  return {
    attempt(login, address) {
      const pair = pairOf(login, address)
      const isLocked =
        pairs.count(pair) >= httpLimits.loginFailuresMax ||
        sources.count(address) >= httpLimits.loginFailuresPerAddressHour
      if (isLocked) return { isLocked, failures: 0 }
      pairs.add(pair)
      return { isLocked, failures: sources.add(address) }
    },
    succeed(login, address) {
      pairs.clear(pairOf(login, address))
      sources.takeBack(address)
    },
  }
}

const hourMs = 60 * 60 * 1000

/** Failures within a window that begins anew with each failure; the oldest entries go when there are too many. */
function createCounter(clock: () => number, windowMs: number) {
  const counts = new Map<string, Count>()
  const current = (key: string): Count | undefined => {
    const found = counts.get(key)
    if (found === undefined || clock() - found.since < windowMs) return found
    counts.delete(key)
    return undefined
  }
  return {
    count: (key: string) => current(key)?.failures ?? 0,
    add(key: string): number {
      const failures = (current(key)?.failures ?? 0) + 1
      counts.delete(key)
      counts.set(key, { failures, since: clock() })
      const oldest = counts.keys().next().value
      if (counts.size > httpLimits.loginTrackedMax && oldest !== undefined) counts.delete(oldest)
      return failures
    },
    takeBack(key: string): void {
      const found = current(key)
      if (found !== undefined) found.failures = Math.max(0, found.failures - 1)
    },
    clear: (key: string) => counts.delete(key),
  }
}
