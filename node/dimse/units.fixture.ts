import { canonicalRequest, type AssociateRequest } from './associate-request.ts'
import { commandField, storeRequest } from './command-set.ts'
import { commandPdu, control, dataHeader } from './pdu.ts'
import type { PduEvent } from './pdu-guard.ts'
import { createPduGuard } from './pdu-guard.ts'

export const ctClass = '1.2.840.10008.5.1.4.1.1.2'
export const verificationClass = '1.2.840.10008.1.1'
export const explicitLittle = '1.2.840.10008.1.2.1'
export const implicitLittle = '1.2.840.10008.1.2'

/** A request that is accepted: CT in context 1, Verification in context 3. */
export const goodRequest: AssociateRequest = {
  protocolVersion: 1,
  applicationContext: '1.2.840.10008.3.1.1.1',
  calledAe: 'CAMI',
  callingAe: 'STORESCU',
  maximumPduBytes: 16_384,
  contexts: [
    { id: 1, abstractSyntax: ctClass, transferSyntaxes: [explicitLittle] },
    { id: 3, abstractSyntax: verificationClass, transferSyntaxes: [implicitLittle] },
  ],
  roles: new Map(),
  extended: new Map(),
}

export const requestPdu = (change: Partial<AssociateRequest> = {}): Buffer =>
  canonicalRequest({ ...goodRequest, ...change })

/** A unit of any type with any length in its header. */
export function unit(type: number, body: Buffer, length = body.length): Buffer {
  const header = Buffer.alloc(6)
  header.writeUInt8(type, 0)
  header.writeUInt32BE(length, 2)
  return Buffer.concat([header, body])
}

/** One fragment as it stands inside a P-DATA-TF. */
export function fragment(context: number, flags: number, data: Buffer): Buffer {
  return Buffer.concat([dataHeader(context, flags, data.length).subarray(6), data])
}

export const dataUnit = (...fragments: Buffer[]): Buffer => unit(4, Buffer.concat(fragments))

/** A C-STORE request and its data set in the given pieces, one unit each. */
export function storeMessage(messageId: number, sopUid: string, ...pieces: Buffer[]): Buffer {
  return Buffer.concat([
    commandPdu(1, storeRequest(messageId, ctClass, sopUid)),
    ...pieces.map((piece, index) =>
      dataUnit(fragment(1, control.data | (index === pieces.length - 1 ? control.last : 0), piece)),
    ),
  ])
}

/** A command without a data set: Command Field, Message ID, Command Data Set Type. */
export function bareCommand(field: number, messageId: number): Buffer {
  const bytes = Buffer.alloc(30)
  for (const [index, [element, value]] of [
    [0x0100, field],
    [0x0110, messageId],
    [0x0800, 0x0101],
  ].entries()) {
    bytes.writeUInt16LE(element ?? 0, index * 10 + 2)
    bytes.writeUInt32LE(2, index * 10 + 4)
    bytes.writeUInt16LE(value ?? 0, index * 10 + 8)
  }
  return bytes
}

export const echoRequest = (messageId: number): Buffer =>
  bareCommand(commandField.echoRequest, messageId)

/** All units in `bytes`, as the guard sees them. */
export function unitsOf(bytes: Buffer): PduEvent[] {
  return [...createPduGuard(() => 1 << 20).feed(bytes)]
}

/** Waits until `condition` holds, looking often; fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 60_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not come to pass')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
