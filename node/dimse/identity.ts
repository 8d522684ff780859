import { abortReason } from './pdu.ts'
import { PduError } from './pdu-guard.ts'

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

const headerBytes = 6
const fixedBytes = 68
const itemHeaderBytes = 4
const userInformation = 0x50
const serverResponse = 0x59

/**
 * An A-ASSOCIATE-AC with the positive answer to a user identity: an item of length zero for names and passcodes (PS3.7
 * §D.3.3.7.2). User information is the last item of the unit (PS3.8 §9.3.3).
 */
export function withIdentityResponse(accept: Buffer): Buffer {
  const item = Buffer.from([serverResponse, 0, 0, 2, 0, 0])
  let at = headerBytes + fixedBytes
  while (at + itemHeaderBytes <= accept.length && accept.readUInt8(at) !== userInformation) {
    at += itemHeaderBytes + accept.readUInt16BE(at + 2)
  }
  if (at + itemHeaderBytes + accept.readUInt16BE(at + 2) !== accept.length) {
    throw new PduError(abortReason.unspecified, 'the answer does not end with user information')
  }
  const bytes = Buffer.concat([accept, item])
  bytes.writeUInt32BE(bytes.length - headerBytes, 2)
  bytes.writeUInt16BE(accept.readUInt16BE(at + 2) + item.length, at + 2)
  return bytes
}
