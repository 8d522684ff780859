/** Types of protocol data units (PS3.8 §9.3). */
export const pduType = {
  associateRequest: 1,
  associateAccept: 2,
  associateReject: 3,
  data: 4,
  releaseRequest: 5,
  releaseResponse: 6,
  abort: 7,
} as const

/** Who aborts an association: the DICOM application, or the upper layer beneath it (PS3.8 §9.3.8). */
export const abortSource = { user: 0, provider: 2 } as const

/** Why the upper layer aborts an association (PS3.8 §9.3.8). */
export const abortReason = {
  unspecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  invalidParameter: 6,
} as const

/** Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 §9.3.4). */
export type Rejection = readonly [result: number, source: number, reason: number]

export const rejections = {
  applicationContext: [1, 1, 2],
  callingAe: [1, 1, 3],
  calledAe: [1, 1, 7],
  /** Nothing in the standard says "I do not believe who you are" (PS3.7 §D.3.3.7.3). */
  identity: [1, 1, 1],
  protocolVersion: [1, 2, 2],
  /** Nothing in the standard says "your maximum length is absurd". */
  noReason: [1, 2, 1],
  localLimit: [2, 3, 2],
} as const satisfies Record<string, Rejection>

/** Fragment of a command or of a data set, and whether it is the last (PS3.8 §E.2). */
export const control = { data: 0, command: 1, last: 2 } as const

const unitHeaderBytes = 6
/** Header of a P-DATA-TF with one fragment. */
export const dataHeaderBytes = 12

/** A-ABORT, written by hand: it must go out even where no association exists. */
export function abortPdu(reason: number, source: number = abortSource.provider): Buffer {
  return Buffer.from([pduType.abort, 0, 0, 0, 0, 4, 0, 0, source, reason])
}

export function rejectPdu([result, source, reason]: Rejection): Buffer {
  return Buffer.from([pduType.associateReject, 0, 0, 0, 0, 4, 0, result, source, reason])
}

export const releaseRequestPdu = (): Buffer =>
  Buffer.from([pduType.releaseRequest, 0, 0, 0, 0, 4, 0, 0, 0, 0])

export const releaseResponsePdu = (): Buffer =>
  Buffer.from([pduType.releaseResponse, 0, 0, 0, 0, 4, 0, 0, 0, 0])

/** What stands before `length` bytes that travel as one fragment in one P-DATA-TF. */
export function dataHeader(context: number, flags: number, length: number): Buffer {
  const header = Buffer.alloc(dataHeaderBytes)
  writeDataHeader(header, 0, { context, flags, length })
  return header
}

/** The same, into a buffer; where it ends. */
export function writeDataHeader(
  target: Buffer,
  at: number,
  { context, flags, length }: { context: number; flags: number; length: number },
): number {
  target[at] = pduType.data
  target[at + 1] = 0
  target.writeUInt32BE(length + dataHeaderBytes - unitHeaderBytes, at + 2)
  target.writeUInt32BE(length + 2, at + unitHeaderBytes)
  target[at + 10] = context
  target[at + 11] = flags
  return at + dataHeaderBytes
}

/** A whole command in one unit; a command of ours is shorter than any length that we accept from a peer. */
export function commandPdu(context: number, command: Buffer): Buffer {
  const header = dataHeader(context, control.command | control.last, command.length)
  return Buffer.concat([header, command])
}
