import { httpLimits } from '../limits.ts'

/**
 * Guessing passwords: five failures close a login for one source for fifteen minutes, and a source that fails at many
 * logins is closed too. An attempt counts as failed when it begins, so that many at once are not all let through; a
 * right password takes it back. Logins that do not exist are counted alike.
 */
export type Lockout = {
  attempt(login: string, address: string): { isLocked: boolean; failures: number }
  succeed(login: string, address: string): void
}

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

/** Counts within a window that begins anew with each; the oldest entries go when there are too many. */
export function createCounter(clock: () => number, windowMs: number) {
  const counts = new Map<string, { number: number; since: number }>()
  const current = (key: string): number => {
    const found = counts.get(key)
    if (found === undefined) return 0
    // To either side: a window that a clock set back has left ahead is none.
    if (Math.abs(clock() - found.since) < windowMs) return found.number
    counts.delete(key)
    return 0
  }
  return {
    count: current,
    add(key: string): number {
      const number = current(key) + 1
      counts.delete(key)
      counts.set(key, { number, since: clock() })
      const oldest = counts.keys().next().value
      if (counts.size > httpLimits.loginTrackedMax && oldest !== undefined) counts.delete(oldest)
      return number
    },
    takeBack(key: string): void {
      const found = counts.get(key)
      if (found !== undefined) found.number = Math.max(0, found.number - 1)
    },
    clear: (key: string) => counts.delete(key),
  }
}
