import type { StoreItem } from '../../node/dimse/scu.ts'
import { storeItem } from '../modality/data-set.ts'
import { createRandom } from '../random.ts'

/** A set of studies that is the same wherever it is loaded; the instances hold a picture of 8 × 8 and a usual header. */
export type StudySet = {
  studies: readonly Described[]
  /** The instances of one study, from one number to another. */
  instances(study: Described, from: number, to: number, pixels?: Uint8Array): Generator<StoreItem>
}

export type Described = {
  index: number
  study: string
  name: string
  patientId: string
  accession: string
  date: string
  time: string
  modality: (typeof modalities)[number]
}

const modalities = ['CT', 'CT', 'MR', 'DX', 'DX', 'DX', 'US', 'MG', 'CR', 'XA'] as const
const sopClasses: Record<Described['modality'], string> = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
  MG: '1.2.840.10008.5.1.4.1.1.1.2',
  CR: '1.2.840.10008.5.1.4.1.1.1',
  XA: '1.2.840.10008.5.1.4.1.1.12.1',
}

/** Fifty: with twenty thousand studies, four hundred begin with each. Five hold VAN. */
const surnames =
  `IVANOV VANIN SELIVANOV KAVANOV VANEEV PETROV SIDOROV KUZNETSOV SMIRNOV POPOV VOLKOV SOKOLOV LEBEDEV
  KOZLOV NOVIKOV MOROZOV PAVLOV SEMENOV GOLUBEV VINOGRADOV BOGDANOV VOROBIEV FEDOROV MIKHAILOV BELIAEV TARASOV BELOV
  KOMAROV ORLOV KISELEV MAKAROV ANDREEV KOVALEV ILYIN GUSEV TITOV KUZMIN KUDRIAVTSEV BARANOV KULIKOV ALEKSEEV STEPANOV
  YAKOVLEV SOROKIN SERGEEV ROMANOV ZAKHAROV BORISOV KOROLEV GERASIMOV`
    .trim()
    .split(/\s+/)
const givens = ['PETR', 'ANNA', 'OLGA', 'IGOR', 'MARIA', 'PAVEL', 'ELENA', 'YURI', 'NINA', 'OLEG']
const firstYear = 2016
const years = 10
const seriesInstances = 25

export function createStudySet(count: number): StudySet {
  const random = createRandom(20_000)
  const studies = Array.from({ length: count }, (_, index): Described => {
    const patient = random.int(Math.ceil(count * 0.6))
    const surname = surnames[patient % surnames.length] ?? ''
    const given = givens[Math.floor(patient / surnames.length) % givens.length] ?? ''
    const month = random.int(years * 12)
    return {
      index,
      study: `2.25.7.${index + 1}`,
      name: `${surname}^${given}^P${patient}`,
      patientId: `P${String(patient).padStart(7, '0')}`,
      accession: `A${String(index).padStart(8, '0')}`,
      date: `${firstYear + Math.floor(month / 12)}${two((month % 12) + 1)}${two(1 + random.int(28))}`,
      time: `${two(random.int(24))}${two(random.int(60))}${two(random.int(60))}`,
      modality: random.pick(modalities),
    }
  })
  return { studies, instances: instancesOf }
}

function* instancesOf(
  study: Described,
  from: number,
  to: number,
  pixels: Uint8Array = new Uint8Array(64),
): Generator<StoreItem> {
  for (let number = from; number < to; number++) {
    const series = Math.floor(number / seriesInstances) + 1
    yield storeItem({
      '00080005': ['CS', 'ISO_IR 192'],
      '00080008': ['CS', ['ORIGINAL', 'PRIMARY']],
      '00080016': ['UI', sopClasses[study.modality]],
      '00080018': ['UI', `${study.study}.${series}.${number + 1}`],
      '00080020': ['DA', study.date],
      '00080030': ['TM', study.time],
      '00080050': ['SH', study.accession],
      '00080060': ['CS', study.modality],
      '00080070': ['LO', 'CAMI simulations'],
      '00080080': ['LO', 'CAMI simulations'],
      '00080090': ['PN', 'REFERRER^ONE'],
      '00081030': ['LO', 'Study for searches'],
      '0008103E': ['LO', `Series ${series}`],
      '00100010': ['PN', study.name],
      '00100020': ['LO', study.patientId],
      '00100030': ['DA', '19700101'],
      '00100040': ['CS', 'O'],
      '0020000D': ['UI', study.study],
      '0020000E': ['UI', `${study.study}.${series}`],
      '00200010': ['SH', study.accession.slice(-8)],
      '00200011': ['IS', series],
      '00200013': ['IS', number + 1],
      '00280002': ['US', 1],
      '00280004': ['CS', 'MONOCHROME2'],
      '00280010': ['US', 8],
      '00280011': ['US', 8],
      '00280100': ['US', 8],
      '00280101': ['US', 8],
      '00280102': ['US', 7],
      '00280103': ['US', 0],
      '7FE00010': ['OW', pixels],
    })
  }
}

const two = (value: number): string => String(value).padStart(2, '0')
