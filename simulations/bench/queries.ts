import type { Random } from '../random.ts'
import type { Described, StudySet } from './study-set.ts'

/** One search in words that both C-FIND and QIDO-RS have. */
export type Wanted = Record<string, [vr: string, value: string]>

const letters = 5

/** The kinds of search that people make, each with other values every time. */
export const queryKinds: Record<string, (study: Described, random: Random) => Wanted> = {
  'by UID': ({ study }) => ({ '0020000D': ['UI', study] }),
  'by patient': ({ patientId }) => ({ '00100020': ['LO', patientId] }),
  'by accession': ({ accession }) => ({ '00080050': ['SH', accession] }),
  'name prefix': ({ name }) => ({ '00100010': ['PN', `${name.slice(0, letters)}*`] }),
  infix: ({ name }) => ({ '00100010': ['PN', `*${name.slice(1, 4)}*`] }),
  month: ({ date }) => ({ '00080020': ['DA', monthOf(date)] }),
  'modality and month': ({ date, modality }) => ({
    '00080020': ['DA', monthOf(date)],
    '00080061': ['CS', modality],
  }),
}

export const titleOf = (service: 'QIDO' | 'C-FIND', kind: string): string => `${service} ${kind}`

const monthOf = (date: string): string => `${date.slice(0, 6)}01-${date.slice(0, 6)}31`

export function pickStudy({ studies }: StudySet, count: number, random: Random): Described {
  const study = studies[random.int(Math.min(count, studies.length))]
  if (study === undefined) throw new Error('the set is empty')
  return study
}
