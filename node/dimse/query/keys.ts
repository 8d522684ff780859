import { ProtocolError } from '#protocol/errors.ts'
import { queryLimits } from '#protocol/limits.ts'
import type { Query } from '../../archive/archive.ts'
import { isUniversal, parseRange } from '../../archive/matching.ts'
import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../../dicom/dicom-json.ts'
import { tagNumber } from '../../dicom/dictionary.ts'
import { isIndexPath } from '../../dicom/index-attributes.ts'
import { AttributeError } from '../attribute-error.ts'
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

export type ReturnKey = {
  tag: number
  name: string
  vr: string
  /** Of a sequence: which of its items' attributes are wanted. */
  key?: DicomJsonElement
}

/** Found by counting, not in any one instance. */
const counted = new Set(['00080061', '00080062', '00201206', '00201208', '00201209'])
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
    for (const { path, vr, values } of wantedOf(element, name)) {
      if (values !== undefined && (isIndexPath(path) || counted.has(path))) {
        match[path] = checked(path, vr, values)
      } else {
        isPartly = true
      }
    }
  }
  const asked = Object.keys(match).length
  if (asked > queryLimits.keysMax) throw new ProtocolError('too_large', 'too many keys')
  const names = [...Object.keys(keys), queryRetrieveLevel, retrieveAeTitle, uniqueKeys[level]]
  const returned = [...new Set(names)]
    .filter((name) => name !== '00080005')
    .map((name) => returnKey(name, keys[name]))
    .sort((one, other) => one.tag - other.tag)
  return { level, match, returned, isPartly }
}

const returnKey = (name: string, key?: DicomJsonElement): ReturnKey => ({
  tag: tagNumber(name),
  name,
  vr: key?.vr ?? fixedVr[name] ?? 'UI',
  ...(key?.vr === 'SQ' && { key }),
})

const fixedVr: Record<string, string> = {
  [queryRetrieveLevel]: 'CS',
  [retrieveAeTitle]: 'AE',
  [uniqueKeys.PATIENT]: 'LO',
}

/** Query/Retrieve Level (0008,0052); `bad_request` when the model has no such level. */
export function levelOf(keys: DicomJson, levels: readonly Level[]): Level {
  const value = keys[queryRetrieveLevel]?.Value?.[0]
  if (value === undefined) throw new AttributeError('missing', queryRetrieveLevel)
  const level = levels.find((one) => one === value)
  if (level === undefined) throw new AttributeError('not a level of this model', queryRetrieveLevel)
  return level
}

/** A key with values to match; without them when we cannot match on what it holds. */
type WantedKey = { path: string; vr: string; values?: string[] }

/** None for universal matching; of a sequence the keys of its item, by their paths (PS3.4 §C.2.2.2.6). */
function wantedOf(element: DicomJsonElement, path: string): WantedKey[] {
  const { vr, Value = [], InlineBinary, BulkDataURI } = element
  if (vr === 'SQ') {
    const [item, ...more] = Value.filter(isItem)
    const keys = Object.entries(item ?? {}).flatMap(([tag, key]) => wantedOf(key, `${path}.${tag}`))
    // Only one item may ask.
    return more.some((other) => wantedOf({ vr, Value: [other] }, path).length > 0)
      ? [...keys, { path, vr }]
      : keys
  }
  if (InlineBinary !== undefined || BulkDataURI !== undefined) return [{ path, vr }]
  const values = Value.map(textOf).filter((value) => value.trim() !== '')
  return isUniversal(values) ? [] : [{ path, vr, values }]
}

const isItem = (item: DicomJsonValue): item is DicomJson =>
  typeof item === 'object' && item !== null

/** Of a person name the first component group that says something: the archive compares each on its own. */
export function textOf(value: DicomJsonValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  const groups = Object.values(value ?? {}).filter((group) => typeof group === 'string')
  return groups[0] ?? ''
}

/** The values of one key, to be matched; `bad_request` when they mean nothing. */
export function checked(path: string, vr: string, values: string[]): string[] {
  if (values.length > queryLimits.valuesMax) {
    throw new ProtocolError('too_large', 'too many values of one key')
  }
  const tag = path.split('.').at(-1) ?? path
  for (const value of values) {
    if (vr === 'UI' && !/^[\d.]{1,64}$/.test(value.trim()))
      throw new AttributeError('not a UID', tag)
    const isTime = vr === 'DA' || vr === 'TM' || vr === 'DT'
    if (isTime && parseRange(vr, value) === undefined) {
      throw new AttributeError('not a date or time', tag)
    }
  }
  // A list of UIDs is one value to match (PS3.4 §C.2.2.2.2).
  return vr === 'UI' ? [values.map((value) => value.trim()).join('\\')] : values
}
