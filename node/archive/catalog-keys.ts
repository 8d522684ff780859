import { foldIdentifier } from './folding.ts'

/**
 * Keys of the catalog: a letter for the kind, then parts separated by NUL, which no part contains. Text order is the
 * order in which rows are read: study keys by time carry the nines' complement, so that the newest comes first.
 */
const part = '\0'
const joined = (...parts: readonly string[]): string => parts.join(part)
const number = (value: number): string => String(value).padStart(16, '0')

export const ledgerKey = 'ledger'
export const formatKey = 'format'
export const positionKey = (segment: number): string => joined('p', number(segment))
/** Numbers of the newest batches. */
export const batchKey = (slot: number): string => joined('w', number(slot))
export const studyKey = (study: string): string => joined('s', study)
export const seriesKey = (study: string, series: string): string => joined('e', study, series)
export const instanceKey = (study: string, series: string, sop: string): string =>
  joined('i', study, series, sop)
/** Where an instance is, by its UID alone. */
export const sopKey = (sop: string): string => joined('o', sop)
export const seriesStudyKey = (series: string, study: string): string => joined('u', series, study)
export const chunksKey = (sop: string): string => joined('c', sop)
/** One record may change several studies: an overlay on their patient. */
export const changeKey = (seq: number, study = ''): string => joined('h', number(seq), study)
export const changeSeqOf = (key: string): number => Number(key.split(part)[1])
export const openKey = (study: string): string => joined('t', study)
export const entryKey = (seq: number): string => joined('n', number(seq))
export const quarantineKey = (seq: number): string => joined('q', number(seq))
export const quarantinedKey = (sop: string, sha256: string): string => joined('k', sop, sha256)
/** An instance whose bytes no longer match their digest. */
export const corruptKey = (sop: string): string => joined('b', sop)
/** A study in which somebody must correct something. */
export const attentionKey = (study: string): string => joined('aq', study)
export const overlayKey = (seq: number): string => joined('ov', number(seq))
export const isOverlay = (key: string): boolean => key.startsWith(joined('ov', ''))
/** Numbers of the overlays on one thing. */
export const targetKey = (...parts: readonly string[]): string => joined('ot', ...parts)
/** Number of the overlay that ends another one. */
export const revertKey = (seq: number): string => joined('or', number(seq))
/** Numbers of the overlays that release a quarantine entry. */
export const releaseKey = (entry: number): string => joined('ol', number(entry))
export const quarantineChunksKey = (entry: number): string => joined('oc', number(entry))
/** Studies of one patient. */
export const patientStudyKey = (patient: string, study: string): string =>
  joined('oy', patient, study)

/** A patient is an identifier and who issued it. */
export const patientKey = (id: string, issuer: string): string =>
  joined(searchText(foldIdentifier(id)), searchText(issuer.trim()))

export type KeyRange = { gte: string; lt: string }
/** All keys below these parts. */
export function rangeOf(...parts: readonly string[]): KeyRange {
  const start = joined(...parts)
  return { gte: start + part, lt: `${start}\u{1}` }
}
/** All keys whose last given part begins with its text. */
export function prefixRange(...parts: readonly string[]): KeyRange {
  const start = joined(...parts)
  return { gte: start, lt: `${start}\u{10ffff}` }
}
export const lastPart = (key: string): string => key.slice(key.lastIndexOf(part) + 1)
/** The value that a search key is made of; as much of it as the key holds. */
export const searchedText = (key: string): string =>
  key.slice(key.indexOf(part) + 1, key.lastIndexOf(part))

/** Search keys hold this much of a value: enough to be selective, never enough to fill a block. */
export const searchTextMax = 128
export const searchText = (text: string): string =>
  text.replaceAll(part, ' ').slice(0, searchTextMax)

/** Which attribute a search key is made of. */
export const searchKinds = {
  patient: 'xp',
  accession: 'xa',
  name: 'xn',
  date: 'xd',
  modality: 'xm',
}

export const patientSearch = (id: string): string => searchText(foldIdentifier(id))
export const accessionSearch = (accession: string): string => searchText(accession.trim())
export const nameSearch = (folded: string): string => searchText(folded)

/** Digits of a date and time turned round: later ones sort first, studies without a date last. */
export function timeSearch(date: string, time: string): string {
  const digits = date.replaceAll(/[.-]/g, '')
  if (!/^\d{8}$/.test(digits)) return '~'
  const rest = /^\d{2,6}/.exec(time.replaceAll(':', ''))?.[0] ?? ''
  return String(99_999_999_999_999 - Number(digits + rest.padEnd(6, '0'))).padStart(14, '0')
}

/** Keys by which a study is found. */
export function searchKeys(study: {
  study: string
  patientIds: readonly string[]
  accession: string
  names: readonly string[]
  date: string
  time: string
  modalities: readonly string[]
}): string[] {
  const time = timeSearch(study.date, study.time)
  const keys = [joined(searchKinds.date, time, study.study)]
  for (const modality of study.modalities) {
    keys.push(joined(searchKinds.modality, searchText(modality), time, study.study))
  }
  for (const patient of new Set(study.patientIds.map(patientSearch))) {
    if (patient !== '') keys.push(joined(searchKinds.patient, patient, study.study))
  }
  const accession = accessionSearch(study.accession)
  if (accession !== '') keys.push(joined(searchKinds.accession, accession, study.study))
  for (const name of study.names) {
    const text = nameSearch(name)
    if (text !== '') keys.push(joined(searchKinds.name, text, study.study))
  }
  return keys
}
