import { abortReason, pduType } from './pdu.ts'
import { extendedNegotiation } from './extended-negotiation.ts'
import { PduError } from './pdu-guard.ts'
import { readUserIdentity, type UserIdentity } from './identity.ts'
import type { Roles } from './syntaxes.ts'
import { itemBytes } from './user-items.ts'

/** One proposed presentation context (PS3.8 §9.3.2.2). */
export type ProposedContext = { id: number; abstractSyntax: string; transferSyntaxes: string[] }

/** An A-ASSOCIATE-RQ that was checked in full. */
export type AssociateRequest = {
  protocolVersion: number
  applicationContext: string
  calledAe: string
  callingAe: string
  /** The greatest P-DATA-TF that the peer takes; 0 is "any". */
  maximumPduBytes: number
  contexts: ProposedContext[]
  /** What the peer proposes to be, by SOP class (PS3.7 §D.3.3.4). */
  roles: ReadonlyMap<string, Roles>
  /** What the peer asks for beyond a SOP class as it is (PS3.7 §D.3.3.5), by SOP class. */
  extended: ReadonlyMap<string, Buffer>
  /** The person behind the peer, as it claims. */
  identity?: UserIdentity
}

/** The DICOM application context, the only one there is (PS3.7 §A.2.1). */
export const dicomApplicationContext = '1.2.840.10008.3.1.1.1'

const item = {
  applicationContext: 0x10,
  presentationContext: 0x20,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  roleSelection: 0x54,
  userIdentity: 0x58,
} as const

const headerBytes = 6
/** Version, reserved, two AE titles, reserved (PS3.8 table 9-11). */
const fixedBytes = 68
const itemHeaderBytes = 4
const contextHeaderBytes = 4

type Bounds = { contextsMax: number; syntaxesPerContext: number }
type Item = { type: number; value: Buffer }

/**
 * Reads an A-ASSOCIATE-RQ strictly: every item must end where its parent says, context ids are odd and unique, each
 * context has one abstract syntax and some transfer syntaxes.
 */
export function readAssociateRequest(pdu: Buffer, bounds: Bounds): AssociateRequest {
  const body = pdu.subarray(headerBytes)
  if (body.length < fixedBytes) throw malformed('A-ASSOCIATE-RQ is too short')
  const items = itemsOf(body.subarray(fixedBytes))
  const contexts = items
    .filter(({ type }) => type === item.presentationContext)
    .map(({ value }) => contextOf(value, bounds))
  if (contexts.length === 0) throw malformed('no presentation context')
  if (contexts.length > bounds.contextsMax) throw malformed('too many presentation contexts')
  if (new Set(contexts.map(({ id }) => id)).size !== contexts.length) {
    throw malformed('presentation context ids repeat')
  }
  const user = single(items, item.userInformation)
  const application = single(items, item.applicationContext)
  if (user === undefined || application === undefined) throw malformed('a required item is missing')
  const userItems = itemsOf(user)
  const maximum = single(userItems, item.maximumLength)
  const identity = single(userItems, item.userIdentity)
  if (maximum !== undefined && maximum.length !== 4) throw malformed('maximum length of wrong size')
  return {
    protocolVersion: body.readUInt16BE(0),
    applicationContext: uidOf(application),
    calledAe: aeTitleOf(body.subarray(4, 20)),
    callingAe: aeTitleOf(body.subarray(20, 36)),
    maximumPduBytes: maximum?.readUInt32BE(0) ?? 0,
    contexts,
    roles: rolesOf(userItems, contexts),
    extended: extendedOf(userItems, contexts),
    ...(identity !== undefined && { identity: readUserIdentity(identity) }),
  }
}

/** Of several proposals for one SOP class the first counts; those for classes without a context say nothing. */
function rolesOf(items: readonly Item[], contexts: readonly ProposedContext[]): Map<string, Roles> {
  const proposed = new Set(contexts.map(({ abstractSyntax }) => abstractSyntax))
  const roles = new Map<string, Roles>()
  for (const { type, value } of items) {
    if (type !== item.roleSelection) continue
    const length = value.length < 2 ? -1 : value.readUInt16BE(0)
    if (length < 0 || value.length !== length + 4) throw malformed('role selection of wrong size')
    const sopClass = uidOf(value.subarray(2, 2 + length))
    if (!proposed.has(sopClass) || roles.has(sopClass)) continue
    roles.set(sopClass, { user: value[2 + length] === 1, provider: value[3 + length] === 1 })
  }
  return roles
}

