import { crc32c } from './crc32c.ts'

/** LevelDB's log format, used by its write-ahead logs and by its MANIFEST: blocks of 32 KiB, records never cross one. */
const blockBytes = 32_768
const headerBytes = 7

export type LogContent = {
  records: Buffer[]
  /** Where something is wrong that a later block follows: LevelDB would leave out records from the middle in silence. */
  isDamaged: boolean
  /** The end is cut off or wrong, as after a crash. */
  isTorn: boolean
}

const kinds = { zero: 0, full: 1, first: 2, middle: 3, last: 4 } as const

/** Reads the records of a log as LevelDB does, but tells what is wrong. */
export function readLevelLog(file: Buffer): LogContent {
  const content: LogContent = { records: [], isDamaged: false, isTorn: false }
  let parts: Buffer[] = []
  for (let start = 0; start < file.byteLength; start += blockBytes) {
    // Whatever was wrong before, the log went on behind it.
    if (content.isTorn) content.isDamaged = true
    const block = file.subarray(start, start + blockBytes)
    for (let at = 0; at + headerBytes <= block.byteLength;) {
      const length = block.readUInt16LE(at + 4)
      const kind = block[at + 6] ?? 0
      const end = at + headerBytes + length
      if (kind === kinds.zero && length === 0) break
      if (
        end > block.byteLength ||
        block.readUInt32LE(at) !== crc32c(block.subarray(at + 6, end))
      ) {
        content.isTorn = true
        parts = []
        break
      }
      const data = block.subarray(at + headerBytes, end)
      if (kind === kinds.full || kind === kinds.first) parts = []
      parts.push(data)
      if (kind === kinds.full || kind === kinds.last) content.records.push(Buffer.concat(parts))
      at = end
    }
  }
  return content
}

/** What a MANIFEST says: the tables that are alive with their sizes, and the oldest log that is needed. */
export type LevelVersion = { tables: Map<number, number>; log: number }

const tags = {
  comparator: 1,
  log: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deleted: 6,
  added: 7,
  previousLog: 9,
}

/** Replays the edits of a MANIFEST. Throws a RangeError when one has another form. */
export function readVersion(records: readonly Buffer[]): LevelVersion {
  const version: LevelVersion = { tables: new Map(), log: 0 }
  for (const record of records) applyEdit(version, createVarintReader(record))
  return version
}

function applyEdit(version: LevelVersion, edit: VarintReader): void {
  while (!edit.isAtEnd()) {
    switch (edit.number()) {
      case tags.comparator:
        edit.text()
        break
      case tags.log:
        version.log = edit.number()
        break
      case tags.nextFile:
      case tags.lastSequence:
      case tags.previousLog:
        edit.number()
        break
      case tags.compactPointer:
        edit.number()
        edit.text()
        break
      case tags.deleted:
        edit.number()
        version.tables.delete(edit.number())
        break
      case tags.added: {
        edit.number()
        const table = edit.number()
        version.tables.set(table, edit.number())
        edit.text()
        edit.text()
        break
      }
      default:
        throw new RangeError('an unknown field in a MANIFEST')
    }
  }
}

export type VarintReader = {
  isAtEnd(): boolean
  number(): number
  /** Bytes with their length before them. */
  text(): Buffer
  skip(length: number): Buffer
}

export function createVarintReader(bytes: Buffer): VarintReader {
  let at = 0
  function number(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined || scale > 2 ** 49) throw new RangeError('a number is cut off')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  function skip(length: number): Buffer {
    const skipped = bytes.subarray(at, at + length)
    if (skipped.byteLength < length) throw new RangeError('a text is cut off')
    at += length
    return skipped
  }
  return {
    isAtEnd: () => at >= bytes.byteLength,
    number,
    text: () => skip(number()),
    skip,
  }
}
