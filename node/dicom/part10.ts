import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { RandomAccess } from './data-set.ts'
import { createElementParser, type Element } from './element-parser.ts'
import { createInflater } from './inflate.ts'
import { deflatedPieces } from './inflate-turns.ts'
import { encodingOf, isDeflated, isUid, transferSyntaxes } from './transfer-syntax.ts'
import { hasLongLength, vrOfBytes } from './value-representation.ts'

/** What the file says of the data set in it (PS3.10 §7.1). */
export type FileMeta = { sopClass: string; sopUid: string; transferSyntax: string }
export type Part10File = FileMeta & { dataSet: Uint8Array }

const preambleBytes = 128
const metaGroup = 2

/**
 * Reads a DICOM file as devices and media really write it: the preamble, the whole meta header, or a part of it may be
 * missing, and its group length may be wrong. Throws `instance_malformed` for what is no DICOM file.
 */
export function readPart10File(bytes: Uint8Array): Part10File {
  const { dataSetOffset, ...meta } = completed(readFileMeta(bytes, true) ?? notDicom(), bytes)
  return { ...meta, dataSet: bytes.subarray(dataSetOffset) }
}

/** The same for a file that is too large to be held; only its beginning is read. */
export async function openPart10(
  file: RandomAccess,
): Promise<FileMeta & { dataSetOffset: number; dataSet: RandomAccess }> {
  const length = Math.min(file.bytes, instanceLimits.fileMetaBytes)
  const head = await file.read(0, length)
  const found = completed(readFileMeta(head, true) ?? notDicom(), head)
  const { dataSetOffset } = found
  return {
    ...found,
    dataSet: {
      bytes: file.bytes - dataSetOffset,
      read: (offset, length) => file.read(dataSetOffset + offset, length),
    },
  }
}

/** Preamble and meta header that the node writes before a data set it hands out (PS3.10 §7.1). */
export function createPart10Header({ sopClass, sopUid, transferSyntax }: FileMeta): Uint8Array {
  const elements = Buffer.concat([
    metaElement(0x01, 'OB', Buffer.from([0, 1])),
    metaElement(0x02, 'UI', uidBytes(sopClass)),
    metaElement(0x03, 'UI', uidBytes(sopUid)),
    metaElement(0x10, 'UI', uidBytes(transferSyntax)),
    metaElement(0x12, 'UI', uidBytes(implementation.classUid)),
    metaElement(0x13, 'SH', Buffer.from(implementation.version)),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(elements.length)
  // A preamble of zeros: what a file brought along is never handed on (CVE-2019-11687).
  return Buffer.concat([
    Buffer.alloc(preambleBytes),
    Buffer.from('DICM'),
    metaElement(0x00, 'UL', length),
    elements,
  ])
}

/** How this software names itself (PS3.7 §D.3.3.2); the UID is derived from a UUID, PS3.5 §B.2. */
export const implementation = {
  classUid: '2.25.170852815999836274614536907026003032909',
  version: 'CAMI_0_1',
} as const

/** The meta header's part that was found, and where the data set begins. Empty texts were not found. */
export type FoundMeta = FileMeta & { dataSetOffset: number }

/**
 * Looks for a meta header in the beginning of a file. `undefined`: the beginning is too short to tell, unless
 * `isWhole` says that there is no more.
 */
export function readFileMeta(bytes: Uint8Array, isWhole: boolean): FoundMeta | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < preambleBytes + 4 && !isWhole) return undefined
  const hasPreamble = view.toString('latin1', preambleBytes, preambleBytes + 4) === 'DICM'
  const found: FoundMeta = { sopClass: '', sopUid: '', transferSyntax: '', dataSetOffset: 0 }
  let at = hasPreamble ? preambleBytes + 4 : 0
  for (;;) {
    if (view.length - at < 8) {
      if (!isWhole) return undefined
      if (at > 0) notDicom('the file ends within its header')
      break
    }
    if (view.readUInt16LE(at) !== metaGroup) break
    const next = readMetaElement(view, at, found)
    if (next > instanceLimits.fileMetaBytes) notDicom('the header of the file is too long')
    if (next > view.length) {
      if (!isWhole) return undefined
      notDicom('the file ends within its header')
    }
    at = next
  }
  return { ...found, dataSetOffset: at }
}

