import { ProtocolError } from '#protocol/errors.ts'
import { giveBack } from '../archive/loans.ts'
import type { DimseLimits, Link } from './link.ts'
import { commandPdu, control, dataHeader, dataHeaderBytes, writeDataHeader } from './pdu.ts'
import { within } from './within.ts'

/** A data set that is sent: in memory, or in parts that come as they are asked for. */
export type Data = Uint8Array | Parts
export type Parts = {
  bytes: number
  /** Each is given back as soon as it is sent, when it was lent. */
  parts: AsyncIterable<Uint8Array>
}

/** Sends whole messages, one after the other: fragments of two messages never mix (PS3.8 §E.1). */
export type Speech = {
  /** Something to wait for while the peer reads slower than we speak; rejects when the message was not sent whole. */
  say(context: number, command: Buffer, data?: Data): Promise<void> | undefined
  /** Small messages with the same command, in one write. */
  sayAll(
    context: number,
    command: Buffer,
    dataSets: readonly Uint8Array[],
  ): Promise<void> | undefined
}

const fragmentHeaderBytes = 6
const atOnceBytes = 256 * 1024

const nothing = Buffer.alloc(0)

const partsOf = (data: Uint8Array) => ({
  bytes: data.length,
  parts: (async function* () {
    for (let at = 0; at < data.length; at += atOnceBytes) {
      yield data.subarray(at, at + atOnceBytes)
    }
  })(),
})

export function createSpeech(deps: {
  link: Pick<Link, 'send' | 'sendThen' | 'drained' | 'isClosing'>
  /** The longest P-DATA-TF that the peer takes. */
  pduBytes: number
  limits: Pick<DimseLimits, 'responseTimeoutMs'>
}): Speech {
  const { link, limits } = deps
  // Fragments are even (PS3.8 §E.1), however the parts are cut: an odd byte waits for the next part.
  const pieceBytes = (deps.pduBytes - fragmentHeaderBytes) & ~1
  const checkOpen = () => {
    if (link.isClosing) throw new ProtocolError('aborted', 'the association was lost')
  }
  const inTurn = createTurns(checkOpen)
  const drained = (): Promise<void> | undefined => {
    checkOpen()
    const wait = link.drained()
    return wait === undefined ? undefined : within(wait, limits.responseTimeoutMs)
  }

  const cut = (context: number, data: Uint8Array, isEnd: boolean, before: Uint8Array[]) =>
    cutData(data, { context, isEnd, pieceBytes, before })

  const saySlowly = async (
    context: number,
    command: Buffer,
    { bytes, parts }: Parts,
  ): Promise<void> => {
    let before: Uint8Array[] = [commandPdu(context, command)]
    let left = bytes
    let odd: Buffer = nothing
    for await (const part of parts) {
      if (part.length === 0) continue
      left -= part.length
      if (left < 0) break
      const [ready, rest] = evened(odd, part, left === 0)
      odd = rest
      if (ready.length === 0) continue
      const pieces = cut(context, ready, left === 0, before)
      link.sendThen(pieces, () => giveBack(part))
      before = []
      const wait = drained()
      if (wait !== undefined) await wait
    }
    if (left !== 0) throw new ProtocolError('internal', 'a data set of another length than said')
  }

  const begin = (context: number, command: Buffer, data?: Data): Promise<void> | undefined => {
    if (data === undefined) link.send(commandPdu(context, command))
    else if (!(data instanceof Uint8Array)) return saySlowly(context, command, data)
    else if (data.length > atOnceBytes) return saySlowly(context, command, partsOf(data))
    else link.send(...cut(context, data, true, [commandPdu(context, command)]))
    return drained()
  }

  const join = (context: number, command: Buffer, dataSets: readonly Uint8Array[]) => {
    link.send(joinMessages({ context, command, pieceBytes }, dataSets))
    return drained()
  }

  return {
    say: (context, command, data) => inTurn(() => begin(context, command, data)),
    sayAll: (context, command, dataSets) => inTurn(() => join(context, command, dataSets)),
  }
}

/** One thing after the other; at once when nothing is being said. */
function createTurns(check: () => void) {
  let speaking: Promise<void> | undefined
  return (begin: () => Promise<void> | undefined): Promise<void> | undefined => {
    check()
    const said =
      speaking === undefined ? begin() : speaking.catch(() => undefined).then(async () => begin())
    if (said === undefined) return undefined
    const mine = said.finally(() => {
      if (speaking === mine) speaking = undefined
    })
    mine.catch(() => undefined)
    speaking = mine
    return mine
  }
}

/** A fragment's own header counts: below a few KiB there is more header than data, below 7 no data at all. */
export function pduBytesFor(
  peerMaximum: number,
  limits: Pick<DimseLimits, 'maximumPduBytes' | 'peerMaximumPduBytesMin'>,
): number {
  if (peerMaximum === 0) return limits.maximumPduBytes
  if (peerMaximum < limits.peerMaximumPduBytesMin) {
    throw new ProtocolError('unsupported', `the peer takes PDUs of ${peerMaximum} bytes only`)
  }
  return Math.min(peerMaximum, limits.maximumPduBytes)
}

/** What can be sent of a part and of the odd byte before it, and the odd byte that waits. */
function evened(odd: Buffer, part: Uint8Array, isEnd: boolean): [ready: Uint8Array, rest: Buffer] {
  const joined = odd.length === 0 ? part : Buffer.concat([odd, part])
  const length = isEnd ? joined.length : joined.length & ~1
  return [joined.subarray(0, length), Buffer.from(joined.subarray(length))]
}

type Framing = { context: number; command: Buffer; pieceBytes: number }

/** Whole messages in one buffer: thousands of small ones cost more to hand over one by one than to copy. */
function joinMessages(
  { context, command, pieceBytes }: Framing,
  dataSets: readonly Uint8Array[],
): Buffer {
  const said = commandPdu(context, command)
  const piecesOf = ({ length }: Uint8Array) => Math.max(1, Math.ceil(length / pieceBytes))
  const bytes = dataSets.reduce(
    (sum, one) => sum + said.length + dataHeaderBytes * piecesOf(one) + one.length,
    0,
  )
  const out = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const data of dataSets) {
    at += said.copy(out, at)
    for (let from = 0, left = piecesOf(data); left > 0; from += pieceBytes, left--) {
      const length = Math.min(pieceBytes, data.length - from)
      const flags = control.data | (left === 1 ? control.last : 0)
      at = writeDataHeader(out, at, { context, flags, length })
      out.set(length === data.length ? data : data.subarray(from, from + length), at)
      at += length
    }
  }
  return out
}

/** Fragments in units, to be written at once with what goes before: nothing is copied. */
function cutData(
  data: Uint8Array,
  how: { context: number; isEnd: boolean; pieceBytes: number; before: Uint8Array[] },
): Uint8Array[] {
  const { context, isEnd, pieceBytes, before: out } = how
  let at = 0
  do {
    const piece = data.subarray(at, at + pieceBytes)
    at += piece.length
    const isLast = isEnd && at === data.length
    const flags = control.data | (isLast ? control.last : 0)
    out.push(dataHeader(context, flags, piece.length), piece)
  } while (at < data.length)
  return out
}
