import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'

/** The items of a sequence; none when it is absent, empty, or no sequence. */
export const itemsOf = (attributes: DicomJson, tag: string): DicomJson[] =>
  itemsIn(attributes[tag] ?? { vr: 'SQ' })

const itemsIn = ({ Value = [] }: DicomJsonElement): DicomJson[] =>
  Value.filter((value): value is DicomJson => typeof value === 'object' && value !== null)

const specificCharacterSet = '00080005'

/** What was asked for of a row, and nothing else; a sequence without items asks for all of it. */
export function askedOf(row: DicomJson, keys: DicomJson): DicomJson {
  const asked: DicomJson = {}
  for (const [tag, key] of Object.entries(keys)) {
    if (tag !== specificCharacterSet) asked[tag] = askedElement(row[tag], key)
  }
  return asked
}

/** The same of one element. */
export function askedElement(
  found: DicomJsonElement | undefined,
  key: DicomJsonElement,
): DicomJsonElement {
  if (found?.vr !== 'SQ') return found ?? { vr: key.vr }
  const [inner] = itemsIn(key)
  const items = itemsIn(found)
  if (items.length === 0) return { vr: 'SQ' }
  if (inner === undefined || Object.keys(inner).length === 0) return found
  return { vr: 'SQ', Value: items.map((item) => askedOf(item, inner)) }
}
