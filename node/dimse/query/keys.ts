import { ProtocolError } from '#protocol/errors.ts'
import { queryLimits } from '#protocol/limits.ts'
import type { Query } from '../../archive/archive.ts'
import {
  instanceAvailability,
  instancesOfPatient,
  isStudyTag,
  seriesOfPatient,
  studiesOfPatient,
} from '../../archive/attribute-levels.ts'
import { levelOfTag } from '../../archive/level-matchers.ts'
import { isUniversal, parseRange } from '../../archive/matching.ts'
import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../../dicom/dicom-json.ts'
import { tagNumber } from '../../dicom/dictionary.ts'
import { indexSequences, isIndexPath } from '../../dicom/index-attributes.ts'
import { AttributeError } from '../attribute-error.ts'
import { queryRetrieveLevel, retrieveAeTitle, uniqueKeys, type Level } from './models.ts'

/** A query as an identifier asks for it (PS3.4 §C.2.2). */
export type Asked = {
  level: Level
  match: Query['match']
  /** What is to be returned, ascending. */
  returned: ReturnKey[]
  /** Of some key no row says anything, or nothing is matched on the value given for it (PS3.4 Table C.4-1). */
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
const isMatched = (path: string): boolean => isIndexPath(path) || counted.has(path)

/** Whether rows of a level say what is at a path, when anything does. */
function isSaid(path: string, level: Level): boolean {
  const tag = path.slice(0, 8)
  if (tag === instanceAvailability) return true
  if (countedOfPatient.has(tag)) return level === 'PATIENT'
  // Available Transfer Syntax UID.
  if (tag === '00083002') return level === 'IMAGE'
  const isWhole = path === tag && indexSequences.has(tagNumber(tag))
  if (!isMatched(path) && !isWhole) return false
  if (level === 'PATIENT') return tag.startsWith('0010') && isStudyTag(tag)
  return depths[levelOfTag(tag)] <= depths[level]
}

const countedOfPatient = new Set([studiesOfPatient, seriesOfPatient, instancesOfPatient])
const depths = { study: 1, STUDY: 1, series: 2, SERIES: 2, instance: 3, IMAGE: 3 }

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
      if (values?.length === 0) isPartly ||= !isSaid(path, level)
      else if (values !== undefined && isMatched(path)) match[path] = checked(path, vr, values)
      else isPartly = true
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

/** A key with values to match, none for universal matching; without them when we cannot match on what it holds. */
type WantedKey = { path: string; vr: string; values?: string[] }

/** Of a sequence the keys of its item, by their paths (PS3.4 §C.2.2.2.6); one that has none asks for all of it. */
function wantedOf(element: DicomJsonElement, path: string): WantedKey[] {
  const { vr, Value = [], InlineBinary, BulkDataURI } = element
  if (vr === 'SQ') {
    const [item, ...more] = Value.filter(isItem)
    const keys = Object.entries(item ?? {}).flatMap(([tag, key]) => wantedOf(key, `${path}.${tag}`))
    // Only one item may ask.
    if (more.length > 0) keys.push({ path, vr })
    return keys.length === 0 ? [{ path, vr, values: [] }] : keys
  }
  if (InlineBinary !== undefined || BulkDataURI !== undefined) return [{ path, vr }]
  const values = Value.map(textOf).filter((value) => value.trim() !== '')
  return [{ path, vr, values: isUniversal(values) ? [] : values }]
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
