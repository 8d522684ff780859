import type { Query } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { KeyRange } from './catalog-keys.ts'
import { foldIdentifier } from './folding.ts'
import {
  createGlob,
  foldName,
  hasWildcard,
  isUniversal,
  parseRange,
  soundName,
} from './matching.ts'

/** Where a search looks for studies. What it finds there is only a candidate: all keys are compared afterwards. */
export type Plan = { by: 'study'; studies: string[] } | { by: 'instance'; sops: string[] } | KeyPlan
export type KeyPlan = {
  by: 'keys'
  ranges: KeyRange[]
  /** The keys come newest study first already. */
  isOrdered: boolean
  /** Tells from the key alone that a study cannot match, so that its row need not be read; absent: none can be told. */
  accepts?: (key: string) => boolean
}

const { patient, accession, name, date, modality } = keys.searchKinds

/** Chooses the key that leaves the fewest candidates: a UID, then an identifier, a name, a modality, a date. */
export function planSearch(query: Query): Plan {
  const values = (tag: string): readonly string[] => {
    const wanted = query.match[tag] ?? []
    return isUniversal(wanted) ? [] : wanted
  }
  const studies = query.study === undefined ? uidsOf(values('0020000D')) : [query.study]
  if (studies.length > 0) return { by: 'study', studies }
  const sops = uidsOf(values('00080018'))
  if (sops.length > 0) return { by: 'instance', sops }
  const series = query.series === undefined ? uidsOf(values('0020000E')) : [query.series]
  if (series.length > 0) return unordered(series.map((uid) => keys.rangeOf('u', uid)))
  const texts = [
    textSearch(values('00100020'), patient, [foldIdentifier]),
    textSearch(values('00080050'), accession, [(text) => text.trim()]),
    // Names are kept as they are written and as they sound.
    textSearch(values('00100010'), name, [foldName, soundName]),
  ]
  const begun = texts.find((one) => one?.isBegun === true)
  if (begun !== undefined) return byText(begun)
  const byTime = planByTime(values)
  const inner = texts.find((one) => one !== undefined)
  return inner === undefined || isNarrow(byTime) ? byTime : byText(inner)
}

const unordered = (ranges: KeyRange[]): KeyPlan => ({ by: 'keys', ranges, isOrdered: false })

const byText = ({ ranges, accepts }: TextSearch): KeyPlan => ({
  ...unordered(ranges),
  ...(accepts && { accepts }),
})

/** Whether there are fewer keys than one for each study. */
const isNarrow = ({ ranges }: KeyPlan): boolean => {
  const all = keys.rangeOf(date)
  return !ranges.some(({ gte, lt }) => gte === all.gte && lt === all.lt)
}

function planByTime(values: (tag: string) => readonly string[]): KeyPlan {
  const days = daysOf(values('00080020'))
  const wanted = [...values('00080061'), ...values('00080060')].map((value) => value.trim())
  if (wanted.length === 0 || wanted.some((value) => value === '' || hasWildcard(value))) {
    return { by: 'keys', ranges: [timeRange([date], days)], isOrdered: true }
  }
  const each = [...new Set(wanted.flatMap((value) => value.split('\\')))]
  const ranges = each.map((value) => timeRange([modality, value], days))
  return { by: 'keys', ranges, isOrdered: ranges.length === 1 }
}

/** UIDs that are all written out (a list is written with `\` or `,`); none when one has a wildcard. */
function uidsOf(values: readonly string[]): string[] {
  const uids = values.flatMap((value) => value.split(/[\\,]/)).map((uid) => uid.trim())
  return uids.every((uid) => uid !== '' && !hasWildcard(uid)) ? uids : []
}

type TextSearch = {
  ranges: KeyRange[]
  /** Absent when every key of the ranges would be accepted. */
  accepts?: (key: string) => boolean
  /** Every value says how the text begins; otherwise all keys of the kind are looked at. */
  isBegun: boolean
}

/** Keys that begin as the values do up to their first wildcard, each value in every form in which it is kept. */
function textSearch(
  values: readonly string[],
  kind: string,
  forms: readonly ((text: string) => string)[],
): TextSearch | undefined {
  if (values.length === 0) return undefined
  const wanted = values.flatMap((value) => forms.map((form) => patternOf(value, form)))
  // What matches also an empty text is not among the keys.
  if (wanted.some(({ pattern }) => isUniversal([pattern]))) return undefined
  const isBegun = wanted.every(({ prefix }) => prefix !== '')
  const isAll = isBegun && wanted.every(({ pattern, prefix }) => pattern === `${prefix}*`)
  const patterns = [...new Set(wanted.map(({ pattern }) => pattern))]
  const globs = patterns.map(createGlob)
  const pieces = patterns.map(longestPiece)
  const accepts = (key: string): boolean => {
    const isLikely = pieces.some((piece) => key.includes(piece))
    if (!isLikely && key.length < keys.searchTextMax) return false
    const text = keys.searchedText(key)
    return text.length >= keys.searchTextMax || globs.some((matches) => matches(text))
  }
  const ranges = isBegun ? wanted.map((one) => rangeOf(kind, one)) : [keys.rangeOf(kind)]
  return {
    isBegun,
    ranges: [...new Map(ranges.map((range) => [range.gte, range])).values()],
    ...(!isAll && { accepts }),
  }
}

/** What any text that matches has in it. */
const longestPiece = (pattern: string): string =>
  pattern.split(/[*?]/).reduce((one, other) => (other.length > one.length ? other : one), '')

type Pattern = { pattern: string; prefix: string; isWhole: boolean }

function patternOf(value: string, form: (text: string) => string): Pattern {
  const wild = value.search(/[*?]/)
  const prefix = keys.searchText(form(wild < 0 ? value : value.slice(0, wild)))
  const isWhole = wild < 0 && prefix.length < keys.searchTextMax
  return { pattern: form(value), prefix, isWhole }
}

const rangeOf = (kind: string, { prefix, isWhole }: Pattern): KeyRange =>
  isWhole ? keys.rangeOf(kind, prefix) : keys.prefixRange(kind, prefix)

type Days = { from?: string; to?: string }

function daysOf(values: readonly string[]): Days {
  const [value] = values
  if (values.length !== 1 || value === undefined) return {}
  const range = parseRange('DA', value)
  if (range === undefined) return {}
  const isDay = (text?: string): text is string => text !== undefined && /^\d{8}$/.test(text)
  return {
    ...(isDay(range.from) && { from: range.from }),
    ...(isDay(range.to) && { to: range.to }),
  }
}

/** Times are stored turned round: the end of the span is where its keys begin. */
function timeRange(kind: readonly string[], { from, to }: Days): KeyRange {
  const all = keys.rangeOf(...kind)
  const day = (text: string): KeyRange =>
    keys.prefixRange(...kind, keys.timeSearch(text, '').slice(0, 8))
  return {
    gte: to === undefined ? all.gte : day(to).gte,
    lt: from === undefined ? all.lt : day(from).lt,
  }
}
