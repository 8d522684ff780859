import { isUniversal, matchesQuery } from '../archive/matching.ts'
import type { DicomJson, DicomJsonValue } from '../dicom/dicom-json.ts'
import { itemsOf } from './items.ts'
import { checked } from './query/keys.ts'
import { scheduledSequence, startDate, startTime, stationAeTitle } from './worklist-rows.ts'

/** What a worklist query looks for. */
export type WorklistKeys = {
  /** Paths into sequences, see `matchesQuery`. */
  match: Record<string, string[]>
  /** Date and time that are both ranges are one range (PS3.4 §K.6.1.2.2); bounds are `YYYYMMDDHHMMSS`. */
  period?: { from: string; to: string }
}

const stationPath = `${scheduledSequence}.${stationAeTitle}`
const datePath = `${scheduledSequence}.${startDate}`
const timePath = `${scheduledSequence}.${startTime}`

/** Reads the keys of a worklist query; `bad_request` for what means nothing. */
export function readWorklistKeys(keys: DicomJson): WorklistKeys {
  const match = Object.fromEntries(pathsOf(keys, ''))
  const dates = rangeOf(match[datePath])
  const times = rangeOf(match[timePath])
  if (dates === undefined || times === undefined) return { match }
  const { [datePath]: _, [timePath]: __, ...rest } = match
  const from = (dates[0] || '0').padEnd(8, '0') + times[0].padEnd(6, '0')
  const to = (dates[1] || '9').padEnd(8, '9') + times[1].padEnd(6, '9')
  return { match: rest, period: { from, to } }
}

/** Only the first item of a sequence asks; further ones are not allowed (PS3.4 §C.2.2.2.6). */
function* pathsOf(keys: DicomJson, prefix: string): Generator<[string, string[]]> {
  for (const [tag, { vr, Value = [] }] of Object.entries(keys)) {
    if (tag === specificCharacterSet) continue
    if (vr === 'SQ') {
      const [item] = itemsOf(keys, tag)
      if (item !== undefined) yield* pathsOf(item, `${prefix}${tag}.`)
      continue
    }
    const values = Value.map(textOf).filter((value) => value !== '' && !isAnyTime(vr, value))
    const path = `${prefix}${tag}`
    if (!isUniversal(values)) yield [path, checked(path, vr, values)]
  }
}

/** A range without ends, as some devices write what they leave open. */
const isAnyTime = (vr: string, value: string): boolean =>
  value === '-' && (vr === 'DA' || vr === 'TM' || vr === 'DT')

const specificCharacterSet = '00080005'

function textOf(value: DicomJsonValue): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '').trim()
  const { Alphabetic = '' } = value as { Alphabetic?: string }
  return Alphabetic
}

function rangeOf(values: readonly string[] | undefined): [string, string] | undefined {
  const found = /^([\d.:]*)-([\d.:]*)$/.exec(values?.[0] ?? '')
  if (found === null) return undefined
  const digits = (text: string | undefined) => (text ?? '').replace(/\..*$/, '').replaceAll(':', '')
  return [digits(found[1]), digits(found[2])]
}

/**
 * Whether a row is among what is asked for. Keys on attributes that worklists here do not have ask for nothing (PS3.4
 * §K.4.1.3); a step for whatever apparatus is found by each.
 */
export function matchesWorklist(row: DicomJson, { match, period }: WorklistKeys): boolean {
  const [step = {}] = itemsOf(row, scheduledSequence)
  const isForAnyStation = step[stationAeTitle]?.Value === undefined
  const asked = Object.entries(match).filter(
    ([path]) => has(row, path.split('.')) && !(path === stationPath && isForAnyStation),
  )
  if (!matchesQuery(row, Object.fromEntries(asked))) return false
  if (period === undefined) return true
  const at = `${first(step, startDate)}${first(step, startTime)}`
  return at >= period.from && at <= period.to
}

/** Whether it was found without a look at some of the keys. */
export const isMatchedPartly = (row: DicomJson, { match }: WorklistKeys): boolean =>
  Object.keys(match).some((path) => !has(row, path.split('.')))

const first = (item: DicomJson, tag: string): string => textOf(item[tag]?.Value?.[0] ?? '')

function has(row: DicomJson, [tag = '', ...rest]: readonly string[]): boolean {
  if (!(tag in row)) return false
  return rest.length === 0 || itemsOf(row, tag).some((item) => has(item, rest))
}
