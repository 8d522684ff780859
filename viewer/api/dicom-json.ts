/**
 * Reading the DICOM JSON model (PS3.18 Annex F). Attributes are named by their eight-digit tags, and every reader here
 * returns `undefined` for what is absent or of another shape: a modality's oddity must not take the page down.
 */
export type Attributes = { readonly [tag: string]: Attribute | undefined }
export type Attribute = {
  readonly vr?: string
  readonly Value?: readonly unknown[]
  readonly InlineBinary?: string
  readonly BulkDataURI?: string
}

export function isAttributes(value: unknown): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first value as text; numbers are written out. */
export function textOf(attributes: Attributes | undefined, tag: string): string | undefined {
  const value = attributes?.[tag]?.Value?.[0]
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : undefined
}

export function textsOf(attributes: Attributes | undefined, tag: string): string[] {
  const values = attributes?.[tag]?.Value ?? []
  return values.filter((value) => typeof value === 'string')
}

/** The first value as a number; decimal strings may come as text (PS3.18 F.2.3.1). */
export function numberOf(attributes: Attributes | undefined, tag: string): number | undefined {
  return numbersOf(attributes, tag)?.[0]
}

/** All values as numbers, or nothing when one of them is not a number. */
export function numbersOf(attributes: Attributes | undefined, tag: string): number[] | undefined {
  const values = attributes?.[tag]?.Value
  if (values === undefined || values.length === 0) return undefined
  const numbers = values.map((value) =>
    typeof value === 'string' && value.trim() !== '' ? Number(value) : value,
  )
  return numbers.every((value) => typeof value === 'number' && Number.isFinite(value))
    ? (numbers as number[])
    : undefined
}

/** An item of a sequence, the first by default. */
export function itemOf(
  attributes: Attributes | undefined,
  tag: string,
  index = 0,
): Attributes | undefined {
  const item = attributes?.[tag]?.Value?.[index]
  return isAttributes(item) ? item : undefined
}

export function itemsOf(attributes: Attributes | undefined, tag: string): Attributes[] {
  return (attributes?.[tag]?.Value ?? []).filter(isAttributes)
}

/** A person name as people read it: the alphabetic group, components separated by spaces. */
export function personOf(attributes: Attributes | undefined, tag: string): string {
  const value = attributes?.[tag]?.Value?.[0]
  const group =
    typeof value === 'string'
      ? value.split('=')[0]
      : isAttributes(value)
        ? Object.values(value).find((part) => typeof part === 'string')
        : undefined
  return readableName(typeof group === 'string' ? group : '')
}

export function readableName(name: string): string {
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = name.split('^')
  return [prefix, family, given, middle, suffix]
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(' ')
}

/** Bytes of an inline binary value (PS3.18 F.2.7); a bulk data reference has none here. */
export function bytesOf(attributes: Attributes | undefined, tag: string): Uint8Array | undefined {
  const inline = attributes?.[tag]?.InlineBinary
  if (inline === undefined) return undefined
  const text = atob(inline)
  return Uint8Array.from(text, (char) => char.codePointAt(0) ?? 0)
}
