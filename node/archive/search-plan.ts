import type { Query } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { KeyRange } from './catalog-keys.ts'
import { foldName, soundName } from './folding.ts'
import { hasWildcard, isUniversal, parseRange } from './matching.ts'

/** Where a search looks for studies. What it finds there is only a candidate: all keys are compared afterwards. */
export type Plan =
  | { by: 'study'; studies: string[] }
  | { by: 'instance'; sops: string[] }
  /** `isOrdered`: the keys come newest study first already. */
  | { by: 'keys'; ranges: KeyRange[]; isOrdered: boolean }

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
  const ranges =
    rangesOf(values('00100020'), patient, keys.patientSearch) ??
    rangesOf(values('00080050'), accession, keys.accessionSearch) ??
    nameRanges(values('00100010'))
  if (ranges !== undefined) return unordered(ranges)
  return planByTime(values)
}

const unordered = (ranges: KeyRange[]): Plan => ({ by: 'keys', ranges, isOrdered: false })

function planByTime(values: (tag: string) => readonly string[]): Plan {
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

/** Ranges of keys that begin as the values do up to their first wildcard. */
function rangesOf(
  values: readonly string[],
  kind: string,
  toKey: (value: string) => string,
): KeyRange[] | undefined {
  const ranges: KeyRange[] = []
  for (const value of values) {
    const wild = value.search(/[*?]/)
    const text = toKey(wild < 0 ? value : value.slice(0, wild))
    if (text === '') return undefined
    const isWhole = wild < 0 && text.length < keys.searchTextMax
    ranges.push(isWhole ? keys.rangeOf(kind, text) : keys.prefixRange(kind, text))
  }
  return ranges.length === 0 ? undefined : ranges
}

/** Names are kept as they are written and as they sound. */
function nameRanges(values: readonly string[]): KeyRange[] | undefined {
  const written = rangesOf(values, name, (text) => keys.nameSearch(foldName(text)))
  const heard = rangesOf(values, name, (text) => keys.nameSearch(soundName(text)))
  return written && heard && [...written, ...heard]
}

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
