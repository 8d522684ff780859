import type { Person } from '../people.ts'
import type { Random } from '../random.ts'
import type { Elements } from './data-set.ts'

/** Who, when and where of a synthetic study: the modules that every image of it shares (PS3.3 C.7). */
export type StudyContext = {
  patient: Person
  /** Organization OID: the issuer of the patient's number. */
  issuer: string
  institution: string
  studyUid: string
  /** `YYYYMMDD`. */
  date: string
  /** `HHMMSS`. */
  time: string
  accession: string
  description: string
  referrer: string
}

export type SeriesContext = {
  modality: string
  number: number
  description: string
  bodyPart: string
  sopClass: string
  manufacturer: string
  model: string
}

/** A UID under the UUID arc (PS3.5 B.2). */
export function createUid(random: Random): string {
  let value = 0n
  for (const byte of random.bytes(16)) value = (value << 8n) | BigInt(byte)
  return `2.25.${value}`
}

export function studyElements(context: StudyContext): Elements {
  const { patient } = context
  return {
    '00080005': ['CS', 'ISO_IR 192'],
    '00080020': ['DA', context.date],
    '00080030': ['TM', context.time],
    '00080050': ['SH', context.accession],
    '00080080': ['LO', context.institution],
    '00080090': ['PN', context.referrer],
    '00081030': ['LO', context.description],
    '00100010': ['PN', patient.name],
    '00100020': ['LO', patient.id],
    '00100021': ['LO', context.issuer],
    '00100030': ['DA', patient.birthDate],
    '00100040': ['CS', patient.sex],
    '00101020': ['DS', patient.heightM],
    '00101030': ['DS', patient.weightKg],
    '0020000D': ['UI', context.studyUid],
    '00200010': ['SH', context.accession.slice(-8)],
  }
}

export function seriesElements(series: SeriesContext, seriesUid: string): Elements {
  return {
    '00080016': ['UI', series.sopClass],
    '00080060': ['CS', series.modality],
    '00080070': ['LO', series.manufacturer],
    '0008103E': ['LO', series.description],
    '00081090': ['LO', series.model],
    '00180015': ['CS', series.bodyPart],
    '00181000': ['LO', `SIM-${series.modality}-01`],
    '00181020': ['LO', 'simulation 1'],
    '0020000E': ['UI', seriesUid],
    '00200011': ['IS', series.number],
  }
}

export type PixelFormat = {
  rows: number
  columns: number
  bitsStored: number
  signed?: boolean
  photometric?: string
  samples?: number
  frames?: number
  window?: { center: number; width: number }
  /** Millimetres between rows, between columns. */
  spacing?: readonly [number, number]
}

/** Image Pixel and window (PS3.3 C.7.6.3, C.11.2); 8 bits are allocated for colour and 8-bit images, 16 otherwise. */
export function pixelElements(format: PixelFormat, pixels: ArrayBufferView): Elements {
  const { samples = 1, frames, window, spacing, signed = false } = format
  const allocated = format.bitsStored > 8 ? 16 : 8
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)
  return {
    '00280002': ['US', samples],
    '00280004': ['CS', format.photometric ?? 'MONOCHROME2'],
    ...(samples > 1 && { '00280006': ['US', 0] as const }),
    ...(frames !== undefined && { '00280008': ['IS', frames] as const }),
    '00280010': ['US', format.rows],
    '00280011': ['US', format.columns],
    ...(spacing !== undefined && { '00280030': ['DS', spacing] as const }),
    '00280100': ['US', allocated],
    '00280101': ['US', format.bitsStored],
    '00280102': ['US', format.bitsStored - 1],
    '00280103': ['US', signed ? 1 : 0],
    ...(window !== undefined && {
      '00281050': ['DS', window.center] as const,
      '00281051': ['DS', window.width] as const,
    }),
    '7FE00010': [allocated === 16 ? 'OW' : 'OB', bytes],
  }
}
