/** A media type with its parameters, names in lower case, quotes removed (RFC 9110 §8.3.1). */
export type MediaType = { type: string; parameters: ReadonlyMap<string, string> }
export type MediaRange = MediaType & { quality: number }

/** Values may be quoted or, as many clients write them against the grammar, not (`type=application/dicom`). */
export function parseMediaType(text: string): MediaType {
  const [type = '', ...rest] = split(text, ';')
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const equals = parameter.indexOf('=')
    if (equals < 0) continue
    const name = parameter.slice(0, equals).trim().toLowerCase()
    parameters.set(name, unquoted(parameter.slice(equals + 1).trim()))
  }
  return { type: type.trim().toLowerCase(), parameters }
}

const rangesMax = 64

/** What a client accepts, best first; an absent header accepts everything. */
export function parseAccept(header: string | undefined): MediaRange[] {
  const text = header === undefined || header.trim() === '' ? '*/*' : header
  return split(text, ',')
    .slice(0, rangesMax)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const range = parseMediaType(part)
      const quality = Number(range.parameters.get('q') ?? 1)
      return { ...range, quality: Number.isFinite(quality) ? quality : 1 }
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((one, other) => other.quality - one.quality)
}

/** Whether a range, such as `image/*`, covers a type. */
export const covers = (range: string, type: string): boolean =>
  range === type || range === '*/*' || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)))

const unquoted = (value: string): string =>
  value.startsWith('"') ? value.replaceAll(/^"|"$/g, '').replaceAll(/\\(.)/g, '$1') : value

/** Splits where no quotation is open. */
function split(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (isQuoted && char === '\\') at++
    else if (char === '"') isQuoted = !isQuoted
    else if (char === separator && !isQuoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}
