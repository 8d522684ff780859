import type { DicomJson, DicomJsonElement, DicomJsonValue, PersonName } from './dicom-json.ts'
import { keywordOf } from './dictionary.ts'

const textsBytes = 64 * 1024

/**
 * A data set as XML in the Native DICOM Model (PS3.19 §A.1), from what the JSON model holds of it: the two differ in
 * form alone. In pieces, so that no large one is written in one go.
 */
export function* nativeModel(attributes: DicomJson): Generator<string> {
  let text =
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'
  for (const part of elements(attributes)) {
    text += part
    if (text.length < textsBytes) continue
    yield text
    text = ''
  }
  yield `${text}</NativeDicomModel>\n`
}

function* elements(attributes: DicomJson): Generator<string> {
  for (const tag of Object.keys(attributes).toSorted()) {
    const element = attributes[tag]
    // Group lengths are not part of the model.
    if (element === undefined || tag.endsWith('0000')) continue
    yield `<DicomAttribute ${nameOf(tag, attributes)} vr="${escaped(element.vr)}">`
    if (element.vr === 'SQ') yield* items(element.Value ?? [])
    else yield valuesOf(element)
    yield '</DicomAttribute>'
  }
}

function* items(values: readonly DicomJsonValue[]): Generator<string> {
  for (const [index, item] of values.entries()) {
    yield `<Item number="${index + 1}">`
    if (isObject(item)) yield* elements(item as DicomJson)
    yield '</Item>'
  }
}

/** A private element by its creator, wherever that reserved its block; a public one with its keyword. */
function nameOf(tag: string, attributes: DicomJson): string {
  const isPrivate = Number.parseInt(tag.charAt(3), 16) % 2 === 1
  const [group, block] = [tag.slice(0, 4), tag.slice(4, 6)]
  const creator = attributes[`${group}00${block}`]?.Value?.[0]
  if (isPrivate && block !== '00' && typeof creator === 'string') {
    return `tag="${group}00${tag.slice(6)}" privateCreator="${escaped(creator)}"`
  }
  const keyword = isPrivate ? undefined : keywordOf(tag)
  return `tag="${tag}"${keyword === undefined ? '' : ` keyword="${escaped(keyword)}"`}`
}

function valuesOf({ Value, BulkDataURI, InlineBinary }: DicomJsonElement): string {
  if (BulkDataURI !== undefined) return `<BulkData uri="${escaped(BulkDataURI)}"/>`
  if (InlineBinary !== undefined) return `<InlineBinary>${escaped(InlineBinary)}</InlineBinary>`
  const numbered = (Value ?? []).map((value, index) => {
    // An empty value has no element, and the others keep their numbers.
    if (value === null) return ''
    if (isObject(value)) return personName(value, index + 1)
    return `<Value number="${index + 1}">${escaped(String(value))}</Value>`
  })
  return numbered.join('')
}

const groups = ['Alphabetic', 'Ideographic', 'Phonetic'] as const
const components = ['FamilyName', 'GivenName', 'MiddleName', 'NamePrefix', 'NameSuffix']

function personName(name: PersonName, number: number): string {
  const written = groups.map((group) => {
    const parts = (name[group] ?? '').split('^')
    const inner = components.map((component, index) => {
      const part = parts[index] ?? ''
      return part === '' ? '' : `<${component}>${escaped(part)}</${component}>`
    })
    return inner.every((part) => part === '') ? '' : `<${group}>${inner.join('')}</${group}>`
  })
  return `<PersonName number="${number}">${written.join('')}</PersonName>`
}

const isObject = (value: DicomJsonValue | undefined): value is DicomJson | PersonName =>
  typeof value === 'object' && value !== null

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

const escaped = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[&<>"\p{Cc}\ufffe\uffff]/gu, (char) => entities[char] ?? referenceOf(char))

/** XML 1.0 has no form for most control characters, nor for half a pair of surrogates (§2.2). */
const referenceOf = (char: string): string =>
  char >= '\u007f' && char < '\u00a0' ? `&#${char.charCodeAt(0)};` : '\ufffd'
