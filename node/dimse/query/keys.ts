import { ProtocolError } from '#protocol/errors.ts'
import { queryLimits } from '#protocol/limits.ts'
import type { Query } from '../../archive/archive.ts'
import { instanceAvailability } from '../../archive/attribute-levels.ts'
import { parseRange } from '../../archive/matching.ts'
import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../../dicom/dicom-json.ts'
import { tagNumber } from '../../dicom/dictionary.ts'
import { indexTags } from '../../dicom/index-attributes.ts'
import { queryRetrieveLevel, retrieveAeTitle, uniqueKeys, type Level } from './models.ts'

/** A query as an identifier asks for it (PS3.4 §C.2.2). */
export type Asked = {
  level: Level
  match: Query['match']
  /** What is to be returned, ascending. */
  returned: ReturnKey[]
  /** A value was given for a key on which nothing is matched. */
  isPartly: boolean
}

export type ReturnKey = { tag: number; name: string; vr: string }

/** Found by counting, not in any one instance. */
const counted = new Set(['00080061', '00201206', '00201208', '00201209'])
/** They say how to answer, not what to look for. */
const controls = new Set(['00080005', '00080053', queryRetrieveLevel, retrieveAeTitle])

/** Reads the keys of a C-FIND; `bad_request` for what means nothing. */
export function readKeys(keys: DicomJson, levels: readonly Level[]): Asked {
  const level = levelOf(keys, levels)
  const match: Query['match'] = {}
  let isPartly = false
  const entries = Object.entries(keys)
  if (entries.length > queryLimits.keysMax) throw new ProtocolError('too_large', 'too many keys')
  for (const [name, element] of entries) {
    if (controls.has(name)) continue
    const values = wantedOf(element)
    if (values === undefined || (name === instanceAvailability && values.length > 0)) {
      isPartly = true
    } else if (values.length > 0) {
      if (indexTags.has(tagNumber(name)) || counted.has(name)) {
        match[name] = checked(element.vr, values)
      } else {
        isPartly = true
      }
    }
  }
  const names = [...Object.keys(keys), queryRetrieveLevel, retrieveAeTitle, uniqueKeys[level]]
  const returned = [...new Set(names)]
    .filter((name) => name !== '00080005')
    .map((name) => ({ tag: tagNumber(name), name, vr: keys[name]?.vr ?? fixedVr[name] ?? 'UI' }))
    .sort((one, other) => one.tag - other.tag)
  return { level, match, returned, isPartly }
}

const fixedVr: Record<string, string> = {
  [queryRetrieveLevel]: 'CS',
  [retrieveAeTitle]: 'AE',
  [uniqueKeys.PATIENT]: 'LO',
}

/** Query/Retrieve Level (0008,0052); `bad_request` when the model has no such level. */
export function levelOf(keys: DicomJson, levels: readonly Level[]): Level {
  const value = keys[queryRetrieveLevel]?.Value?.[0]
  const level = levels.find((one) => one === value)
  if (level === undefined) throw new ProtocolError('bad_request', 'no such level in this model')
  return level
}

/** Values to match; none for universal matching, `undefined` for what we cannot match. */
function wantedOf({
  vr,
  Value,
  InlineBinary,
  BulkDataURI,
}: DicomJsonElement): string[] | undefined {
  if (vr === 'SQ') return (Value ?? []).every(isEmptyItem) ? [] : undefined
  if (InlineBinary !== undefined || BulkDataURI !== undefined) return undefined
  const values = (Value ?? []).map(textOf).filter((value) => value.trim() !== '')
  return values.every((value) => /^\**$/.test(value.trim())) ? [] : values
}

const isEmptyItem = (item: DicomJsonValue): boolean =>
  typeof item === 'object' &&
  item !== null &&
  Object.values(item as DicomJson).every((element) => wantedOf(element)?.length === 0)

/** Of a person name the first component group that says something: the archive compares each on its own. */
export function textOf(value: DicomJsonValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  const groups = Object.values(value ?? {}).filter((group) => typeof group === 'string')
  return groups[0] ?? ''
}

function checked(vr: string, values: string[]): string[] {
  if (values.length > queryLimits.valuesMax) {
    throw new ProtocolError('too_large', 'too many values of one key')
  }
  for (const value of values) {
    if (vr === 'UI' && !/^[\d.]{1,64}$/.test(value.trim())) wrong('a UID')
    const isTime = vr === 'DA' || vr === 'TM' || vr === 'DT'
    if (isTime && parseRange(vr, value) === undefined) wrong('a date or time')
  }
  // A list of UIDs is one value to match (PS3.4 §C.2.2.2.2).
  return vr === 'UI' ? [values.map((value) => value.trim()).join('\\')] : values
}

function wrong(what: string): never {
  throw new ProtocolError('bad_request', `${what} is wrong`)
}
