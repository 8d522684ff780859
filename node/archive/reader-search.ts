import type { DicomJson } from '../dicom/dicom-json.ts'
import type {
  InstanceEntry,
  Query,
  QueryResult,
  SeriesEntry,
  StudyEntry,
  StudyReader,
} from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInSeries,
  instancesInStudy,
  modalitiesInStudy,
  seriesInStudy,
  sopClassesInStudy,
  studyAttributes,
  textOf,
} from './attribute-levels.ts'
import {
  createFoundBy,
  matchersOf,
  matchesStudy,
  type FoundBy,
  type Matchers,
} from './level-matchers.ts'

type Reader = Pick<StudyReader, 'study' | 'series' | 'instances' | 'about'>

/**
 * Series or instances of one open study, each with what its study and series say, matched and ordered as a search of
 * the archive does it; also of a study whose own row is with another organization.
 */
export async function searchReader(
  reader: Reader,
  query: Omit<Query, 'study'>,
): Promise<QueryResult> {
  const { level, series, offset, limit } = query
  const match = matchersOf(query.match)
  const isDeep = level === 'instance' || match.instance !== undefined
  const [about, all, instances] = await Promise.all([
    aboutOf(reader),
    reader.series(),
    isDeep ? reader.instances(series) : [],
  ])
  if (!matchesStudy(about, match.study)) return { matches: [], more: false }
  const foundBy = createFoundBy(query.match)
  const rows = {
    about,
    match,
    foundBy,
    level,
    instances: Map.groupBy(instances, (one) => one.series),
  }
  const matches = all
    .filter((one) => series === undefined || one.series === series)
    .flatMap((one) => rowsOf(one, rows))
  return { matches: matches.slice(offset, offset + limit), more: matches.length > offset + limit }
}

type Rows = {
  about: StudyEntry
  match: Matchers
  foundBy: FoundBy
  level: Query['level']
  instances: ReadonlyMap<string, readonly InstanceEntry[]>
}

/** What is found in one series: itself, or its instances. */
function rowsOf(
  entry: SeriesEntry,
  { about, match, foundBy, level, instances }: Rows,
): DicomJson[] {
  const series = { ...about.attributes, ...seriesRow(entry) }
  if (match.series?.(series) === false) return []
  if (level !== 'instance' && match.instance === undefined) return [series]
  const found = (instances.get(entry.series) ?? [])
    .map((one): DicomJson => ({ ...series, ...instanceRow(one) }))
    .filter((row) => match.instance?.(row) !== false)
  if (level === 'instance') return found
  const [below] = found
  return below === undefined ? [] : [foundBy(series, below)]
}

const seriesRow = ({ study, series, instances, attributes }: SeriesEntry): DicomJson => ({
  // Not every holder says how soon it can be had.
  [instanceAvailability]: availabilityOf(false),
  ...attributes,
  '0020000D': element('UI', study),
  '0020000E': element('UI', series),
  [instancesInSeries]: element('IS', instances),
})

const instanceRow = (entry: InstanceEntry): DicomJson => ({
  ...entry.attributes,
  '00080016': element('UI', entry.sopClass),
  '00080018': element('UI', entry.sop),
  [instanceAvailability]: availabilityOf(entry.evicted !== undefined),
  '00083002': element('UI', entry.transferSyntax),
  '0020000D': element('UI', entry.study),
  '0020000E': element('UI', entry.series),
})

/** What the study says of itself; where its row is not here, what its earliest instance says, and what can be counted. */
async function aboutOf(reader: Reader): Promise<StudyEntry> {
  if (reader.about !== undefined) return await reader.about()
  const instances = await reader.instances()
  const [first] = instances.toSorted((one, other) => one.receivedAt - other.receivedAt)
  const distinct = (of: (one: InstanceEntry) => string): string[] =>
    [...new Set(instances.map(of))].filter((text) => text !== '').toSorted()
  return {
    also: [],
    attributes: {
      ...studyAttributes(first?.attributes ?? {}),
      '0020000D': element('UI', reader.study),
      [instanceAvailability]: availabilityOf(false),
      [modalitiesInStudy]: element('CS', ...distinct((one) => textOf(one.attributes, '00080060'))),
      [sopClassesInStudy]: element('UI', ...distinct((one) => one.sopClass)),
      [seriesInStudy]: element('IS', distinct((one) => one.series).length),
      [instancesInStudy]: element('IS', instances.length),
    },
  }
}
