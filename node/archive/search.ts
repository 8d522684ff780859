import { setImmediate } from 'node:timers/promises'
import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Query, QueryResult } from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInSeries,
  textOf,
} from './attribute-levels.ts'
import { lastPart, timeSearch } from './catalog-keys.ts'
import type { InstanceRow, SeriesRow, StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import {
  createFoundBy,
  matchersOf,
  matchesStudy,
  type FoundBy,
  type Matchers,
} from './level-matchers.ts'
import { patientRows } from './patient-rows.ts'
import { planSearch, type KeyPlan } from './search-plan.ts'
import { studyEntry } from './study-entry.ts'

type Source = Pick<
  Catalog,
  'keyPages' | 'studies' | 'seriesOf' | 'instancesOf' | 'sop' | 'instance' | 'series'
>

/** Answers a query from the catalog. */
export async function searchCatalog(catalog: Source, query: Query): Promise<QueryResult> {
  const matches: DicomJson[] = []
  const budget = { left: storageLimits.searchScanMax }
  let skipped = 0
  const found = findMatches(catalog, query, budget)
  const { level, match } = query
  const rows = level === 'patient' ? patientRows(catalog, found, { match, budget }) : found
  for await (const some of rows) {
    for (const row of some) {
      if (skipped < query.offset) skipped++
      else if (matches.length < query.limit) matches.push(row)
      else return { matches, more: true }
    }
  }
  return { matches, more: budget.left <= 0 }
}

/** How many rows may still be looked at: a search that finds little in much ends with `more`. */
type Budget = { left: number }

/** Matches in the order of the answer, as many at a time as are found without a wait; of patients, their studies. */
async function* findMatches(
  catalog: Source,
  query: Query,
  budget: Budget,
): AsyncGenerator<DicomJson[]> {
  const match = matchersOf(query.match)
  const isAbove =
    match.series === undefined && match.instance === undefined && query.series === undefined
  const isOfStudies = query.level === 'patient' || query.level === 'study'
  const foundBy = createFoundBy(query.match)
  const search = { catalog, query, match, foundBy, budget }
  for await (const studies of findStudies(catalog, query, budget)) {
    const found = studies.filter((study) => matchesStudy(studyEntry(study), match.study))
    if (isOfStudies && isAbove) {
      yield found.map((study) => studyEntry(study).attributes)
      continue
    }
    for (const study of found) {
      if (!isOfStudies) {
        for await (const one of seriesMatches(search, study)) yield [one]
        continue
      }
      const below = await firstOf(seriesMatches(search, study))
      if (below !== undefined) yield [foundBy(studyEntry(study).attributes, below)]
    }
  }
}

async function firstOf(matches: AsyncIterable<DicomJson>): Promise<DicomJson | undefined> {
  for await (const match of matches) return match
  return undefined
}

type SeriesSearch = {
  catalog: Source
  query: Query
  match: Matchers
  foundBy: FoundBy
  budget: Budget
}

/** Matches below one study: its series, or their instances. */
async function* seriesMatches(search: SeriesSearch, study: StudyRow): AsyncGenerator<DicomJson> {
  const { catalog, query, match, foundBy, budget } = search
  for (const row of await catalog.seriesOf(study.study)) {
    if (--budget.left <= 0) return
    if (query.series !== undefined && row.series !== query.series) continue
    const attributes = { ...studyEntry(study).attributes, ...seriesAttributes(row) }
    if (match.series?.(attributes) === false) continue
    if (query.level === 'instance') {
      yield* instanceMatches(search, row, attributes)
    } else if (match.instance === undefined) {
      yield attributes
    } else {
      const below = await firstOf(instanceMatches(search, row, attributes))
      if (below !== undefined) yield foundBy(attributes, below)
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
    if (match.instance?.(attributes) !== false) yield attributes
  }
}

const seriesAttributes = (row: SeriesRow): DicomJson => ({
  ...row.attributes,
  [instanceAvailability]: availabilityOf(row.away !== undefined),
  [instancesInSeries]: element('IS', row.instances),
})

const instanceAttributes = (row: InstanceRow): DicomJson => ({
  ...row.attributes,
  // Available Transfer Syntax UID (PS3.18 Table 10.6.3-5).
  '00083002': element('UI', row.transferSyntax),
  [instanceAvailability]: availabilityOf(row.evicted !== undefined),
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
  const sorted = newestFirst(rows)
  for (let at = 0; at < sorted.length; at += pageStudies) yield sorted.slice(at, at + pageStudies)
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
