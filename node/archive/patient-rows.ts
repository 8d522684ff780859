import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Query } from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInStudy,
  instancesOfPatient,
  seriesInStudy,
  seriesOfPatient,
  studiesOfPatient,
  textOf,
} from './attribute-levels.ts'
import { patientKey, rangeOf, lastPart } from './catalog-keys.ts'
import type { Catalog } from './catalog.ts'
import { createFoundBy } from './level-matchers.ts'
import { issuerOfPatientId, patientId, personal } from './overlay-view.ts'
import { studyEntry } from './study-entry.ts'

type Source = Pick<Catalog, 'keyPages' | 'studies'>

/**
 * The patients of studies that were found: whose identifier and its issuer are the same is one patient. What is counted
 * is of all studies of the patient, found or not (PS3.4 §C.3.4).
 */
export async function* patientRows(
  catalog: Source,
  found: AsyncIterable<DicomJson[]>,
  { match, budget }: { match: Query['match']; budget: { left: number } },
): AsyncGenerator<DicomJson[]> {
  const foundBy = createFoundBy(match)
  const known = new Set<string>()
  for await (const studies of found) {
    for (const study of studies) {
      const identity = identityOf(study)
      if (known.has(identity)) continue
      known.add(identity)
      const all = await studiesOf(catalog, study, budget)
      // Too few were counted.
      if (budget.left <= 0) return
      yield [foundBy({ ...personal(study), ...countsOf(all) }, study)]
    }
  }
}

/** A study without an identifier has one that was made up for it alone. */
const identityOf = (study: DicomJson): string =>
  `${textOf(study, patientId)}\\${textOf(study, issuerOfPatientId)}`

/** Those that are shown under the patient of this one. */
async function studiesOf(
  catalog: Source,
  study: DicomJson,
  budget: { left: number },
): Promise<DicomJson[]> {
  const all: DicomJson[] = []
  const patient = patientKey(textOf(study, patientId), textOf(study, issuerOfPatientId))
  for await (const page of catalog.keyPages(rangeOf('oy', patient))) {
    budget.left -= page.length
    if (budget.left <= 0) break
    all.push(...catalog.studies(page.map(lastPart)).map((row) => studyEntry(row).attributes))
  }
  // Its keys are also those of who was merged into another, and of who is written in other case.
  return all.filter((one) => identityOf(one) === identityOf(study))
}

function countsOf(studies: readonly DicomJson[]): DicomJson {
  const sum = (tag: string): number =>
    studies.reduce((total, study) => total + Number(textOf(study, tag)), 0)
  const isAway = studies.some((study) => textOf(study, instanceAvailability) === 'OFFLINE')
  return {
    [instanceAvailability]: availabilityOf(isAway),
    [studiesOfPatient]: element('IS', studies.length),
    [seriesOfPatient]: element('IS', sum(seriesInStudy)),
    [instancesOfPatient]: element('IS', sum(instancesInStudy)),
  }
}
