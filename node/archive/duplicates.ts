import { storageLimits } from '#protocol/limits.ts'
import { textOf } from './attribute-levels.ts'
import type { StudyRow } from './catalog-rows.ts'
import { isVisible } from './catalog-rows.ts'
import { soundName } from './folding.ts'
import { issuerOfPatientId, patientId } from './overlay-view.ts'
import { isSurrogateId } from './patient-id.ts'

/** One patient as the studies that are shown under her name her. */
export type PatientSummary = {
  id: string
  issuer: string
  name: string
  birthDate: string
  sex: string
  /** 11 digits, when an identifier is a valid СНИЛС. */
  snils?: string
  studies: number
}

/** Two patients who may be one (DQ-21). Merging is somebody's decision. */
export type DuplicateCandidate = {
  patients: [PatientSummary, PatientSummary]
  /** `snils`: the same valid СНИЛС; `name`: the same birth date and names one letter apart at most. */
  because: 'snils' | 'name'
  /** The same СНИЛС and the same birth date: they are one. */
  isCertain: boolean
}

export type Duplicates = { candidates: DuplicateCandidate[]; more: boolean }

const groupMax = 200

/** Looks through all patients; the more certain come first. */
export async function findDuplicates(
  studies: AsyncIterable<StudyRow>,
  limit: number,
): Promise<Duplicates> {
  const patients = new Map<string, PatientSummary>()
  let left = storageLimits.searchScanMax
  for await (const row of studies) {
    if (--left < 0) break
    if (isVisible(row)) take(patients, row)
  }
  const found = new Map<string, DuplicateCandidate>()
  const groups = new Map<string, PatientSummary[]>()
  for (const patient of patients.values()) {
    for (const key of [`b${patient.birthDate}`, `s${patient.snils ?? ''}`]) {
      if (key.length > 1) groups.set(key, [...(groups.get(key) ?? []), patient].slice(0, groupMax))
    }
  }
  for (const group of groups.values()) comparePairs(group, found)
  const all = [...found.values()].toSorted((a, b) => Number(b.isCertain) - Number(a.isCertain))
  return { candidates: all.slice(0, limit), more: all.length > limit || left < 0 }
}

function take(patients: Map<string, PatientSummary>, { attributes }: StudyRow): void {
  const id = textOf(attributes, patientId)
  if (id === '' || isSurrogateId(id)) return
  const issuer = textOf(attributes, issuerOfPatientId)
  const key = JSON.stringify([id, issuer])
  const known = patients.get(key)
  const others = (attributes['00101000']?.Value ?? []).filter((one) => typeof one === 'string')
  const snils = [id, ...others].map(snilsOf).find((one) => one !== undefined)
  patients.set(key, {
    id,
    issuer,
    name: textOf(attributes, '00100010'),
    birthDate: textOf(attributes, '00100030'),
    sex: textOf(attributes, '00100040'),
    ...(snils !== undefined && { snils }),
    studies: (known?.studies ?? 0) + 1,
  })
}

function comparePairs(group: PatientSummary[], found: Map<string, DuplicateCandidate>): void {
  const heard = group.map(({ name }) => soundName(name))
  for (let i = 0; i < group.length; i++) {
    for (let j = i + 1; j < group.length; j++) {
      const [one, other] = [group[i], group[j]]
      if (one === undefined || other === undefined) continue
      const isSameSnils = one.snils !== undefined && one.snils === other.snils
      const isSameBirth = one.birthDate !== '' && one.birthDate === other.birthDate
      const isNear = isSameBirth && isOneApart(heard[i] ?? '', heard[j] ?? '')
      // Two different valid СНИЛС are two people.
      const areTwo = one.snils !== undefined && other.snils !== undefined && !isSameSnils
      if (areTwo || (!isSameSnils && !isNear)) continue
      const key = [one, other].map(({ id, issuer }) => JSON.stringify([id, issuer])).join()
      found.set(key, {
        patients: [one, other],
        because: isSameSnils ? 'snils' : 'name',
        isCertain: isSameSnils && isSameBirth,
      })
    }
  }
}

/** A СНИЛС by its check number (orders of the Pension Fund: numbers above 001-001-998 have one). */
export function snilsOf(text: string): string | undefined {
  const digits = text.replaceAll(/[\s-]/g, '')
  if (!/^\d{11}$/.test(digits) || Number(digits.slice(0, 9)) <= 1_001_998) return undefined
  let sum = 0
  for (let i = 0; i < 9; i++) sum += Number(digits.charAt(i)) * (9 - i)
  const check = (sum % 101) % 100
  return check === Number(digits.slice(9)) ? digits : undefined
}

/** Whether one letter added, left out or replaced makes one of the other; empty names tell nothing. */
export function isOneApart(one: string, other: string): boolean {
  if (one === '' || other === '' || Math.abs(one.length - other.length) > 1) return false
  let start = 0
  while (start < one.length && one[start] === other[start]) start++
  let end = 0
  const room = Math.min(one.length, other.length) - start
  while (end < room && one.at(-1 - end) === other.at(-1 - end)) end++
  return Math.max(one.length, other.length) - start - end <= 1
}
