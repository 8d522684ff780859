import { decodeBase64url } from './bytes.ts'
import type { Kid } from './ids.ts'

const groups = 6
const groupBytes = 5

/** A key's thumbprint for paper and telephone: six groups of five digits, about 100 bits of it. */
export function fingerprintDigits(kid: Kid): string {
  const bytes = decodeBase64url(kid)
  const digits = Array.from({ length: groups }, (_, group) => {
    const part = bytes.subarray(group * groupBytes, (group + 1) * groupBytes)
    const number = part.reduce((sum, byte) => sum * 256 + byte, 0)
    return String(number % 100_000).padStart(5, '0')
  })
  return digits.join(' ')
}
