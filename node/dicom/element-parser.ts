import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { tagText, vrOfTag } from './dictionary.ts'
import { type Encoding, implicitLittleEndian } from './transfer-syntax.ts'
import { hasLongLength, kindOf, vrOfBytes } from './value-representation.ts'

/** One element as its header tells it. Offsets count from the data set's first byte. */
export type Element = {
  tag: number
  /** As written; from the dictionary where the encoding writes none, or `UN` was written for a known tag. */
  vr: string
  offset: number
  valueOffset: number
  length: number
  /** Sequences around it. */
  depth: number
  encoding: Encoding
}

export type ParserEvents = {
  /** A value: `skip` it, `collect` it for `value`, or `stop` before it. */
  element(element: Element): 'skip' | 'collect' | 'stop'
  value(element: Element, bytes: Uint8Array): void
  sequenceBegins?(element: Element): void
  itemBegins?(): void
  itemEnds?(): void
  sequenceEnds?(): void
  /** Encapsulated pixel data (PS3.5 §A.4); its value begins at the first item. May `stop`. */
  fragmentsBegin?(element: Element): 'stop' | undefined
  fragment?(offset: number, length: number): void
}

/** Reads a data set that arrives in pieces of any size; holds no more than one element header and one wanted value. */
export type ElementParser = {
  write(chunk: Uint8Array): void
  /** Throws `instance_truncated` unless everything that began has ended. */
  end(): void
  readonly stopped: boolean
  /** Bytes that would be passed over, for a caller that can seek. */
  readonly skippable: number
  skip(bytes: number): void
}

type Level = {
  kind: 'items' | 'elements' | 'fragments'
  /** Where it ends; infinite when a delimiter ends it. */
  end: number
  /** The nearest end around it, which nothing inside may pass. */
  limit: number
  encoding: Encoding
}

const nothing = new Uint8Array(0)
const undefinedLength = 0xffff_ffff
const itemGroup = 0xfffe
const item = 0xfffee000
const itemEnd = 0xfffee00d
const sequenceEnd = 0xfffee0dd
const pixelData = 0x7fe00010
const headerBytesMax = 12
/** Larger binary values are streamed past and do not count as header. */
const smallValueBytes = 1024

type Parser = {
  readonly events: ParserEvents
  /** Levels around the present one. */
  readonly levels: Level[]
  level: Level
  /** Of the next unread byte in the data set. */
  position: number
  /** Bytes still to be passed over. */
  skipping: number
  collecting: { element: Element; bytes: Uint8Array; filled: number } | undefined
  stopped: boolean
  elements: number
  fragments: number
  /** Bytes of element headers, texts and small values so far. */
  header: number
}

export function createElementParser(encoding: Encoding, events: ParserEvents): ElementParser {
  const outermost: Level = { kind: 'elements', end: Infinity, limit: Infinity, encoding }
  const parser: Parser = {
    events,
    levels: [],
    level: outermost,
    position: 0,
    skipping: 0,
    collecting: undefined,
    stopped: false,
    elements: 0,
    fragments: 0,
    header: 0,
  }
  let carry: Uint8Array = nothing
  return {
    write(chunk) {
      if (parser.stopped) return
      const data = carry.length === 0 ? chunk : joined(carry, chunk)
      const rest = data.subarray(parse(parser, data))
      // A copy: the caller may use its buffer again.
      carry = rest.length === 0 ? nothing : new Uint8Array(rest)
    },
    end() {
      if (parser.stopped) return
      closeEnded(parser)
      const { skipping, collecting, level } = parser
      const isWhole = carry.length === 0 && skipping === 0 && collecting === undefined
      if (!isWhole || level !== outermost) {
        throw new ProtocolError('instance_truncated', 'the data set ends before its last element')
      }
    },
    get stopped() {
      return parser.stopped
    },
    get skippable() {
      return carry.length === 0 ? parser.skipping : 0
    },
    skip(bytes) {
      parser.skipping -= bytes
      parser.position += bytes
    },
  }
}

/** How far the data was read; what is left is the beginning of an element header. */
function parse(parser: Parser, data: Uint8Array): number {
  let at = 0
  while (at < data.length && !parser.stopped) {
    const inValue = parser.skipping > 0 || parser.collecting !== undefined
    const taken = inValue ? takeValue(parser, data, at) : readHeader(parser, data, at)
    if (taken === 0) break
    at += taken
  }
  return at
}

/** Takes what the present value still wants. */
function takeValue(parser: Parser, data: Uint8Array, at: number): number {
  const { collecting } = parser
  if (collecting === undefined) {
    const taken = Math.min(parser.skipping, data.length - at)
    parser.skipping -= taken
    parser.position += taken
    return taken
  }
  const { element, bytes, filled } = collecting
  const part = data.subarray(at, at + bytes.length - filled)
  bytes.set(part, filled)
  collecting.filled += part.length
  parser.position += part.length
  if (collecting.filled === bytes.length) {
    parser.collecting = undefined
    parser.events.value(element, bytes)
  }
  return part.length
}

/** Reads one header at `at`; the number of bytes it took, zero when more are needed. */
function readHeader(parser: Parser, data: Uint8Array, at: number): number {
  closeEnded(parser)
  const { level } = parser
  if (level.limit - parser.position < 8) {
    malformed('an element header does not fit into what encloses it')
  }
  if (data.length - at < 8) return 0
  const { bigEndian } = level.encoding
  const group = u16(data, at, bigEndian)
  const tag = ((group << 16) | u16(data, at + 2, bigEndian)) >>> 0
  if (group === itemGroup) return readDelimiter(parser, tag, u32(data, at + 4, bigEndian))
  if (level.kind !== 'elements') malformed('something other than an item in a sequence')
  return readElement(parser, tag, data.subarray(at, at + headerBytesMax))
}

