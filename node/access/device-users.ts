import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Sessions } from './sessions.ts'

/** What a peer says over DIMSE of the person who works at it (PS3.7 §D.3.3.7). */
type Claim = {
  kind: 'username' | 'passcode' | 'kerberos' | 'saml' | 'jwt'
  name: string
  passcode: string
  address: string
  callingAe: string
}

/**
 * Judges such claims. A passcode is a password of this node, and guessing is counted as at the sign-in; a name alone, a
 * ticket or an assertion proves nothing here and is only written down.
 */
export function createDeviceUsers(deps: {
  sessions: Pick<Sessions, 'confirm'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  self: { oid: OrganizationOid }
}): (claim: Claim) => Promise<boolean> {
  const { sessions, audit, self } = deps
  return async ({ kind, name, passcode, address, callingAe }) => {
    const login = name.replaceAll(/\p{Cc}/gu, '').slice(0, 64)
    const isProven = kind === 'passcode'
    try {
      if (isProven) {
        await sessions.confirm({ login, address, workstation: callingAe }, passcode)
      }
    } catch (error) {
      // Refused and written down by the sign-in itself.
      const refusals = ['forbidden', 'user_disabled', 'rate_limited', 'unavailable']
      if (refusals.includes(codeOf(error))) return false
      throw error
    }
    await audit.append({
      event: 'login',
      outcome: 'success',
      organization: self.oid,
      user: login,
      role: 'device',
      source: address,
      holder: self.oid,
      detail: `${callingAe}: ${kind}, ${isProven ? 'confirmed' : 'not confirmed'}`,
    })
    return true
  }
}
