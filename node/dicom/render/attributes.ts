import type { DicomJson, DicomJsonValue } from '../dicom-json.ts'

/** Readers of the DICOM JSON model that give nothing for what is absent or of another shape. */
type Attributes = DicomJson | undefined

export function textOf(attributes: Attributes, tag: string): string | undefined {
  const value = attributes?.[tag]?.Value?.[0]
  return typeof value === 'string' ? value : undefined
}

export const numberOf = (attributes: Attributes, tag: string): number | undefined =>
  numbersOf(attributes, tag)?.[0]

/** All values as numbers, or nothing when one of them is none; decimal strings may have stayed text. */
export function numbersOf(attributes: Attributes, tag: string): number[] | undefined {
  const values = attributes?.[tag]?.Value
  if (values === undefined || values.length === 0) return undefined
  const numbers = values.map((value) =>
    typeof value === 'string' && value.trim() !== '' ? Number(value) : value,
  )
  return numbers.every((value) => typeof value === 'number' && Number.isFinite(value))
    ? (numbers as number[])
    : undefined
}

export function itemOf(attributes: Attributes, tag: string, index = 0): DicomJson | undefined {
  const item = attributes?.[tag]?.Value?.[index]
  return isItem(item) ? item : undefined
}

export const itemsOf = (attributes: Attributes, tag: string): DicomJson[] =>
  (attributes?.[tag]?.Value ?? []).filter(isItem)

const isItem = (value: DicomJsonValue | undefined): value is DicomJson =>
  typeof value === 'object' && value !== null

/** Bytes of an inline binary value (PS3.18 §F.2.7). */
export function bytesOf(attributes: Attributes, tag: string): Uint8Array | undefined {
  const inline = attributes?.[tag]?.InlineBinary
  return inline === undefined ? undefined : Buffer.from(inline, 'base64')
}