function readDelimiter(parser: Parser, tag: number, length: number): number {
  const { level, events } = parser
  parser.position += 8
  if (tag === item && level.kind === 'items') {
    if (++parser.elements > instanceLimits.elementsMax) complex('too many items')
    if (length !== undefinedLength) checkFits(parser, length)
    open(parser, 'elements', length, level.encoding)
    events.itemBegins?.()
  } else if (tag === item && level.kind === 'fragments') {
    if (++parser.fragments > instanceLimits.fragmentsMax) complex('too many fragments')
    if (length === undefinedLength) malformed('a fragment without a length')
    checkFits(parser, length)
    events.fragment?.(parser.position, length)
    parser.skipping = length
  } else if (endsLevel(parser, tag)) {
    close(parser)
  } else {
    malformed(`a stray delimiter ${tagText(tag)}`)
  }
  return 8
}

function endsLevel({ level, levels }: Parser, tag: number): boolean {
  if (level.end !== Infinity || levels.length === 0) return false
  return tag === (level.kind === 'elements' ? itemEnd : sequenceEnd)
}

function readElement(parser: Parser, tag: number, data: Uint8Array): number {
  const { level } = parser
  const { explicit, bigEndian } = level.encoding
  const written = explicit ? vrOfBytes(data[4] ?? 0, data[5] ?? 0) : undefined
  if (explicit && written === undefined) malformed(`no value representation at ${tagText(tag)}`)
  const isLong = written !== undefined && hasLongLength(written)
  const headerBytes = isLong ? 12 : 8
  if (data.length < headerBytes) return 0
  const length =
    explicit && !isLong ? u16(data, 6, bigEndian) : u32(data, headerBytes - 4, bigEndian)
  const element = {
    tag,
    vr: written === undefined || written === 'UN' ? vrOfTag(tag) : written,
    offset: parser.position,
    valueOffset: parser.position + headerBytes,
    length,
    depth: parser.levels.length >> 1,
    // What is written as UN is implicit little-endian inside (PS3.5 §6.2.2).
    encoding: written === 'UN' ? implicitLittleEndian : level.encoding,
  }
  parser.position += headerBytes
  if (++parser.elements > instanceLimits.elementsMax) complex('too many elements')
  if (length === undefinedLength) beginUndefined(parser, element, written)
  else beginValue(parser, element)
  return headerBytes
}

function beginUndefined(parser: Parser, element: Element, written: string | undefined): void {
  const { tag, vr } = element
  if (tag === pixelData || written === 'OB' || written === 'OW') {
    if (parser.events.fragmentsBegin?.(element) === 'stop') parser.stopped = true
    else open(parser, 'fragments', undefinedLength, parser.level.encoding)
  } else if (vr === 'SQ' || written === undefined || written === 'UN') {
    beginSequence(parser, element)
  } else {
    malformed(`an undefined length of ${tagText(tag)}, which is no sequence`)
  }
}

function beginValue(parser: Parser, element: Element): void {
  const { vr, length, tag, depth, offset, valueOffset } = element
  checkFits(parser, length)
  const kind = kindOf(vr)
  if (kind === 'sequence') return beginSequence(parser, element)
  if (kind === 'text' && length > instanceLimits.textValueBytes) complex('a text is too long')
  const isPixels = tag === pixelData && depth === 0
  if (!isPixels && length > instanceLimits.binaryValueBytes) complex('a value is too long')
  parser.header +=
    valueOffset - offset + (kind === 'text' || length <= smallValueBytes ? length : 0)
  if (parser.header > instanceLimits.headerBytes) complex('the header is too long')
  const wish = parser.events.element(element)
  if (wish === 'stop') parser.stopped = true
  else if (wish === 'skip') parser.skipping = length
  else if (length === 0) parser.events.value(element, nothing)
  else parser.collecting = { element, bytes: Buffer.allocUnsafe(length), filled: 0 }
}

function beginSequence(parser: Parser, element: Element): void {
  if (element.depth + 1 > instanceLimits.depthMax) complex('sequences are nested too deeply')
  open(parser, 'items', element.length, element.encoding)
  parser.events.sequenceBegins?.(element)
}

function open(parser: Parser, kind: Level['kind'], length: number, encoding: Encoding): void {
  const end = length === undefinedLength ? Infinity : parser.position + length
  parser.levels.push(parser.level)
  parser.level = { kind, end, limit: Math.min(end, parser.level.limit), encoding }
}

function close(parser: Parser): void {
  const { kind } = parser.level
  parser.level = parser.levels.pop() ?? parser.level
  if (kind === 'elements') parser.events.itemEnds?.()
  if (kind === 'items') parser.events.sequenceEnds?.()
}

function closeEnded(parser: Parser): void {
  while (parser.level.end === parser.position) close(parser)
}

function checkFits({ position, level }: Parser, length: number): void {
  if (position + length > level.limit) malformed('a length passes the end of what encloses it')
  if (length > instanceLimits.instanceBytes) complex('a length passes the limit of an instance')
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}

function u16(data: Uint8Array, at: number, bigEndian: boolean): number {
  const first = data[at] ?? 0
  const second = data[at + 1] ?? 0
  return bigEndian ? (first << 8) | second : (second << 8) | first
}

function u32(data: Uint8Array, at: number, bigEndian: boolean): number {
  const high = u16(data, bigEndian ? at : at + 2, bigEndian)
  const low = u16(data, bigEndian ? at + 2 : at, bigEndian)
  return ((high << 16) | low) >>> 0
}

function malformed(what: string): never {
  throw new ProtocolError('instance_malformed', what)
}

function complex(what: string): never {
  throw new ProtocolError('instance_too_complex', what)
}
