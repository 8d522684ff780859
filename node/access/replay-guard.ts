import type { Assertion } from '#protocol/assertion.ts'
import { streamLimits } from '#protocol/limits.ts'

/**
 * Each assertion works once. Numbers are remembered for longer than an assertion can live; since they are not kept over
 * a restart, one that was made before it works no more. When more come of an organization than can be remembered, later
 * ones of it are refused: forgetting would let an old one in again.
 */
export function createReplayGuard({ now }: { now: () => number }): {
  isFirst(claims: Pick<Assertion, 'iss' | 'jti' | 'iat'>): boolean
} {
  // Assertions carry whole seconds: those of the second of the start are taken.
  let startedAt = Math.floor(now() / 1000)
  const seenOf = new Map<Assertion['iss'], Map<string, number>>()
  return {
    isFirst({ iss, jti, iat }) {
      const at = now()
      // The time was ahead at the start and has been mended: what was made before this moment works no more, either.
      startedAt = Math.min(startedAt, Math.floor(at / 1000))
      const seen = seenOf.get(iss) ?? new Map<string, number>()
      seenOf.set(iss, seen)
      for (const [key, since] of seen) {
        if (Math.abs(at - since) < streamLimits.replayWindowMs) break
        seen.delete(key)
      }
      if (iat < startedAt || seen.has(jti) || seen.size >= streamLimits.replayEntriesMax)
        return false
      seen.set(jti, at)
      return true
    },
  }
}
