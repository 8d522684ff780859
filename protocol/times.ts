import { ProtocolError } from './errors.ts'
import { tokenLimits } from './limits.ts'

/** Clocks of two machines differ: what begins may begin this much early, and a short-lived token may end this much late. */
export const toleranceMs = tokenLimits.clockToleranceSeconds * 1000

export type Times = { iat: number; nbf?: number; exp?: number }

/** Made in the future: a clock is wrong, or somebody wants a token that outlives its limit. */
export function checkIssued(times: Times, now: number): void {
  if (times.iat * 1000 > now + toleranceMs) {
    throw new ProtocolError('token_not_yet_valid', 'issued in the future')
  }
}

/** `exp` after `iat` and `nbf`, and no later than this kind of token may live. */
export function checkLifetime(times: Times & { exp: number }, seconds: number): void {
  const { iat, nbf = iat, exp } = times
  if (exp <= iat || exp <= nbf || exp - iat > seconds) {
    throw new ProtocolError('token_malformed', 'lifetime not as specified')
  }
}

/** Authority of long life begins at `from` and ends at `to` to the second. */
export function isWithin(span: { from: number; to: number }, now: number): boolean {
  return now >= span.from - toleranceMs && now < span.to
}

/** Refuses before `nbf` and from `exp` on. */
export function checkValidity(times: Required<Times>, now: number): void {
  if (times.nbf * 1000 > now + toleranceMs) {
    throw new ProtocolError('token_not_yet_valid', 'not valid yet')
  }
  if (now >= times.exp * 1000) throw new ProtocolError('token_expired', 'no longer valid')
}

/** Whole seconds, as tokens carry time. */
export const secondsOf = (ms: number): number => Math.floor(ms / 1000)
