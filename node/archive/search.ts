import { setImmediate } from 'node:timers/promises'
import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Query, QueryResult } from './archive.ts'
import {
  element,
  instancesInSeries,
  instancesInStudy,
  isSeriesTag,
  isStudyTag,
  modalitiesInStudy,
  seriesInStudy,
  textOf,
} from './attribute-levels.ts'
import { lastPart, timeSearch } from './catalog-keys.ts'
import type { InstanceRow, SeriesRow, StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { isUniversal, matchesQuery } from './matching.ts'
import { planSearch, type KeyPlan } from './search-plan.ts'

type Source = Pick<
  Catalog,
  'keyPages' | 'studies' | 'seriesOf' | 'instancesOf' | 'sop' | 'instance' | 'series'
>

/** Answers a query from the catalog. */
export async function searchCatalog(catalog: Source, query: Query): Promise<QueryResult> {
  const matches: DicomJson[] = []
  const budget = { left: storageLimits.searchScanMax }
  let skipped = 0
  for await (const match of findMatches(catalog, query, budget)) {
    if (skipped < query.offset) skipped++
    else if (matches.length < query.limit) matches.push(match)
    else return { matches, more: true }
  }
  return { matches, more: budget.left <= 0 }
}

/** How many rows may still be looked at: a search that finds little in much ends with `more`. */
type Budget = { left: number }

async function* findMatches(
  catalog: Source,
  query: Query,
  budget: Budget,
): AsyncGenerator<DicomJson> {
  const match = splitKeys(query.match)
  const isAbove = isEmpty(match.series) && isEmpty(match.instance) && query.series === undefined
  for await (const studies of findStudies(catalog, query, budget)) {
    for (const study of studies) {
      if (!matchesStudy(study, match.study)) continue
      if (query.level !== 'study') {
        yield* seriesMatches({ catalog, query, match, budget }, study)
      } else if (
        isAbove ||
        (await hasMatch(seriesMatches({ catalog, query, match, budget }, study)))
      ) {
        yield studyAttributes(study)
      }
    }
  }
}

/** A study of a merged patient is found by the earlier patient too, and shown under the present one. */
function matchesStudy(study: StudyRow, match: Record<string, string[]>): boolean {
  const attributes = studyAttributes(study)
  if (matchesQuery(attributes, match)) return true
  return (study.also ?? []).some((patient) => matchesQuery({ ...attributes, ...patient }, match))
}

const isEmpty = (keys: Record<string, string[]>): boolean => Object.keys(keys).length === 0

async function hasMatch(matches: AsyncIterable<DicomJson>): Promise<boolean> {
  for await (const _ of matches) return true
  return false
}

type SplitKeys = Record<'study' | 'series' | 'instance', Record<string, string[]>>

/** Each key by the level whose rows have it; keys that ask for nothing are left out. */
function splitKeys(match: Query['match']): SplitKeys {
  const split: SplitKeys = { study: {}, series: {}, instance: {} }
  for (const [path, values] of Object.entries(match)) {
    if (isUniversal(values)) continue
    const tag = path.slice(0, 8)
    const isStudy =
      isStudyTag(tag) || [modalitiesInStudy, seriesInStudy, instancesInStudy].includes(tag)
    const isSeries = isSeriesTag(tag) || tag === instancesInSeries
    split[isStudy ? 'study' : isSeries ? 'series' : 'instance'][path] = values
  }
  return split
}

type SeriesSearch = { catalog: Source; query: Query; match: SplitKeys; budget: Budget }

/** Matches below one study: its series, or their instances. */
async function* seriesMatches(search: SeriesSearch, study: StudyRow): AsyncGenerator<DicomJson> {
  const { catalog, query, match, budget } = search
  for (const row of await catalog.seriesOf(study.study)) {
    if (--budget.left <= 0) return
    if (query.series !== undefined && row.series !== query.series) continue
    const attributes = { ...studyAttributes(study), ...seriesAttributes(row) }
    if (!matchesQuery(attributes, match.series)) continue
    if (query.level === 'instance') {
      yield* instanceMatches(search, row, attributes)
    } else if (
      isEmpty(match.instance) ||
      (await hasMatch(instanceMatches(search, row, attributes)))
    ) {
      yield attributes
    }
  }
}

async function* instanceMatches(
  { catalog, match, budget }: SeriesSearch,
  series: SeriesRow,
  above: DicomJson,
): AsyncGenerator<DicomJson> {
  for await (const row of catalog.instancesOf(series.study, series.series)) {
    if (--budget.left <= 0) return
    const attributes = { ...above, ...instanceAttributes(row) }
    if (matchesQuery(attributes, match.instance)) yield attributes
  }
}

/** Rows are kept, so what is made of them is made once. */
const made = new WeakMap<StudyRow, DicomJson>()

function studyAttributes(row: StudyRow): DicomJson {
  const known = made.get(row)
  if (known !== undefined) return known
  const attributes = {
    ...row.attributes,
    [modalitiesInStudy]: element('CS', ...row.modalities),
    [seriesInStudy]: element('IS', row.series),
    [instancesInStudy]: element('IS', row.instances),
  }
  made.set(row, attributes)
  return attributes
}

const seriesAttributes = (row: SeriesRow): DicomJson => ({
  ...row.attributes,
  [instancesInSeries]: element('IS', row.instances),
})

const instanceAttributes = (row: InstanceRow): DicomJson => ({
  ...row.attributes,
  // Available Transfer Syntax UID (PS3.18 Table 10.6.3-5).
  '00083002': element('UI', row.transferSyntax),
  // The bytes are elsewhere (PS3.3 C.4.23.1.1).
  ...(row.evicted !== undefined && { '00080056': element('CS', 'OFFLINE') }),
})

const pageStudies = 128

/** Candidate studies, newest first, then by UID; many at a time. */
async function* findStudies(
  catalog: Source,
  query: Query,
  budget: Budget,
): AsyncGenerator<StudyRow[]> {
  const plan = planSearch(query)
  if (plan.by === 'keys' && plan.isOrdered) {
    for await (const found of studiesOfKeys(catalog, plan, budget)) yield* readPages(catalog, found)
    return
  }
  const studies = new Set<string>()
  if (plan.by === 'study') for (const study of plan.studies) studies.add(study)
  if (plan.by === 'instance') {
    for (const sop of plan.sops) studies.add(catalog.sop(sop)?.study ?? '')
  }
  if (plan.by === 'keys') {
    for await (const found of studiesOfKeys(catalog, plan, budget)) {
      for (const study of found) studies.add(study)
    }
  }
  const rows: StudyRow[] = []
  for await (const page of readPages(catalog, [...studies])) rows.push(...page)
  yield newestFirst(rows)
}

/** Rows are read without a wait; others have their turn between the pages. */
async function* readPages(catalog: Source, studies: readonly string[]): AsyncGenerator<StudyRow[]> {
  for (let at = 0; at < studies.length; at += pageStudies) {
    if (at > 0) await setImmediate()
    yield catalog.studies(studies.slice(at, at + pageStudies))
  }
}

/** Studies of the keys that a plan looks at, a page at a time. */
async function* studiesOfKeys(
  catalog: Source,
  { ranges, accepts }: KeyPlan,
  budget: Budget,
): AsyncGenerator<string[]> {
  for (const range of ranges) {
    for await (const page of catalog.keyPages(range)) {
      const looked = page.slice(0, Math.max(0, budget.left))
      budget.left -= page.length
      yield (accepts === undefined ? looked : looked.filter(accepts)).map(lastPart)
      if (budget.left <= 0) return
    }
  }
}

function newestFirst(rows: readonly StudyRow[]): StudyRow[] {
  return rows
    .map((row) => ({ row, order: orderOf(row) }))
    .sort((a, b) => compareText(a.order, b.order) || compareText(a.row.study, b.row.study))
    .map(({ row }) => row)
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const orders = new WeakMap<StudyRow, string>()

function orderOf(row: StudyRow): string {
  const known = orders.get(row)
  if (known !== undefined) return known
  const { attributes } = row
  const order = timeSearch(textOf(attributes, '00080020'), textOf(attributes, '00080030'))
  orders.set(row, order)
  return order
}
