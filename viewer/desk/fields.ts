import type { Finding, Patient } from './api.ts'

/** A person's name as people write it; the parts after the third (prefix, suffix) stay as they came. */
export type NameParts = { surname: string; given: string; patronymic: string }

/** The first group of a DICOM person name (PS3.5 §6.2.1) by its parts. */
export function partsOf(name: string): NameParts {
  const [surname = '', given = '', patronymic = ''] = groupOf(name).split('^')
  return { surname, given, patronymic }
}

/** The name with these parts: what was not asked about is kept. */
export function nameWith(name: string, parts: NameParts): string {
  const rest = groupOf(name).split('^').slice(3)
  const group = [parts.surname, parts.given, parts.patronymic, ...rest].map(plain).join('^')
  const groups = name.split('=')
  return [group.replace(/\^+$/, ''), ...groups.slice(1)].join('=')
}

const groupOf = (name: string): string => name.split('=')[0] ?? ''

/** `Иванов^Пётр^Сергеевич` as `Иванов Пётр Сергеевич`. */
export const personText = (name: string): string =>
  groupOf(name).split('^').filter(Boolean).join(' ')

/** Without what separates the parts of a name or the values of an attribute. */
const plain = (text: string): string => text.trim().replaceAll(/[\^=\\]|\p{Cc}/gu, ' ')

/** `1970-01-31` of a date input, from `19700131`; empty when it is no such date. */
export const isoDateOf = (dicom: string): string =>
  /^\d{8}$/.test(dicom) ? `${dicom.slice(0, 4)}-${dicom.slice(4, 6)}-${dicom.slice(6)}` : ''
export const dicomDateFrom = (iso: string): string => iso.replaceAll('-', '')

export type PatientFields = NameParts & { id: string; birthDate: string; sex: string }

export const fieldsOf = (patient: Patient): PatientFields => ({
  ...partsOf(patient.name),
  id: patient.id,
  birthDate: isoDateOf(patient.birthDate),
  sex: patient.sex,
})

/** Attributes that the form changes; what was left alone is not sent. */
export function changesOf(was: Patient, now: PatientFields): { tag: string; new: string[] }[] {
  const before = fieldsOf(was)
  const isRenamed =
    before.surname !== now.surname ||
    before.given !== now.given ||
    before.patronymic !== now.patronymic
  const valued = (tag: string, value: string) => ({ tag, new: value === '' ? [] : [value] })
  return [
    ...(isRenamed ? [valued('00100010', nameWith(was.name, now))] : []),
    ...(before.id === now.id ? [] : [valued('00100020', now.id.trim())]),
    ...(before.birthDate === now.birthDate
      ? []
      : [valued('00100030', dicomDateFrom(now.birthDate))]),
    ...(before.sex === now.sex ? [] : [valued('00100040', now.sex)]),
  ]
}

/** A number that the archive gave where a device sent none (DQ-02). */
export const isProvisional = (id: string): boolean => /^Q-[\d.]+-\d+$/.test(id)

/** One line per rule and detail: ten series may say the same. */
export function distinctFindings(findings: readonly Finding[]): Finding[] {
  const seen = new Map<string, Finding>()
  for (const finding of findings) {
    const key = `${finding.code} ${finding.action} ${finding.detail ?? ''}`
    if (!seen.has(key)) seen.set(key, finding)
  }
  const weight = { correct: 0, warn: 1, note: 2 }
  return [...seen.values()].toSorted((a, b) => weight[a.action] - weight[b.action])
}

/** Whose objects wait: AE title and address, as the node writes them. */
export function callerOf(source: string): { aeTitle: string; address: string } {
  const at = source.lastIndexOf(' ')
  return at < 0
    ? { aeTitle: source, address: '' }
    : { aeTitle: source.slice(0, at), address: source.slice(at + 1) }
}
