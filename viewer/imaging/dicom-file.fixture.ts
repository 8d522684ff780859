import { existsSync, readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'
import path from 'node:path'
import type { PixelFormat } from '#pixels/pixel-format.ts'

/** A small reader of image files for tests of the decoders: the top level, the pixel format and the frames. */
export type ImageFile = {
  transferSyntax: string
  format: PixelFormat
  frames: Uint8Array<ArrayBuffer>[]
}

const root = process.env['CAMI_CORPUS'] ?? '../shared/data'

/** Where a file of the corpus is, or why the test cannot run. */
export function corpus(name: string): { file: string; skip: string | false } {
  const file = path.join(root, name)
  return { file, skip: existsSync(file) ? false : `the corpus is not here: ${file}` }
}

const longForms = new Set([
  'OB',
  'OD',
  'OF',
  'OL',
  'OV',
  'OW',
  'SQ',
  'UC',
  'UN',
  'UR',
  'UT',
  'SV',
  'UV',
])

type Reading = { view: DataView<ArrayBuffer>; explicit: boolean; little: boolean }
type Found = { tag: string; start: number; length: number }

export function readImage(file: string): ImageFile {
  const bytes = Uint8Array.from(readFileSync(file))
  const meta = { view: new DataView(bytes.buffer), explicit: true, little: true }
  const group2 = elements(meta, 132, (tag) => !tag.startsWith('0002'))
  const uid = group2.get('00020010')
  const transferSyntax =
    uid === undefined ? '1.2.840.10008.1.2' : text(bytes, uid).replaceAll('\0', '').trim()
  const start = Math.max(132, ...[...group2.values()].map((one) => one.start + one.length))
  const body = dataSet(bytes.slice(start), transferSyntax)
  const found = elements(body, 0, () => false)
  const number = (tag: string, otherwise: number) => {
    const element = found.get(tag)
    return element === undefined ? otherwise : body.view.getUint16(element.start, body.little)
  }
  const photometric = found.get('00280004')
  const count = found.get('00280008')
  const whole = new Uint8Array(body.view.buffer)
  const format: PixelFormat = {
    rows: number('00280010', 0),
    columns: number('00280011', 0),
    samples: number('00280002', 1),
    bitsAllocated: number('00280100', 16),
    bitsStored: number('00280101', 16),
    signed: number('00280103', 0) === 1,
    planar: number('00280006', 0) === 1,
    photometric: photometric === undefined ? 'MONOCHROME2' : text(whole, photometric).trim(),
  }
  const frames = count === undefined ? 1 : Number(text(whole, count).trim())
  const pixels = found.get('7FE00010')
  if (pixels === undefined) throw new Error(`${file} has no pixels`)
  return { transferSyntax, format, frames: framesOf(body, pixels, { format, frames }) }
}

function dataSet(bytes: Uint8Array<ArrayBuffer>, transferSyntax: string): Reading {
  const isDeflated = transferSyntax === '1.2.840.10008.1.2.1.99'
  const plain = isDeflated ? Uint8Array.from(inflateRawSync(bytes)) : bytes
  return {
    view: new DataView(plain.buffer),
    explicit: transferSyntax !== '1.2.840.10008.1.2',
    little: transferSyntax !== '1.2.840.10008.1.2.2',
  }
}

/** Elements of the top level; sequences are stepped over. */
function elements(reading: Reading, from: number, stop: (tag: string) => boolean) {
  const found = new Map<string, Found>()
  for (let at = from; at + 8 <= reading.view.byteLength;) {
    const element = elementAt(reading, at)
    if (stop(element.tag)) break
    found.set(element.tag, element)
    at =
      element.length === 0xffffffff
        ? afterUndefined(reading, element.start)
        : element.start + element.length
  }
  return found
}

function elementAt({ view, explicit, little }: Reading, at: number): Found {
  const hex = (offset: number) => view.getUint16(offset, little).toString(16).padStart(4, '0')
  const tag = (hex(at) + hex(at + 2)).toUpperCase()
  const isItem = tag.startsWith('FFFE')
  if (!explicit || isItem) return { tag, start: at + 8, length: view.getUint32(at + 4, little) }
  const vr = String.fromCodePoint(view.getUint8(at + 4), view.getUint8(at + 5))
  return longForms.has(vr)
    ? { tag, start: at + 12, length: view.getUint32(at + 8, little) }
    : { tag, start: at + 8, length: view.getUint16(at + 6, little) }
}

/** Behind a value of undefined length: its delimiter closes it, and items may be of undefined length too. */
function afterUndefined(reading: Reading, from: number): number {
  for (let at = from; ;) {
    const element = elementAt(reading, at)
    if (element.tag === 'FFFEE0DD' || element.tag === 'FFFEE00D') return element.start
    at =
      element.length === 0xffffffff
        ? afterUndefined(reading, element.start)
        : element.start + element.length
  }
}

function framesOf(
  reading: Reading,
  pixels: Found,
  { format, frames }: { format: PixelFormat; frames: number },
): Uint8Array<ArrayBuffer>[] {
  const bytes = new Uint8Array(reading.view.buffer)
  if (pixels.length !== 0xffffffff) {
    const { rows, columns, samples, bitsAllocated, photometric } = format
    const perPixel = photometric === 'YBR_FULL_422' ? 2 : samples
    const size = Math.ceil((rows * columns * perPixel * bitsAllocated) / 8)
    return Array.from({ length: frames }, (_, index) =>
      bytes.slice(pixels.start + index * size, pixels.start + (index + 1) * size),
    )
  }
  const [table, ...fragments] = items(reading, pixels.start)
  if (frames === fragments.length) return fragments.map((one) => cut(bytes, [one]))
  const starts = table === undefined ? [] : offsets(reading, table)
  const first = fragments[0]?.start ?? 0
  return Array.from({ length: frames }, (_, index) => {
    const from = starts[index] ?? 0
    const to = starts[index + 1] ?? Number.POSITIVE_INFINITY
    return cut(
      bytes,
      fragments.filter(({ start }) => start - first >= from && start - first < to),
    )
  })
}

function items(reading: Reading, from: number): Found[] {
  const found: Found[] = []
  for (let at = from; ;) {
    const item = elementAt(reading, at)
    if (item.tag !== 'FFFEE000') return found
    found.push(item)
    at = item.start + item.length
  }
}

const offsets = ({ view }: Reading, { start, length }: Found) =>
  Array.from({ length: length / 4 }, (_, index) => view.getUint32(start + index * 4, true))

const cut = (bytes: Uint8Array, parts: readonly Found[]) =>
  Uint8Array.from(
    Buffer.concat(parts.map(({ start, length }) => bytes.slice(start, start + length))),
  )

const text = (bytes: Uint8Array, { start, length }: Found) =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
