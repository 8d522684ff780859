import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { mediaLimits } from '#protocol/limits.ts'
import { createElementParser, type Element } from '../dicom/element-parser.ts'
import { completed, readFileMeta } from '../dicom/part10.ts'
import { encodingOf, isDeflated } from '../dicom/transfer-syntax.ts'

/** A directory record that refers to a file (PS3.3 §F.3.2.2). */
export type DirectoryRecord = {
  /** Components of Referenced File ID as written. */
  fileId: string[]
  /** Record In-use Flag 0: whoever made the medium withdrew it. */
  isInactive: boolean
}

const directoryRecords = 0x00041220
const inUseFlag = 0x00041410
const referencedFileId = 0x00041500

/**
 * The files that a DICOMDIR names. Records are read where they lie, one after the other: their offsets, which may point
 * anywhere or round in circles, are not followed. `problem`: why the reading ended before the directory did.
 */
export function readDirectory(bytes: Uint8Array): {
  records: DirectoryRecord[]
  problem?: ErrorCode
} {
  const meta = completed(readFileMeta(bytes, true) ?? notDirectory(), bytes)
  if (isDeflated(meta.transferSyntax)) notDirectory()
  const records: DirectoryRecord[] = []
  const encoding = encodingOf(meta.transferSyntax)
  let record: DirectoryRecord | undefined
  let inRecords = false
  let depth = 0
  const parser = createElementParser(encoding, {
    sequenceBegins({ tag }: Element) {
      if (depth++ === 0) inRecords = tag === directoryRecords
    },
    sequenceEnds() {
      if (--depth === 0) inRecords = false
    },
    itemBegins() {
      if (inRecords && depth === 1) record = { fileId: [], isInactive: false }
    },
    itemEnds() {
      if (!inRecords || depth !== 1 || record === undefined) return
      if (record.fileId.length > 0) records.push(record)
      if (records.length > mediaLimits.filesMax) {
        throw new ProtocolError('too_large', 'the directory has too many records')
      }
      record = undefined
    },
    element: ({ tag, length }) =>
      inRecords && depth === 1 && length <= valueBytesMax && wanted.has(tag) ? 'collect' : 'skip',
    value({ tag }, value) {
      if (record === undefined) return
      if (tag === referencedFileId) record.fileId = fileIdOf(value)
      else record.isInactive = isZero(value)
    },
  })
  try {
    parser.write(bytes.subarray(meta.dataSetOffset))
    parser.end()
    return { records }
  } catch (error) {
    const problem = codeOf(error)
    if (problem === 'internal') throw error
    if (record !== undefined && record.fileId.length > 0) records.push(record)
    return { records, problem }
  }
}

const wanted = new Set([inUseFlag, referencedFileId])
const valueBytesMax = 1024

/** In-use values are 0 and FFFF (PS3.3 §F.3.2.2). */
const isZero = (value: Uint8Array): boolean =>
  value.length === 2 && value.every((byte) => byte === 0)

/** Up to 8 components of up to 8 characters (PS3.10 §8.2); writers go beyond both. */
const fileIdOf = (value: Uint8Array): string[] =>
  Buffer.from(value)
    .toString('latin1')
    .replaceAll('\0', ' ')
    .split('\\')
    .map((part) => part.trim())
    .filter((part) => part !== '')

function notDirectory(): never {
  throw new ProtocolError('instance_malformed', 'this is no DICOMDIR')
}
