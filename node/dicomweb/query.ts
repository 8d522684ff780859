import { WrongRequest } from '#protocol/errors.ts'
import { dicomwebLimits, httpLimits } from '#protocol/limits.ts'
import type { Query } from '../archive/archive.ts'
import { parseRange } from '../archive/matching.ts'
import { tagOf, vrOf } from '../dicom/dictionary.ts'
import { isIndexPath } from '../dicom/index-attributes.ts'

/** A search as it was asked for (PS3.18 §8.3.4). */
export type Search = {
  match: Query['match']
  limit: number
  offset: number
  scope: 'own' | 'region'
  /** Tags to be added to the default ones. */
  fields: string[] | 'all'
  warnings: string[]
}

/** Found by counting, not in any one instance. */
const countedTags = new Set(['00080061', '00080062', '00201206', '00201208', '00201209'])

/** Reads the parameters of a search; `bad_request` for what means nothing. */
export function parseSearch(parameters: Record<string, string | string[] | undefined>): Search {
  const search: Search = {
    match: {},
    limit: httpLimits.resultsDefault,
    offset: 0,
    scope: 'own',
    fields: [],
    warnings: [],
  }
  const entries = Object.entries(parameters)
  if (entries.length > dicomwebLimits.searchKeysMax) wrong('too many search keys')
  for (const [name, given] of entries) {
    const values = typeof given === 'string' ? [given] : (given ?? [])
    if (values.join('').length > dicomwebLimits.searchValueChars) wrong('a search key is too long')
    const option = options.get(name.toLowerCase())
    if (option === undefined) addMatch(search, name, values)
    else option(search, values)
  }
  return search
}

type Option = (search: Search, values: string[]) => void

const options = new Map<string, Option>(
  Object.entries({
    accept: () => {},
    limit(search, values) {
      const limit = count(values, 'limit')
      search.limit = Math.min(limit, httpLimits.resultsMax)
    },
    offset(search, values) {
      search.offset = count(values, 'offset')
    },
    scope(search, values) {
      const [value] = values
      search.scope = value === 'own' || value === 'region' ? value : wrong('scope is own or region')
    },
    fuzzymatching(search, values) {
      if (values.some((value) => value !== 'true' && value !== 'false')) {
        wrong('fuzzymatching is true or false')
      }
      if (values.includes('true')) {
        search.warnings.push(
          'The fuzzymatching parameter is not supported. Only literal matching has been performed.',
        )
      }
    },
    timezoneoffsetfromutc: readTimezone,
    '00080201': readTimezone,
    includefield(search, values) {
      const names = values.flatMap((value) => value.split(',')).filter((name) => name.trim() !== '')
      for (const name of names) {
        if (name.trim().toLowerCase() === 'all') search.fields = 'all'
        else if (search.fields !== 'all') search.fields.push(fieldOf(name.trim()))
      }
    },
  } satisfies Record<string, Option>),
)

/** The zone of the dates and times in this request, not an attribute to be found (PS3.18 §8.3.4). */
function readTimezone(search: Search, values: string[]): void {
  // A plus sign that was not encoded arrives as a space.
  if (!values.every((value) => /^[+ -]\d{4}$/.test(value))) wrong('a time zone is wrong')
  search.warnings.push(
    'The time zone was ignored: dates and times are compared as they are stored.',
  )
}

function count(values: string[], name: string): number {
  const [value = ''] = values
  if (values.length !== 1 || !/^\d{1,9}$/.test(value)) wrong(`${name} is one number`)
  return Number(value)
}

/** Attribute keys: keywords or tags, with dots into sequences (PS3.18 §8.3.4.1). Others are ignored (§8.3). */
function addMatch(search: Search, name: string, values: string[]): void {
  const path = pathOf(name)
  if (path === undefined) {
    search.warnings.push(notMatched(name.slice(0, 64)))
    return
  }
  const vr = vrOf(path.slice(-8))
  const alternatives = values.flatMap((value) =>
    // Neither UIDs nor codes can hold a comma, and lists of them are written with it.
    vr === 'UI' || vr === 'CS' ? value.split(/[,\\]/) : [value],
  )
  for (const value of alternatives) checkValue(vr, value.trim())
  if (!isIndexPath(path) && !countedTags.has(path)) {
    search.warnings.push(notMatched(name))
    return
  }
  search.match[path] = [...(search.match[path] ?? []), ...alternatives]
}

const notMatched = (name: string): string =>
  `The key ${name} is not supported for matching and was ignored.`

/** Nothing for what names no attribute. */
function pathOf(name: string): string | undefined {
  // Tags may also follow each other without a dot.
  const parts = /^([0-9a-f]{8}){2,}$/i.test(name) ? (name.match(/.{8}/g) ?? []) : name.split('.')
  const tags = parts.map(tagOf)
  return tags.includes(undefined) ? undefined : tags.join('.')
}

const fieldOf = (name: string): string =>
  pathOf(name)?.slice(0, 8) ?? wrong('a field is no attribute')

function checkValue(vr: string, value: string): void {
  if (value === '' || value === '*') return
  if (vr === 'UI' && !/^[\d.]{1,64}$/.test(value)) wrong('a UID is wrong')
  if ((vr === 'DA' || vr === 'TM' || vr === 'DT') && parseRange(vr, value) === undefined) {
    wrong('a date or time is wrong')
  }
  if (vr === 'DA' && !/^(\d{4}(\.?\d\d(\.?\d\d)?)?)?-?(\d{4}(\.?\d\d(\.?\d\d)?)?)?$/.test(value)) {
    wrong('a date is wrong')
  }
}

function wrong(why: string): never {
  throw new WrongRequest(why)
}
