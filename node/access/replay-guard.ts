import type { Assertion } from '#protocol/assertion.ts'
import { streamLimits } from '#protocol/limits.ts'

/**
 * Each assertion works once. Numbers are remembered for longer than an assertion can live; since they are not kept over
 * a restart, one that was made before it works no more. When more come than can be remembered, later ones are refused:
 * forgetting would let an old one in again.
 */
export function createReplayGuard({ now }: { now: () => number }): {
  isFirst(claims: Pick<Assertion, 'iss' | 'jti' | 'iat'>): boolean
} {
  // Assertions carry whole seconds: those of the second of the start are taken.
  let startedAt = Math.floor(now() / 1000)
  const seen = new Map<string, number>()
  return {
    isFirst({ iss, jti, iat }) {
      const at = now()
      // The time was ahead at the start and has been mended: what was made before this moment works no more, either.
      startedAt = Math.min(startedAt, Math.floor(at / 1000))
      for (const [key, since] of seen) {
        if (Math.abs(at - since) < streamLimits.replayWindowMs) break
        seen.delete(key)
      }
      const key = `${iss} ${jti}`
      if (iat < startedAt || seen.has(key) || seen.size >= streamLimits.replayEntriesMax)
        return false
      seen.set(key, at)
      return true
    },
  }
}