/** The same holds for these, and no association needs them: what cannot be read asks for nothing. */
function extendedOf(
  items: readonly Item[],
  contexts: readonly ProposedContext[],
): Map<string, Buffer> {
  const proposed = new Set(contexts.map(({ abstractSyntax }) => abstractSyntax))
  const extended = new Map<string, Buffer>()
  for (const { type, value } of items) {
    if (type !== extendedNegotiation) continue
    const end = value.length < 2 ? Infinity : 2 + value.readUInt16BE(0)
    if (end > value.length) continue
    const sopClass = uidOf(value.subarray(2, end))
    if (!proposed.has(sopClass) || extended.has(sopClass)) continue
    extended.set(sopClass, value.subarray(end))
  }
  return extended
}

/**
 * The request again, made only of what was checked: contexts in ascending order, without the items of extended
 * negotiation: the library reads none of them as they are meant.
 */
export function canonicalRequest(
  request: Omit<AssociateRequest, 'roles' | 'extended' | 'identity'>,
): Buffer {
  const fixed = Buffer.alloc(fixedBytes)
  fixed.writeUInt16BE(1, 0)
  fixed.write(request.calledAe.padEnd(16), 4, 16, 'latin1')
  fixed.write(request.callingAe.padEnd(16), 20, 16, 'latin1')
  const maximum = Buffer.alloc(4)
  maximum.writeUInt32BE(request.maximumPduBytes)
  const contexts = [...request.contexts].sort((a, b) => a.id - b.id)
  const body = Buffer.concat([
    fixed,
    itemBytes(item.applicationContext, Buffer.from(request.applicationContext, 'latin1')),
    ...contexts.map((context) =>
      itemBytes(
        item.presentationContext,
        Buffer.concat([
          Buffer.from([context.id, 0, 0, 0]),
          itemBytes(item.abstractSyntax, Buffer.from(context.abstractSyntax, 'latin1')),
          ...context.transferSyntaxes.map((syntax) =>
            itemBytes(item.transferSyntax, Buffer.from(syntax, 'latin1')),
          ),
        ]),
      ),
    ),
    itemBytes(item.userInformation, itemBytes(item.maximumLength, maximum)),
  ])
  const header = Buffer.alloc(headerBytes)
  header.writeUInt8(pduType.associateRequest, 0)
  header.writeUInt32BE(body.length, 2)
  return Buffer.concat([header, body])
}

function contextOf(value: Buffer, { syntaxesPerContext }: Bounds): ProposedContext {
  if (value.length < contextHeaderBytes) throw malformed('presentation context is too short')
  const id = value.readUInt8(0)
  if (id % 2 === 0) throw malformed('presentation context id is even')
  const syntaxes = itemsOf(value.subarray(contextHeaderBytes))
  const abstractSyntax = single(syntaxes, item.abstractSyntax)
  const transferSyntaxes = syntaxes.filter(({ type }) => type === item.transferSyntax)
  if (abstractSyntax === undefined || transferSyntaxes.length === 0) {
    throw malformed('presentation context without its syntaxes')
  }
  if (transferSyntaxes.length > syntaxesPerContext) throw malformed('too many transfer syntaxes')
  return {
    id,
    abstractSyntax: uidOf(abstractSyntax),
    transferSyntaxes: transferSyntaxes.map(({ value }) => uidOf(value)),
  }
}

function itemsOf(bytes: Buffer): Item[] {
  const items: Item[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + itemHeaderBytes > bytes.length) throw malformed('item header is cut')
    const length = bytes.readUInt16BE(at + 2)
    const begin = at + itemHeaderBytes
    if (length > bytes.length - begin) throw malformed('item longer than its parent')
    items.push({ type: bytes.readUInt8(at), value: bytes.subarray(begin, begin + length) })
    at = begin + length
  }
  return items
}

function single(items: readonly Item[], type: number): Buffer | undefined {
  const [found, second] = items.filter((entry) => entry.type === type)
  if (second !== undefined) throw malformed('an item is repeated')
  return found?.value
}

/** Some senders pad UIDs here, although PS3.8 §F forbids it. */
const uidOf = (value: Buffer): string =>
  value
    .subarray(0, 128)
    .toString('latin1')
    .replace(/[\0 ]+$/, '')

const aeTitleOf = (value: Buffer): string => value.toString('latin1').replace(/^ +|[\0 ]+$/g, '')

const malformed = (message: string) => new PduError(abortReason.invalidParameter, message)
