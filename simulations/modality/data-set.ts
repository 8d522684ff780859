import type { StoreItem } from '../../node/dimse/scu.ts'

/**
 * Writes the data sets of the synthetic modalities: Explicit VR Little Endian (PS3.5 §7.1.2), text in UTF-8. It is apart
 * from the product's own reading code on purpose, so that one checks the other.
 */
export type Value =
  | string
  | number
  | readonly (string | number)[]
  | Uint8Array
  | readonly Elements[]
export type Elements = { readonly [tag: string]: readonly [vr: string, value: Value] }

export const explicitLittleEndian = '1.2.840.10008.1.2.1'

const longForm = new Set(['OB', 'OW', 'SQ', 'UN', 'UT', 'UC', 'UR', 'OF', 'OD', 'OL', 'OV'])
const numbers: Record<
  string,
  { bytes: number; put: (to: Buffer, value: number, at: number) => void }
> = {
  US: { bytes: 2, put: (to, value, at) => to.writeUInt16LE(value, at) },
  SS: { bytes: 2, put: (to, value, at) => to.writeInt16LE(value, at) },
  UL: { bytes: 4, put: (to, value, at) => to.writeUInt32LE(value, at) },
  SL: { bytes: 4, put: (to, value, at) => to.writeInt32LE(value, at) },
  FL: { bytes: 4, put: (to, value, at) => to.writeFloatLE(value, at) },
  FD: { bytes: 8, put: (to, value, at) => to.writeDoubleLE(value, at) },
}

/** Elements in ascending order of their eight-digit tags, whatever the order they are given in. */
export function encodeDataSet(elements: Elements): Uint8Array {
  const parts: Uint8Array[] = []
  for (const tag of Object.keys(elements).sort()) {
    const element = elements[tag]
    if (element !== undefined) parts.push(...encodeElement(tag, ...element))
  }
  return Buffer.concat(parts)
}

function encodeElement(tag: string, vr: string, value: Value): Uint8Array[] {
  const body = bodyOf(vr, value)
  const head = Buffer.alloc(longForm.has(vr) ? 12 : 8)
  head.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0)
  head.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2)
  head.write(vr, 4, 'latin1')
  if (longForm.has(vr)) head.writeUInt32LE(body.byteLength, 8)
  else if (body.byteLength < 0xffff) head.writeUInt16LE(body.byteLength, 6)
  else throw new Error(`${tag} ${vr} is too long for its form`)
  return [head, body]
}

function bodyOf(vr: string, value: Value): Uint8Array {
  if (value instanceof Uint8Array) return value.byteLength % 2 === 0 ? value : padded(value, 0)
  const values = typeof value === 'string' || typeof value === 'number' ? [value] : value
  if (vr === 'SQ') return Buffer.concat(values.flatMap((item) => encodeItem(item as Elements)))
  const number = numbers[vr]
  if (number !== undefined) {
    const body = Buffer.alloc(values.length * number.bytes)
    values.forEach((entry, index) => number.put(body, Number(entry), index * number.bytes))
    return body
  }
  const text = Buffer.from((values as readonly (string | number)[]).join('\\'), 'utf8')
  return text.byteLength % 2 === 0 ? text : padded(text, vr === 'UI' ? 0 : 0x20)
}

function encodeItem(item: Elements): Uint8Array[] {
  const body = encodeDataSet(item)
  const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0])
  head.writeUInt32LE(body.byteLength, 4)
  return [head, body]
}

const padded = (bytes: Uint8Array, with_: number) => Buffer.concat([bytes, Buffer.from([with_])])

/** An instance ready to be sent. */
export function storeItem(elements: Elements): StoreItem {
  const uid = (tag: string): string => {
    const value = elements[tag]?.[1]
    return typeof value === 'string' ? value : ''
  }
  return {
    sopClass: uid('00080016'),
    sopUid: uid('00080018'),
    transferSyntax: explicitLittleEndian,
    dataSet: encodeDataSet(elements),
  }
}
