import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../dicom/dicom-json.ts'

/** Attributes by the level they describe (PS3.4 C.6.2.1, PS3.18 Table 10.6.1-5); all others belong to the instance. */
const studyTags = new Set([
  '00080020',
  '00080030',
  '00080050',
  '00080051',
  '00080090',
  '00080201',
  '00081030',
  '00081032',
  '00081048',
  '00081060',
  '00081080',
  '00100010',
  '00100020',
  '00100021',
  '00100024',
  '00100030',
  '00100032',
  '00100040',
  '00101000',
  '00101001',
  '00101002',
  '00101010',
  '00101020',
  '00101030',
  '00102160',
  '001021B0',
  '00104000',
  '0020000D',
  '00200010',
  '00321032',
  '00321060',
])

const seriesTags = new Set([
  '00080021',
  '00080031',
  '00080060',
  '00080070',
  '00080080',
  '00081010',
  '00081040',
  '0008103E',
  '00081050',
  '00081070',
  '00081090',
  '00180015',
  '00181000',
  '00181020',
  '00181030',
  '00185100',
  '0020000E',
  '00200011',
  '00200052',
  '00200060',
  '00400244',
  '00400245',
  '00400253',
  '00400275',
])

export const isStudyTag = (tag: string): boolean => studyTags.has(tag)
export const isSeriesTag = (tag: string): boolean => seriesTags.has(tag)

export const pick = (attributes: DicomJson, wanted: (tag: string) => boolean): DicomJson =>
  Object.fromEntries(Object.entries(attributes).filter(([tag]) => wanted(tag)))

export const studyAttributes = (attributes: DicomJson): DicomJson => pick(attributes, isStudyTag)
export const seriesAttributes = (attributes: DicomJson): DicomJson => pick(attributes, isSeriesTag)

/** Attributes that are counted, not received. */
export const modalitiesInStudy = '00080061'
export const sopClassesInStudy = '00080062'
export const seriesInStudy = '00201206'
export const instancesInStudy = '00201208'
export const instancesInSeries = '00201209'
export const studiesOfPatient = '00201200'
export const seriesOfPatient = '00201202'
export const instancesOfPatient = '00201204'

/** How soon what is found can be had (PS3.3 §C.4.23.1.1): of several instances the one that is had last counts. */
export const instanceAvailability = '00080056'
export const availabilityOf = (isAway: boolean): DicomJsonElement => (isAway ? offline : online)
const online = { vr: 'CS', Value: ['ONLINE'] }
const offline = { vr: 'CS', Value: ['OFFLINE'] }

export const element = (vr: string, ...values: DicomJsonValue[]): DicomJsonElement =>
  values.length === 0 ? { vr } : { vr, Value: values }

/** First value as text; a person name by its alphabetic group; empty when there is none. */
export function textOf(attributes: DicomJson, tag: string): string {
  const value = attributes[tag]?.Value?.[0]
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object' || value === null) return ''
  const name = (value as { Alphabetic?: unknown }).Alphabetic
  return typeof name === 'string' ? name.trim() : ''
}
