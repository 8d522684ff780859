import { type Attributes, isAttributes, itemOf, numberOf, personOf, textOf } from './dicom-json.ts'
import { requestJson, transferMs } from './http.ts'

/** A row of the study list. */
export type Study = {
  uid: string
  patient: { name: string; id: string; birthDate: string; sex: string }
  date: string
  time: string
  description: string
  accession: string
  modalities: string[]
  holder: { name: string; oid: string }
  instances: number
  series: number
  availability: 'ONLINE' | 'NEARLINE' | 'OFFLINE'
}

export type SeriesSummary = {
  uid: string
  number: string
  modality: string
  description: string
  instances: number
}

/** What the reader asked for. Dates are `YYYYMMDD`, empty when open. */
export type StudyFilter = {
  scope: 'own' | 'region'
  text: string
  from: string
  to: string
  modality: string
}

const fields = '00081030,00080050,00100030,00100040,00201206,00201208,00080056,0040A07C'

/**
 * QIDO-RS keys of a filter (PS3.18 §10.6.1.2). A number may be an accession number or a patient's id, and QIDO cannot
 * say "or", so that search is two questions.
 */
export function searchesOf(filter: StudyFilter, page: { limit: number; offset: number }): string[] {
  const keys = textKeys(filter.text)
  return keys.map((key) => {
    const query = new URLSearchParams({ ...key, includefield: fields })
    if (filter.scope === 'region') query.set('scope', 'region')
    if (filter.from !== '' || filter.to !== '') query.set('StudyDate', dateRange(filter))
    if (filter.modality !== '') query.set('ModalitiesInStudy', filter.modality)
    query.set('limit', String(page.limit))
    query.set('offset', String(page.offset))
    return `/dicom-web/studies?${query.toString()}`
  })
}

function textKeys(text: string): Record<string, string>[] {
  const wanted = text.trim()
  if (wanted === '') return [{}]
  if (isUid(wanted)) return [{ StudyInstanceUID: wanted }]
  if (/^\p{L}[\p{L}\s.'’-]*$/u.test(wanted)) return [{ PatientName: namePattern(wanted) }]
  return [{ AccessionNumber: `${literal(wanted)}*` }, { PatientID: `${literal(wanted)}*` }]
}

/** A UID and not a date: roots have two components at least, and no date is this long (PS3.5 §9.1). */
const isUid = (text: string) => text.length > 10 && /^[0-2](\.\d+){2,}$/.test(text)

/** Every word may be the start of a component, in the order in which names are written. */
const namePattern = (text: string) =>
  text
    .split(/[\s^]+/)
    .map((word) => `${literal(word)}*`)
    .join('^')

/** What the reader types is text, not a pattern (PS3.4 C.2.2.2.4). */
const literal = (text: string) => text.replaceAll('*', '?')

const dateRange = ({ from, to }: StudyFilter) => (from === to ? from : `${from}-${to}`)

export type StudyPage = { studies: Study[]; more: boolean }

export async function searchStudies(
  filter: StudyFilter,
  page: { limit: number; offset: number },
  signal?: AbortSignal,
): Promise<StudyPage> {
  // One row more than shown says whether there is a next page.
  const searches = searchesOf(filter, { limit: page.limit + 1, offset: page.offset })
  const answers = await Promise.all(searches.map((path) => requestJson(path, { signal })))
  return pageOf(answers, page.limit)
}

export function pageOf(answers: readonly unknown[], limit: number): StudyPage {
  const studies = new Map<string, Study>()
  let more = false
  for (const answer of answers) {
    const rows = rowsOf(answer)
    if (rows.length > limit) more = true
    for (const row of rows.slice(0, limit)) {
      const study = studyOf(row)
      if (study.uid !== '') studies.set(study.uid, study)
    }
  }
  return { studies: [...studies.values()].toSorted(newestFirst), more }
}

const rowsOf = (answer: unknown): Attributes[] =>
  Array.isArray(answer) ? answer.filter(isAttributes) : []

const newestFirst = (one: Study, other: Study) =>
  compare(other.date, one.date) || compare(other.time, one.time) || compare(one.uid, other.uid)

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0)

export function studyOf(row: Attributes): Study {
  const availability = textOf(row, '00080056')
  return {
    uid: textOf(row, '0020000D') ?? '',
    patient: {
      name: personOf(row, '00100010'),
      id: textOf(row, '00100020') ?? '',
      birthDate: textOf(row, '00100030') ?? '',
      sex: textOf(row, '00100040') ?? '',
    },
    date: textOf(row, '00080020') ?? '',
    time: textOf(row, '00080030') ?? '',
    description: textOf(row, '00081030') ?? '',
    accession: textOf(row, '00080050') ?? '',
    modalities: modalitiesOf(row),
    holder: holderOf(row),
    instances: numberOf(row, '00201208') ?? 0,
    series: numberOf(row, '00201206') ?? 0,
    availability:
      availability === 'OFFLINE' || availability === 'NEARLINE' ? availability : 'ONLINE',
  }
}

/** Who has the study: an item of Custodial Organization Sequence. */
function holderOf(row: Attributes): Study['holder'] {
  const organization = itemOf(row, '0040A07C')
  const urn = textOf(itemOf(organization, '00080082'), '00080120') ?? ''
  return { name: textOf(organization, '00080080') ?? '', oid: urn.replace(/^urn:oid:/, '') }
}

function modalitiesOf(row: Attributes): string[] {
  const values = row['00080061']?.Value ?? row['00080060']?.Value ?? []
  return values.filter((value) => typeof value === 'string')
}

/** One study by its UID; nothing when it does not exist or may not be read. */
export async function loadStudy(uid: string, signal?: AbortSignal): Promise<Study | undefined> {
  const query = new URLSearchParams({
    StudyInstanceUID: uid,
    includefield: fields,
    scope: 'region',
  })
  const rows = rowsOf(await requestJson(`/dicom-web/studies?${query.toString()}`, { signal }))
  return rows.map(studyOf).find((study) => study.uid === uid)
}

/** As many series as a node gives at once; a study has far fewer. */
const seriesMax = 1000

export async function loadSeries(study: string, signal?: AbortSignal): Promise<SeriesSummary[]> {
  const path = `/dicom-web/studies/${study}/series?limit=${seriesMax}`
  const rows = rowsOf(await requestJson(path, { signal, limitMs: transferMs }))
  const series = rows.map((row) => ({
    uid: textOf(row, '0020000E') ?? '',
    number: textOf(row, '00200011') ?? '',
    modality: textOf(row, '00080060') ?? '',
    description: textOf(row, '0008103E') ?? '',
    instances: numberOf(row, '00201209') ?? 0,
  }))
  return series
    .filter(({ uid }) => uid !== '')
    .toSorted(
      (one, other) => Number(one.number) - Number(other.number) || compare(one.uid, other.uid),
    )
}

export async function loadMetadata(
  study: string,
  series: string,
  signal?: AbortSignal,
): Promise<Attributes[]> {
  const path = `/dicom-web/studies/${study}/series/${series}/metadata`
  const accept = 'application/dicom+json'
  return rowsOf(await requestJson(path, { accept, signal, limitMs: transferMs }))
}
