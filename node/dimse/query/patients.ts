import { availabilityOf, instanceAvailability } from '../../archive/attribute-levels.ts'
import type { DicomJson } from '../../dicom/dicom-json.ts'
import { textOf } from './keys.ts'

const identifier = '00100020'
const issuer = '00100021'
const counts = { studies: '00201200', series: '00201202', instances: '00201204' } as const

/** The patients of studies: whose identifier and its issuer are the same is one patient, each unidentified study its own. */
export function patientsOf(studies: readonly DicomJson[]): DicomJson[] {
  const patients = new Map<string, { attributes: DicomJson; totals: Totals }>()
  studies.forEach((study, index) => {
    const id = text(study, identifier)
    const key = id === '' ? `${index}` : `${id}\\${text(study, issuer)}`
    const found = patients.get(key) ?? { attributes: patientOnly(study), totals: [0, 0, 0] }
    patients.set(key, found)
    found.totals[0] += 1
    found.totals[1] += Number(text(study, '00201206'))
    found.totals[2] += Number(text(study, '00201208'))
    if (text(study, instanceAvailability) === 'OFFLINE') {
      found.attributes[instanceAvailability] = availabilityOf(true)
    }
  })
  return [...patients.values()].map(({ attributes, totals: [studies, series, instances] }) => ({
    ...attributes,
    [counts.studies]: { vr: 'IS', Value: [studies] },
    [counts.series]: { vr: 'IS', Value: [series] },
    [counts.instances]: { vr: 'IS', Value: [instances] },
  }))
}

type Totals = [studies: number, series: number, instances: number]

const text = (attributes: DicomJson, tag: string): string =>
  textOf(attributes[tag]?.Value?.[0] ?? null)

const patientOnly = (study: DicomJson): DicomJson => ({
  ...Object.fromEntries(Object.entries(study).filter(([tag]) => tag.startsWith('0010'))),
  [instanceAvailability]: availabilityOf(false),
})
