import { abortReason } from './pdu.ts'
import { PduError } from './pdu-guard.ts'

const headerBytes = 6
const fixedBytes = 68
const itemHeaderBytes = 4
const userInformation = 0x50

/** One item or sub-item of an association unit (PS3.8 §9.3.2). */
export function itemBytes(type: number, value: Uint8Array): Buffer {
  const header = Buffer.alloc(itemHeaderBytes)
  header.writeUInt8(type, 0)
  header.writeUInt16BE(value.length, 2)
  return Buffer.concat([header, value])
}

/**
 * An A-ASSOCIATE-RQ or -AC with further items of user information, which is the last item of the unit (PS3.8 §9.3.3):
 * for those that the library does not write.
 */
export function withUserItems(unit: Buffer, items: readonly Buffer[]): Buffer {
  if (items.length === 0) return unit
  let at = headerBytes + fixedBytes
  while (at + itemHeaderBytes <= unit.length && unit.readUInt8(at) !== userInformation) {
    at += itemHeaderBytes + unit.readUInt16BE(at + 2)
  }
  if (at + itemHeaderBytes + unit.readUInt16BE(at + 2) !== unit.length) {
    throw new PduError(abortReason.unspecified, 'the unit does not end with user information')
  }
  const bytes = Buffer.concat([unit, ...items])
  bytes.writeUInt32BE(bytes.length - headerBytes, 2)
  bytes.writeUInt16BE(bytes.length - at - itemHeaderBytes, at + 2)
  return bytes
}
