import { abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'

/** Command Field values (PS3.7 §E.1). A response is its request with the highest bit set. */
export const commandField = {
  storeRequest: 0x0001,
  echoRequest: 0x0030,
  cancelRequest: 0x0fff,
  response: 0x8000,
} as const

/** The elements of a command set that we read (PS3.7 §E). */
export type Command = {
  field: number
  sopClass: string
  sopUid: string
  messageId: number
  messageIdRespondedTo: number
  hasDataSet: boolean
  status: number
  comment: string
}

const element = {
  groupLength: 0x0000,
  affectedSopClass: 0x0002,
  requestedSopClass: 0x0003,
  commandField: 0x0100,
  messageId: 0x0110,
  messageIdRespondedTo: 0x0120,
  priority: 0x0700,
  dataSetType: 0x0800,
  status: 0x0900,
  errorComment: 0x0902,
  affectedSopUid: 0x1000,
  requestedSopUid: 0x1001,
} as const

const elementHeaderBytes = 8
const noDataSet = 0x0101
const someDataSet = 0x0000
const mediumPriority = 0x0000

/** Reads a command set: always Implicit VR Little Endian, group 0000 alone, elements ascending (PS3.7 §6.3.1). */
export function readCommand(bytes: Buffer): Command {
  const values = elementsOf(bytes)
  const number = (tag: number): number | undefined => {
    const value = values.get(tag)
    return value?.length === 2 ? value.readUInt16LE(0) : undefined
  }
  const text = (...tags: number[]): string => {
    for (const tag of tags) {
      const value = values.get(tag)
      if (value !== undefined) return trimmed(value)
    }
    return ''
  }
  const field = number(element.commandField)
  if (field === undefined) throw malformed('command set without a Command Field')
  return {
    field,
    sopClass: text(element.affectedSopClass, element.requestedSopClass),
    sopUid: text(element.affectedSopUid, element.requestedSopUid),
    messageId: number(element.messageId) ?? 0,
    messageIdRespondedTo: number(element.messageIdRespondedTo) ?? 0,
    hasDataSet: (number(element.dataSetType) ?? noDataSet) !== noDataSet,
    status: number(element.status) ?? 0,
    comment: text(element.errorComment),
  }
}

function elementsOf(bytes: Buffer): Map<number, Buffer> {
  const values = new Map<number, Buffer>()
  let at = 0
  let previous = -1
  while (at < bytes.length) {
    if (at + elementHeaderBytes > bytes.length)
      throw malformed('command set ends inside an element')
    const group = bytes.readUInt16LE(at)
    const tag = bytes.readUInt16LE(at + 2)
    const length = bytes.readUInt32LE(at + 4)
    at += elementHeaderBytes
    if (group !== 0 || tag <= previous) throw malformed('not a command set')
    if (length > bytes.length - at) throw malformed('element longer than its command set')
    values.set(tag, bytes.subarray(at, at + length))
    previous = tag
    at += length
  }
  return values
}

const malformed = (message: string) =>
  new PduError(abortReason.unspecified, message, abortSource.user)

function trimmed(value: Buffer): string {
  let end = value.length
  while (end > 0 && (value[end - 1] === 0 || value[end - 1] === 0x20)) end--
  return value.toString('latin1', 0, end)
}

/** The C-STORE request of one instance (PS3.7 §9.3.1.1). */
export function storeRequest(messageId: number, sopClass: string, sopUid: string): Buffer {
  return written([
    [element.affectedSopClass, uid(sopClass)],
    [element.commandField, us(commandField.storeRequest)],
    [element.messageId, us(messageId)],
    [element.priority, us(mediumPriority)],
    [element.dataSetType, us(someDataSet)],
    [element.affectedSopUid, uid(sopUid)],
  ])
}

/** A response without a data set to any request; the comment tells people why (PS3.7 §C). */
export function response(to: Command, status: number, comment: string): Buffer {
  return written([
    ...(to.sopClass === '' ? [] : [[element.affectedSopClass, uid(to.sopClass)] as const]),
    [element.commandField, us(to.field | commandField.response)],
    [element.messageIdRespondedTo, us(to.messageId)],
    [element.dataSetType, us(noDataSet)],
    [element.status, us(status)],
    ...(comment === '' ? [] : [[element.errorComment, text(comment)] as const]),
    ...(to.sopUid === '' ? [] : [[element.affectedSopUid, uid(to.sopUid)] as const]),
  ])
}

function written(elements: readonly (readonly [tag: number, value: Buffer])[]): Buffer {
  const parts = elements.flatMap(([tag, value]) => [elementHeader(tag, value.length), value])
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const groupLength = Buffer.alloc(4)
  groupLength.writeUInt32LE(length)
  return Buffer.concat([elementHeader(element.groupLength, 4), groupLength, ...parts])
}

function elementHeader(tag: number, length: number): Buffer {
  const header = Buffer.alloc(elementHeaderBytes)
  header.writeUInt16LE(tag, 2)
  header.writeUInt32LE(length, 4)
  return header
}

function us(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

const padded = (value: string, pad: string): Buffer =>
  Buffer.from(value.length % 2 === 0 ? value : value + pad, 'latin1')

/** A peer may have sent anything in place of a UID: no more of it is repeated than a UID may be long. */
const uid = (value: string): Buffer => padded(value.slice(0, 64), '\0')

/** LO: at most 64 characters. */
const text = (value: string): Buffer => padded(value.slice(0, 64), ' ')
