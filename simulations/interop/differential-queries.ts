import type { Random } from '../random.ts'
import type { SetStudy } from './differential-set.ts'

export const levels = ['PATIENT', 'STUDY', 'SERIES', 'IMAGE'] as const
export type Level = (typeof levels)[number]
export type Asked = {
  service: 'C-FIND' | 'QIDO-RS'
  level: Level
  /** What the query tries, in a few words. */
  kind: string
  /** Values by tag of eight digits. */
  keys: Record<string, string>
}

/** What identifies a row of each level. */
export const uidTags: Record<Level, string> = {
  PATIENT: '00100020',
  STUDY: '0020000D',
  SERIES: '0020000E',
  IMAGE: '00080018',
}

type Kind = [
  kind: string,
  make: (one: SetStudy, other: SetStudy, random: Random) => Record<string, string>,
]

const swapCase = (text: string): string =>
  text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase()
const month = (date: string): string => (date === '' ? '20220101' : date)
const head = (text: string, length: number): string => Array.from(text).slice(0, length).join('')

const names: Kind[] = [
  ['name, as stored', ({ name }) => ({ '00100010': name })],
  ['name, other case', ({ name }) => ({ '00100010': swapCase(name) })],
  ['name, prefix', ({ name }) => ({ '00100010': `${head(name, 4)}*` })],
  ['name, prefix, other case', ({ name }) => ({ '00100010': `${swapCase(head(name, 4))}*` })],
  ['name, infix', ({ name }) => ({ '00100010': `*${head(name, 5).slice(1)}*` })],
  ['name, one letter open', ({ name }) => ({ '00100010': `?${name.slice(1)}` })],
  ['name, Cyrillic prefix', () => ({ '00100010': 'ИВАН*' })],
  [
    'name, ё written е',
    ({ name }) => ({ '00100010': `${name.replaceAll('ё', 'е').replaceAll('Ё', 'Е')}*` }),
  ],
  ['name, star alone', () => ({ '00100010': '*' })],
  ['patient id', ({ patientId }) => ({ '00100020': patientId })],
  ['patient id, other case', ({ patientId }) => ({ '00100020': swapCase(patientId) })],
  ['patient id, wildcard', ({ patientId }) => ({ '00100020': `${head(patientId, 3)}*` })],
  [
    'birth date, range',
    ({ birthDate }) => ({
      '00100030': `${month(birthDate).slice(0, 4)}0101-${month(birthDate).slice(0, 4)}1231`,
    }),
  ],
  ['sex', ({ sex }) => ({ '00100040': sex === '' ? 'M' : sex })],
]

const studies: Kind[] = [
  ['nothing', () => ({})],
  ['UID', ({ study }) => ({ '0020000D': study })],
  ['list of UIDs', (one, other) => ({ '0020000D': `${one.study}\\${other.study}` })],
  ['date', ({ date }) => ({ '00080020': month(date) })],
  [
    'date, range',
    ({ date }) => ({ '00080020': `${month(date).slice(0, 6)}01-${month(date).slice(0, 6)}31` }),
  ],
  ['date, until', ({ date }) => ({ '00080020': `-${month(date)}` })],
  ['date, from', ({ date }) => ({ '00080020': `${month(date)}-` })],
  ['time, range', () => ({ '00080030': '0800-1159' })],
  ['time, as stored', ({ time }) => ({ '00080030': time })],
  [
    'date and time, range',
    ({ date }) => ({
      '00080020': `${month(date).slice(0, 4)}0101-${month(date)}`,
      '00080030': '1000-1800',
    }),
  ],
  ['accession', ({ accession }) => ({ '00080050': accession })],
  ['accession, other case', ({ accession }) => ({ '00080050': swapCase(accession) })],
  ['accession, wildcard', ({ accession }) => ({ '00080050': `${head(accession, 4)}*` })],
  ['study id', ({ studyId }) => ({ '00200010': studyId })],
  ['description', ({ description }) => ({ '00081030': description })],
  ['description, other case', ({ description }) => ({ '00081030': swapCase(description) })],
  ['description, wildcard', ({ description }) => ({ '00081030': `${head(description, 3)}*` })],
  ['modality', ({ series }) => ({ '00080061': series[0]?.modality ?? '' })],
  ['list of modalities', () => ({ '00080061': 'CT\\MR' })],
  [
    'modality and month',
    ({ series, date }) => ({
      '00080061': series[0]?.modality ?? '',
      '00080020': `${month(date).slice(0, 6)}01-${month(date).slice(0, 6)}31`,
    }),
  ],
]

const within = ({ study }: SetStudy) => ({ '0020000D': study })
const series: Kind[] = [
  ['all of a study', within],
  ['modality', (one) => ({ ...within(one), '00080060': one.series[0]?.modality ?? '' })],
  ['description', (one) => ({ ...within(one), '0008103E': one.series[0]?.description ?? '' })],
  [
    'description, wildcard',
    (one) => ({ ...within(one), '0008103E': `${head(one.series[0]?.description ?? '', 3)}*` }),
  ],
  ['number', (one) => ({ ...within(one), '00200011': '1' })],
  [
    'list of UIDs',
    (one) => ({ ...within(one), '0020000E': one.series.map(({ uid }) => uid).join('\\') }),
  ],
  ['a study that is not there', () => ({ '0020000D': '2.25.8.999999' })],
]

const images: Kind[] = [
  ['all of a series', (one) => ({ ...within(one), '0020000E': one.series[0]?.uid ?? '' })],
  ['number', (one) => ({ ...within(one), '0020000E': one.series[0]?.uid ?? '', '00200013': '1' })],
  [
    'UID',
    (one) => ({
      ...within(one),
      '0020000E': one.series[0]?.uid ?? '',
      '00080018': one.series[0]?.sops[0] ?? '',
    }),
  ],
  [
    'list of UIDs',
    (one) => ({
      ...within(one),
      '0020000E': one.series[0]?.uid ?? '',
      '00080018': one.series[0]?.sops.join('\\') ?? '',
    }),
  ],
  [
    'SOP class',
    (one) => ({
      ...within(one),
      '0020000E': one.series[0]?.uid ?? '',
      '00080016': '1.2.840.10008.5.1.4.1.1.2',
    }),
  ],
]

const kindsOf: Record<Level, Kind[]> = {
  PATIENT: names,
  STUDY: [...names, ...studies],
  SERIES: series,
  IMAGE: images,
}

/** As many queries of each service and level as there are kinds, and again, until there are enough. */
export function createQueries(set: readonly SetStudy[], count: number, random: Random): Asked[] {
  const pick = (): SetStudy => {
    const one = set[random.int(set.length)]
    if (one === undefined) throw new Error('the set is empty')
    return one
  }
  const plan = (['C-FIND', 'QIDO-RS'] as const).flatMap((service) =>
    levels
      // QIDO-RS has no patients (PS3.18 §10.6.1).
      .filter((level) => service === 'C-FIND' || level !== 'PATIENT')
      .flatMap((level) => kindsOf[level].map((kind) => ({ service, level, kind }))),
  )
  return Array.from({ length: count }, (_, index) => {
    const entry = plan[index % plan.length]
    if (entry === undefined) throw new Error('there is nothing to ask')
    const { service, level, kind } = entry
    return { service, level, kind: kind[0], keys: kind[1](pick(), pick(), random) }
  })
}
