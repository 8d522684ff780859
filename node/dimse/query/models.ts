/** Query/retrieve information models (PS3.4 §C.3, §C.6): their SOP classes and levels. */

export type Level = 'PATIENT' | 'STUDY' | 'SERIES' | 'IMAGE'

const patientRoot: readonly Level[] = ['PATIENT', 'STUDY', 'SERIES', 'IMAGE']
const studyRoot: readonly Level[] = ['STUDY', 'SERIES', 'IMAGE']
const patientStudyOnly: readonly Level[] = ['PATIENT', 'STUDY']

const classes = (service: 1 | 2 | 3): ReadonlyMap<string, readonly Level[]> =>
  new Map([
    [`1.2.840.10008.5.1.4.1.2.1.${service}`, patientRoot],
    [`1.2.840.10008.5.1.4.1.2.2.${service}`, studyRoot],
    // Retired, and still what some old workstations ask for.
    [`1.2.840.10008.5.1.4.1.2.3.${service}`, patientStudyOnly],
  ])

export const findModels = classes(1)
export const moveModels = classes(2)
export const getModels = classes(3)

/** The unique key of each level, from the top down. */
export const uniqueKeys: Record<Level, string> = {
  PATIENT: '00100020',
  STUDY: '0020000D',
  SERIES: '0020000E',
  IMAGE: '00080018',
}

export const queryRetrieveLevel = '00080052'
export const retrieveAeTitle = '00080054'
