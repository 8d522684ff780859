import { abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'

/** Command Field values (PS3.7 §E.1). A response is its request with the highest bit set. */
export const commandField = {
  storeRequest: 0x0001,
  getRequest: 0x0010,
  findRequest: 0x0020,
  moveRequest: 0x0021,
  echoRequest: 0x0030,
  eventReportRequest: 0x0100,
  attributesGetRequest: 0x0110,
  attributesSetRequest: 0x0120,
  actionRequest: 0x0130,
  createRequest: 0x0140,
  deleteRequest: 0x0150,
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
  /** AE title that a C-MOVE sends to. */
  moveDestination?: string
  eventTypeId?: number
  actionTypeId?: number
  /** Tags that an N-GET asks for, or that were missing in what a response answers. */
  attributes?: number[]
  /** Sub-operations of a C-GET or C-MOVE of ours, in its responses. */
  counts?: Counts
}

/** Sub-operations of a C-GET or C-MOVE (PS3.4 §C.4.2.1.6); `remaining` is left out of final responses. */
export type Counts = { remaining?: number; completed: number; failed: number; warning: number }

/** A response, whatever it responds to. */
export type Answer = {
  status: number
  /** For people at the other side: at most 64 characters, ASCII, nothing of a patient. */
  comment?: string
  /** In the transfer syntax of the request's context. */
  dataSet?: Buffer
  counts?: Counts
  /** Of an instance that the request did not name (N-CREATE). */
  sopUid?: string
  /** Tags that were missing or wrong: the Attribute Identifier List of DIMSE-N. */
  attributes?: readonly number[]
  /** The same of DIMSE-C: Offending Elements. */
  offending?: readonly number[]
  /** Says more of a failure, as a service defines it (PS3.7 §C.5). */
  errorId?: number
}

/** A request of ours. */
export type SubRequest = {
  field: number
  sopClass: string
  sopUid: string
  priority?: number
  eventTypeId?: number
  actionTypeId?: number
  /** AE title that a C-MOVE is to send to. */
  moveDestination?: string
  /** Whose C-MOVE a C-STORE belongs to (PS3.7 §9.3.1.1). */
  originator?: { aeTitle: string; messageId: number }
}

const element = {
  groupLength: 0x0000,
  affectedSopClass: 0x0002,
  requestedSopClass: 0x0003,
  commandField: 0x0100,
  messageId: 0x0110,
  messageIdRespondedTo: 0x0120,
  moveDestination: 0x0600,
  priority: 0x0700,
  dataSetType: 0x0800,
  status: 0x0900,
  offendingElement: 0x0901,
  errorComment: 0x0902,
  errorId: 0x0903,
  affectedSopUid: 0x1000,
  requestedSopUid: 0x1001,
  eventTypeId: 0x1002,
  attributeList: 0x1005,
  actionTypeId: 0x1008,
  remaining: 0x1020,
  completed: 0x1021,
  failed: 0x1022,
  warning: 0x1023,
  originatorAe: 0x1030,
  originatorMessageId: 0x1031,
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
  const eventTypeId = number(element.eventTypeId)
  const actionTypeId = number(element.actionTypeId)
  const counts = countsOf(number)
  return {
    field,
    sopClass: text(element.affectedSopClass, element.requestedSopClass),
    sopUid: text(element.affectedSopUid, element.requestedSopUid),
    messageId: number(element.messageId) ?? 0,
    messageIdRespondedTo: number(element.messageIdRespondedTo) ?? 0,
    hasDataSet: (number(element.dataSetType) ?? noDataSet) !== noDataSet,
    status: number(element.status) ?? 0,
    comment: text(element.errorComment),
    moveDestination: text(element.moveDestination).trim(),
    ...(eventTypeId !== undefined && { eventTypeId }),
    ...(actionTypeId !== undefined && { actionTypeId }),
    attributes: tagsOf(values.get(element.attributeList)),
    ...(counts && { counts }),
  }
}

/** What is not said is none; all of it may be left unsaid. */
function countsOf(number: (tag: number) => number | undefined): Counts | undefined {
  const { remaining, completed, failed, warning } = element
  const [left, ...ended] = [remaining, completed, failed, warning].map(number)
  if (left === undefined && ended.every((count) => count === undefined)) return undefined
  const [done = 0, bad = 0, doubtful = 0] = ended
  return {
    ...(left !== undefined && { remaining: left }),
    completed: done,
    failed: bad,
    warning: doubtful,
  }
}

function tagsOf(value: Buffer | undefined): number[] {
  if (value === undefined || value.length % 4 !== 0) return []
  return Array.from(
    { length: value.length / 4 },
    (_, at) => value.readUInt16LE(4 * at) * 0x10000 + value.readUInt16LE(4 * at + 2),
  )
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
export const storeRequest = (messageId: number, sopClass: string, sopUid: string): Buffer =>
  request(messageId, { field: commandField.storeRequest, sopClass, sopUid }, true)

/** These name what they ask for by Requested SOP Class and Instance UID; others by the affected ones (PS3.7 §10.1). */
const byRequested = new Set<number>([
  commandField.attributesGetRequest,
  commandField.attributesSetRequest,
  commandField.actionRequest,
  commandField.deleteRequest,
])

/** Any request of ours (PS3.7 §9.3, §10.3). */
export function request(messageId: number, asked: SubRequest, hasDataSet: boolean): Buffer {
  const { field, sopClass, sopUid, eventTypeId, actionTypeId, originator } = asked
  const isRequested = byRequested.has(field)
  const priority = field < commandField.eventReportRequest && field !== commandField.echoRequest
  return written([
    [isRequested ? element.requestedSopClass : element.affectedSopClass, uid(sopClass)],
    [element.commandField, us(field)],
    [element.messageId, us(messageId)],
    ...(asked.moveDestination === undefined
      ? []
      : [[element.moveDestination, aeTitle(asked.moveDestination)] as const]),
    ...(priority ? [[element.priority, us(asked.priority ?? mediumPriority)] as const] : []),
    [element.dataSetType, us(hasDataSet ? someDataSet : noDataSet)],
    ...(sopUid === ''
      ? []
      : [[isRequested ? element.requestedSopUid : element.affectedSopUid, uid(sopUid)] as const]),
    ...optional(element.eventTypeId, eventTypeId),
    ...optional(element.actionTypeId, actionTypeId),
    ...(originator === undefined
      ? []
      : [
          [element.originatorAe, aeTitle(originator.aeTitle)] as const,
          [element.originatorMessageId, us(originator.messageId)] as const,
        ]),
  ])
}

/** A response to any request; the comment tells people why (PS3.7 §C). */
export function response(to: Command, answer: Answer): Buffer {
  const { status, comment = '', dataSet, counts } = answer
  const sopUid = answer.sopUid ?? to.sopUid
  return written([
    ...(to.sopClass === '' ? [] : [[element.affectedSopClass, uid(to.sopClass)] as const]),
    [element.commandField, us(to.field | commandField.response)],
    [element.messageIdRespondedTo, us(to.messageId)],
    [element.dataSetType, us(dataSet === undefined ? noDataSet : someDataSet)],
    [element.status, us(status)],
    ...tagList(element.offendingElement, answer.offending),
    ...(comment === '' ? [] : [[element.errorComment, text(comment)] as const]),
    ...optional(element.errorId, answer.errorId),
    ...(sopUid === '' ? [] : [[element.affectedSopUid, uid(sopUid)] as const]),
    ...optional(element.eventTypeId, to.eventTypeId),
    ...tagList(element.attributeList, answer.attributes),
    ...optional(element.actionTypeId, to.actionTypeId),
    ...optional(element.remaining, counts?.remaining),
    ...optional(element.completed, counts?.completed),
    ...optional(element.failed, counts?.failed),
    ...optional(element.warning, counts?.warning),
  ])
}

type Element = readonly [tag: number, value: Buffer]

const optional = (tag: number, value: number | undefined): Element[] =>
  value === undefined ? [] : [[tag, us(Math.min(value, 65_535))]]

const tagList = (element: number, tags: readonly number[] = []): Element[] =>
  tags.length === 0 ? [] : [[element, Buffer.concat(tags.map(at))]]

function written(elements: readonly Element[]): Buffer {
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

/** AT: the group, then the element. */
const at = (tag: number): Buffer => Buffer.concat([us(tag >>> 16), us(tag & 0xffff)])

const padded = (value: string, pad: string): Buffer =>
  Buffer.from(value.length % 2 === 0 ? value : value + pad, 'latin1')

/** A peer may have sent anything in place of a UID: no more of it is repeated than a UID may be long. */
const uid = (value: string): Buffer => padded(value.slice(0, 64), '\0')

const aeTitle = (value: string): Buffer => padded(value.slice(0, 16), ' ')

/** LO: at most 64 characters. */
const text = (value: string): Buffer => padded(value.slice(0, 64), ' ')
