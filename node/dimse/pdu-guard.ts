import { ProtocolError } from '#protocol/errors.ts'
import { abortReason, abortSource, pduType } from './pdu.ts'

/** The peer broke the protocol: the association is aborted with this reason, the socket destroyed. */
export class PduError extends ProtocolError {
  readonly reason: number
  readonly source: number

  constructor(reason: number, message: string, source: number = abortSource.provider) {
    super('frame_malformed', message)
    this.reason = reason
    this.source = source
  }
}

export type PduEvent =
  /** Any unit but P-DATA, whole, with its header. */
  | { kind: 'pdu'; type: number; bytes: Buffer }
  /** Part of a command or data set, as it came off the wire. `last` ends the command or data set. */
  | { kind: 'fragment'; context: number; command: boolean; last: boolean; data: Buffer }

export type PduGuard = {
  /** The events in `chunk`, without copying data; throws `PduError` at the first violation. Take all of them. */
  feed(chunk: Buffer): Generator<PduEvent, void, void>
  /** True while a unit has begun and not ended. */
  readonly isInside: boolean
}

const headerBytes = 6
const fragmentHeaderBytes = 6
const empty = Buffer.alloc(0)

/**
 * Cuts a byte stream into units within bounds. `allowed` gives the greatest length of a type that may come now,
 * `undefined` for one that may not: a length is refused from its header, before any of the unit is buffered.
 */
export function createPduGuard(allowed: (type: number) => number | undefined): PduGuard {
  const header = Buffer.alloc(headerBytes)
  let headerHave = 0
  /** Bytes of the current unit that are still to come. */
  let unitLeft = 0
  let whole: Buffer = empty
  const fragments = createFragmentCutter()

  const begin = () => {
    const type = header.readUInt8(0)
    if (type < 1 || type > 7) throw new PduError(abortReason.unrecognizedPdu, 'unknown PDU type')
    const max = allowed(type)
    if (max === undefined) throw new PduError(abortReason.unexpectedPdu, 'unexpected PDU')
    unitLeft = header.readUInt32BE(2)
    if (unitLeft > max) throw new PduError(abortReason.invalidParameter, 'PDU too long')
    if (type === pduType.data) {
      // PS3.8 §9.3.5: one or more fragments, each with a header of six bytes.
      if (unitLeft < fragmentHeaderBytes) {
        throw new PduError(abortReason.invalidParameter, 'P-DATA without a fragment')
      }
      return
    }
    whole = Buffer.alloc(headerBytes + unitLeft)
    header.copy(whole)
  }

  const end = (): PduEvent | undefined => {
    headerHave = 0
    const type = header.readUInt8(0)
    if (type === pduType.data) return undefined
    const bytes = whole
    whole = empty
    return { kind: 'pdu', type, bytes }
  }

  function* feed(chunk: Buffer): Generator<PduEvent, void, void> {
    let rest = chunk
    while (rest.length > 0) {
      let taken: number
      if (headerHave < headerBytes) {
        taken = rest.copy(header, headerHave)
        headerHave += taken
        if (headerHave < headerBytes) return
        begin()
      } else {
        const part = rest.subarray(0, unitLeft)
        taken = part.length
        if (header.readUInt8(0) === pduType.data) {
          yield* fragments.cut(part, unitLeft)
        } else {
          part.copy(whole, whole.length - unitLeft)
        }
        unitLeft -= taken
      }
      rest = rest.subarray(taken)
      if (unitLeft > 0) continue
      const event = end()
      if (event !== undefined) yield event
    }
  }

  return {
    feed,
    get isInside() {
      return headerHave > 0
    },
  }
}

/** The fragments (PDVs, PS3.8 §9.3.5.1) of one unit after another. */
function createFragmentCutter() {
  const header = Buffer.alloc(fragmentHeaderBytes)
  let headerHave = 0
  /** Bytes of the current fragment that are still to come. */
  let left = 0

  const begin = (unitLeft: number) => {
    const length = header.readUInt32BE(0)
    if (length < 2 || length - 2 > unitLeft) {
      throw new PduError(abortReason.invalidParameter, 'fragment does not fit its PDU')
    }
    left = length - 2
  }

  const event = (data: Buffer): PduEvent => {
    const flags = header.readUInt8(5)
    const last = left === 0 && (flags & 2) !== 0
    if (left === 0) headerHave = 0
    return {
      kind: 'fragment',
      context: header.readUInt8(4),
      command: (flags & 1) !== 0,
      last,
      data,
    }
  }

  /** `part` begins a unit's last `unitLeft` bytes. */
  function* cut(part: Buffer, unitLeft: number): Generator<PduEvent, void, void> {
    let at = 0
    while (at < part.length) {
      if (headerHave < fragmentHeaderBytes) {
        const taken = part.copy(header, headerHave, at, at + fragmentHeaderBytes - headerHave)
        headerHave += taken
        at += taken
        if (headerHave === fragmentHeaderBytes) {
          begin(unitLeft - at)
          if (left === 0) yield event(empty)
        } else if (unitLeft === at) {
          throw new PduError(abortReason.invalidParameter, 'PDU ends inside a fragment header')
        }
      } else {
        const data = part.subarray(at, at + left)
        at += data.length
        left -= data.length
        yield event(data)
      }
    }
  }

  return { cut }
}
