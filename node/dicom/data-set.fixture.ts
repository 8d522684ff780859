import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Writes small data sets for tests, well-formed or not: nothing is checked. */
export type Written = { explicit: boolean; bigEndian: boolean }
export const explicitLittle: Written = { explicit: true, bigEndian: false }

const longVrs = new Set('OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' '))

export function element(
  tag: string,
  vr: string,
  value: string | number[] | Uint8Array,
  { length, as = explicitLittle }: { length?: number; as?: Written } = {},
): Buffer {
  const body = Buffer.from(
    typeof value === 'string' ? Buffer.from(padded(value, vr), 'utf8') : value,
  )
  const size = length ?? body.length
  const isLong = longVrs.has(vr)
  const head = Buffer.alloc(as.explicit && isLong ? 12 : 8)
  const u16 = (number: number, at: number) =>
    as.bigEndian ? head.writeUInt16BE(number, at) : head.writeUInt16LE(number, at)
  const u32 = (number: number, at: number) =>
    as.bigEndian ? head.writeUInt32BE(number, at) : head.writeUInt32LE(number, at)
  u16(Number.parseInt(tag.slice(0, 4), 16), 0)
  u16(Number.parseInt(tag.slice(4), 16), 2)
  if (as.explicit) head.write(vr, 4, 'latin1')
  if (as.explicit && !isLong) u16(size, 6)
  else u32(size, head.length - 4)
  return Buffer.concat([head, body])
}

function padded(value: string, vr: string): string {
  if (Buffer.byteLength(value) % 2 === 0) return value
  return value + (vr === 'UI' ? '\0' : ' ')
}

export const undefinedLength = 0xffff_ffff
const delimiter = (tag: string, length = 0): Buffer =>
  element(tag, '', [], { length, as: { explicit: false, bigEndian: false } })

export const item = (content: Buffer): Buffer =>
  Buffer.concat([delimiter('FFFEE000', content.length), content])
export const openItem = (content: Buffer): Buffer =>
  Buffer.concat([delimiter('FFFEE000', undefinedLength), content, delimiter('FFFEE00D')])
export const sequence = (tag: string, items: Buffer[], vr = 'SQ'): Buffer =>
  element(tag, vr, Buffer.concat(items))
export const openSequence = (tag: string, items: Buffer[], vr = 'SQ'): Buffer =>
  Buffer.concat([
    element(tag, vr, [], { length: undefinedLength }),
    ...items,
    delimiter('FFFEE0DD'),
  ])
export const fragments = (parts: (Buffer | number[])[]): Buffer =>
  openSequence(
    '7FE00010',
    parts.map((part) => item(Buffer.from(part))),
    'OB',
  )

/** An image of sixteen-bit pixels with the ids that an archive asks for. */
export function image({ frames = 1, side = 8 } = {}): Buffer {
  const pixels = Buffer.from(Array.from({ length: frames * side * side * 2 }, (_, at) => at % 251))
  return Buffer.concat([
    element('00080005', 'CS', 'ISO_IR 192'),
    element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    element('00080018', 'UI', '1.2.3.4'),
    element('00080020', 'DA', '20260102'),
    element('00080060', 'CS', 'CT'),
    element('00100010', 'PN', 'Иванов^Пётр'),
    element('00100020', 'LO', '42'),
    element('0020000D', 'UI', '1.2.3'),
    element('0020000E', 'UI', '1.2.3.1'),
    element('00280002', 'US', [1, 0]),
    element('00280004', 'CS', 'MONOCHROME2'),
    element('00280008', 'IS', String(frames)),
    element('00280010', 'US', [side, 0]),
    element('00280011', 'US', [side, 0]),
    element('00280100', 'US', [16, 0]),
    element('00280101', 'US', [16, 0]),
    element('00280102', 'US', [15, 0]),
    element('00280103', 'US', [0, 0]),
    element('7FE00010', 'OW', pixels),
  ])
}

/** Repeatable numbers from 0 to 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const corpusRoot = process.env['CAMI_CORPUS'] ?? path.resolve('../shared/data')

/** Reason to skip tests that need the real files. */
export const noCorpus = existsSync(path.join(corpusRoot, 'MANIFEST.tsv'))
  ? false
  : 'the corpus of real files is absent'

export const corpusPath = (file: string): string => path.join(corpusRoot, file)
export const corpusFile = (file: string): Buffer => readFileSync(corpusPath(file))

/** Paths of every DICOM file of the corpus. */
export function corpusFiles(): string[] {
  return readdirSync(corpusRoot, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(md|tsv)$/.test(entry.name))
    .map((entry) => path.relative(corpusRoot, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith('licenses'))
    .toSorted()
}
