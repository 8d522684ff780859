/** What the staff of an organization do with its archive, and whose work each thing is (vocabulary.md, section 3). */
export const sectionRoles = {
  correction: ['radiographer', 'dept_head', 'mo_admin'],
  duplicates: ['dept_head', 'mo_admin'],
  encodings: ['mo_admin'],
  quarantine: ['mo_admin'],
  history: ['radiographer', 'dept_head', 'mo_admin', 'security_auditor'],
  referrals: ['radiographer', 'mo_admin'],
  media: ['radiographer', 'mo_admin'],
  archives: ['radiographer', 'mo_admin'],
  devices: ['mo_admin'],
  people: ['mo_admin'],
  sending: ['mo_admin'],
  access: ['mo_admin', 'head_of_mo'],
  emergencies: ['mo_admin', 'head_of_mo'],
  reconciliation: ['mo_admin', 'security_auditor'],
} as const satisfies Record<string, readonly string[]>

export type SectionName = keyof typeof sectionRoles

const names = Object.keys(sectionRoles) as SectionName[]

/** The node decides; this says only what is worth showing. */
export const sectionsOf = (roles: readonly string[]): SectionName[] =>
  names.filter((name) => sectionRoles[name].some((role) => roles.includes(role)))

export const isAllowed = (allowed: readonly string[], roles: readonly string[]): boolean =>
  allowed.some((role) => roles.includes(role))

/** Who may correct a patient's data, and who may hide a study. */
export const correctors = ['radiographer', 'dept_head', 'mo_admin'] as const
export const rejecters = ['dept_head', 'mo_admin'] as const

/** Who has a list of studies; the others begin with their work on the archive. */
const readers = ['radiographer', 'radiologist', 'diagnostician', 'dept_head', 'consultant'] as const
export const hasStudies = (roles: readonly string[]): boolean =>
  isAllowed(readers, roles) || sectionsOf(roles).length === 0

export const sectionAddress = (name: SectionName): string => `/desk/${name}`
/** A study as those see it who put it right. */
export const studyDeskAddress = (uid: string): string => `/desk/study/${uid}`