const fields: Record<number, 'sopClass' | 'sopUid' | 'transferSyntax'> = {
  0x02: 'sopClass',
  0x03: 'sopUid',
  0x10: 'transferSyntax',
}

/** Where the next element begins. Meta headers in Implicit VR occur although none should (PS3.10 §7.1). */
function readMetaElement(view: Buffer, at: number, found: FoundMeta): number {
  const vr = vrOfBytes(view[at + 4] ?? 0, view[at + 5] ?? 0)
  const isLong = vr !== undefined && hasLongLength(vr)
  if (isLong && view.length - at < 12) return at + 12
  const value = at + (isLong ? 12 : 8)
  const length =
    vr === undefined || isLong ? view.readUInt32LE(value - 4) : view.readUInt16LE(at + 6)
  const field = fields[view.readUInt16LE(at + 2)]
  if (field !== undefined) found[field] = uidText(view.subarray(value, value + length))
  return value + length
}

/** Fills what the meta header does not say from the data set itself. */
export function completed(found: FoundMeta, bytes: Uint8Array): FoundMeta {
  const dataSet = bytes.subarray(found.dataSetOffset)
  const transferSyntax = found.transferSyntax || guessedSyntax(dataSet)
  if (!isUid(transferSyntax)) notDicom('the transfer syntax is no UID')
  if (found.sopClass !== '' && found.sopUid !== '') return { ...found, transferSyntax }
  const ids = idsOf(dataSet, transferSyntax)
  return {
    ...found,
    transferSyntax,
    sopClass: found.sopClass || ids.sopClass,
    sopUid: found.sopUid || ids.sopUid,
  }
}

/** Without a meta header the first element tells: a group below 0x0100 has a zero byte in front if big-endian. */
function guessedSyntax(dataSet: Uint8Array): string {
  const [first = 0, second = 0, , , vr0 = 0, vr1 = 0] = dataSet
  if (dataSet.length < 8) notDicom()
  const explicit = vrOfBytes(vr0, vr1) !== undefined
  if (explicit && first === 0 && second !== 0) return transferSyntaxes.explicitBigEndian
  if (second !== 0 || first === 0) notDicom()
  return explicit ? transferSyntaxes.explicitLittleEndian : transferSyntaxes.implicitLittleEndian
}

function idsOf(dataSet: Uint8Array, transferSyntax: string): { sopClass: string; sopUid: string } {
  const ids = { sopClass: '', sopUid: '' }
  const parser = createElementParser(encodingOf(transferSyntax), {
    element({ tag, length, depth }: Element) {
      if (depth === 0 && tag > 0x00080018) return 'stop'
      return depth === 0 && (tag === 0x00080016 || tag === 0x00080018) && length <= 64
        ? 'collect'
        : 'skip'
    },
    value({ tag }, value) {
      ids[tag === 0x00080016 ? 'sopClass' : 'sopUid'] = uidText(value)
    },
  })
  const { fileMetaBytes } = instanceLimits
  const head = dataSet.subarray(0, fileMetaBytes)
  if (isDeflated(transferSyntax)) writeInflated(head)
  else parser.write(head)
  return ids

  /** No more of it than of one that is not deflated. */
  function writeInflated(deflated: Uint8Array): void {
    let bytes = 0
    const inflater = createInflater((part) => {
      bytes += part.length
      parser.write(part)
    })
    for (const piece of deflatedPieces(deflated)) {
      if (parser.stopped || bytes > fileMetaBytes) break
      inflater.write(piece)
    }
  }
}

const uidText = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('latin1').replaceAll('\0', '').trim()

const uidBytes = (uid: string): Buffer => Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`)

function metaElement(element: number, vr: string, value: Buffer): Buffer {
  const isLong = hasLongLength(vr)
  const head = Buffer.alloc(isLong ? 12 : 8)
  head.writeUInt16LE(metaGroup, 0)
  head.writeUInt16LE(element, 2)
  head.write(vr, 4, 'latin1')
  if (isLong) head.writeUInt32LE(value.length, 8)
  else head.writeUInt16LE(value.length, 6)
  return Buffer.concat([head, value])
}

function notDicom(why = 'this is no DICOM file'): never {
  throw new ProtocolError('instance_malformed', why)
}
