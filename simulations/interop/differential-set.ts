import type { StoreItem } from '../../node/dimse/scu.ts'
import { storeItem } from '../modality/data-set.ts'
import { createRandom, type Random } from '../random.ts'

/** One study of the set that both archives are given. */
export type SetStudy = {
  study: string
  patientId: string
  name: string
  birthDate: string
  sex: string
  date: string
  time: string
  accession: string
  studyId: string
  description: string
  series: { uid: string; modality: string; number: number; description: string; sops: string[] }[]
}

const surnames = [
  'IVANOV',
  'Ivanova',
  'PETROV',
  'Sidorov',
  "O'Brien",
  'VAN DER BERG',
  'Müller',
  'SMIRNOV',
  'ИВАНОВ',
  'Иванова',
  'Пётр',
  'ПЕТРОВ',
  'Щербаков',
  'ЁЛКИН',
  'Елкин',
  'Соловьёв',
] as const
const givens = ['PETR', 'Anna', 'Olga^M', 'ПЁТР', 'Анна', 'Юлия^И', ''] as const
const modalities = ['CT', 'MR', 'DX', 'US', 'MG'] as const
const sopClasses: Record<string, string> = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
  MG: '1.2.840.10008.5.1.4.1.1.1.2',
}
const descriptions = [
  'CHEST',
  'Chest PA',
  'КТ грудной клетки',
  'Head*neck',
  'ABDOMEN 1',
  '',
] as const
const sexes = ['M', 'F', 'O', ''] as const

type Patient = Pick<SetStudy, 'patientId' | 'name' | 'birthDate' | 'sex'>

/** Names of both alphabets in both cases, empty values, studies of two modalities: the same for the same seed. */
export function createSet(count: number, seed: number): SetStudy[] {
  const random = createRandom(seed)
  const patients = Array.from({ length: Math.ceil(count * 0.6) }, (_, index): Patient => {
    const given = random.pick(givens)
    return {
      patientId: `${random.pick(['P', 'p', 'ПАЦ'])}${1000 + index}`,
      name: `${random.pick(surnames)}${given === '' ? '' : `^${given}`}`,
      birthDate: random.int(10) === 0 ? '' : dateOf(random, 1930, 80),
      sex: random.pick(sexes),
    }
  })
  return Array.from({ length: count }, (_, index) => studyOf(random, index, patients))
}

function studyOf(random: Random, index: number, patients: readonly Patient[]): SetStudy {
  const patient = patients[random.int(patients.length)]
  if (patient === undefined) throw new Error('the set has no patients')
  const study = `2.25.8.${index + 1}`
  const series = Array.from({ length: 1 + random.int(2) }, (_, at) => ({
    uid: `${study}.${at + 1}`,
    modality: random.pick(modalities),
    number: at + 1,
    description: random.pick(descriptions),
    sops: Array.from({ length: 1 + random.int(2) }, (_, n) => `${study}.${at + 1}.${n + 1}`),
  }))
  const two = (value: number) => String(value).padStart(2, '0')
  return {
    ...patient,
    study,
    date: random.int(20) === 0 ? '' : dateOf(random, 2020, 6),
    time: `${two(random.int(24))}${two(random.int(60))}${random.int(3) === 0 ? '' : `${two(random.int(60))}.5`}`,
    accession: random.int(15) === 0 ? '' : `${random.pick(['A', 'a', ''])}${10_000 + index}`,
    studyId: String(random.int(50)),
    description: random.pick(descriptions),
    series,
  }
}

const dateOf = (random: Random, from: number, years: number): string =>
  `${from + random.int(years)}${String(1 + random.int(12)).padStart(2, '0')}${String(1 + random.int(28)).padStart(2, '0')}`

export function* instancesOf(one: SetStudy): Generator<StoreItem> {
  for (const { uid, modality, number, description, sops } of one.series) {
    for (const [index, sop] of sops.entries()) {
      yield storeItem({
        '00080005': ['CS', 'ISO_IR 192'],
        '00080016': ['UI', sopClasses[modality] ?? ''],
        '00080018': ['UI', sop],
        '00080020': ['DA', one.date],
        '00080030': ['TM', one.time],
        '00080050': ['SH', one.accession],
        '00080060': ['CS', modality],
        '00081030': ['LO', one.description],
        '0008103E': ['LO', description],
        '00100010': ['PN', one.name],
        '00100020': ['LO', one.patientId],
        '00100030': ['DA', one.birthDate],
        '00100040': ['CS', one.sex],
        '0020000D': ['UI', one.study],
        '0020000E': ['UI', uid],
        '00200010': ['SH', one.studyId],
        '00200011': ['IS', number],
        '00200013': ['IS', index + 1],
        '00280010': ['US', 2],
        '00280011': ['US', 2],
        '00280100': ['US', 8],
        '7FE00010': ['OW', new Uint8Array(4)],
      })
    }
  }
}
