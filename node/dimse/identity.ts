import { abortReason } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { itemBytes } from './user-items.ts'

/** The person behind an association, as the caller claims it (PS3.7 §D.3.3.7). */
export type UserIdentity = {
  kind: 'username' | 'passcode' | 'kerberos' | 'saml' | 'jwt'
  wantsResponse: boolean
  /** UTF-8 whatever is left of it; of tickets and assertions nothing is decoded. */
  name: string
  passcode: string
}

/** Tickets and assertions are nobody's to confirm here. */
export const isConfirmed = ({ kind, wantsResponse }: UserIdentity): boolean =>
  wantsResponse && (kind === 'username' || kind === 'passcode')

/** Whether an association may be under this claim; whoever judges it also writes the audit. */
export type Identify = (
  claim: UserIdentity & { address: string; callingAe: string },
) => Promise<boolean>

const kinds = { 1: 'username', 2: 'passcode', 3: 'kerberos', 4: 'saml', 5: 'jwt' } as const

/** Reads a user identity item; one that does not end with its last field is refused. */
export function readUserIdentity(value: Buffer): UserIdentity {
  if (value.length < 6) throw malformed()
  const kind = kinds[value.readUInt8(0) as keyof typeof kinds]
  const primaryEnd = 4 + value.readUInt16BE(2)
  if (kind === undefined || value.length < primaryEnd + 2) throw malformed()
  const secondary = value.subarray(primaryEnd + 2)
  if (secondary.length !== value.readUInt16BE(primaryEnd)) throw malformed()
  const isName = kind === 'username' || kind === 'passcode'
  return {
    kind,
    wantsResponse: value.readUInt8(1) === 1,
    name: isName ? value.toString('utf8', 4, primaryEnd) : '',
    passcode: kind === 'passcode' ? secondary.toString('utf8') : '',
  }
}

const malformed = () => new PduError(abortReason.invalidParameter, 'user identity is malformed')

/** The positive answer: of length zero for names and passcodes (PS3.7 §D.3.3.7.2). */
export const identityAnswer = (): Buffer => itemBytes(0x59, Buffer.alloc(2))
