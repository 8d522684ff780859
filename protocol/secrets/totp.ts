import { generateSecret, generateURI, verifySync } from 'otplib'

/** Time-based one-time passwords (RFC 6238): six digits, thirty seconds, one step to either side. */
const stepSeconds = 30

export function newTotp(login: string): { secret: string; uri: string } {
  const secret = generateSecret()
  return { secret, uri: generateURI({ issuer: 'ЦАМИ', label: login, secret }) }
}

/** The step whose code it is, if it is later than `used`: a code that was seen once is worth nothing any more. */
export function totpStep(
  secret: string,
  code: string,
  { now, used }: { now: number; used: number },
): number | undefined {
  // Applications show it in two groups, and people type what they see.
  const token = code.replaceAll(/\s/g, '')
  if (!/^\d{6}$/.test(token)) return undefined
  const epoch = Math.floor(now / 1000)
  const result = verifySync({ secret, token, epoch, epochTolerance: stepSeconds })
  if (!result.valid) return undefined
  const step = Math.floor(epoch / stepSeconds) + result.delta
  return step > used ? step : undefined
}
