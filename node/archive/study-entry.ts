import type { StudyEntry } from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInStudy,
  modalitiesInStudy,
  seriesInStudy,
  sopClassesInStudy,
} from './attribute-levels.ts'
import type { StudyRow } from './catalog-rows.ts'

/** Rows are kept, so what is made of them is made once. */
const made = new WeakMap<StudyRow, StudyEntry>()

/** What a search finds of a study. */
export function studyEntry(row: StudyRow): StudyEntry {
  const known = made.get(row)
  if (known !== undefined) return known
  const attributes = {
    ...row.attributes,
    [instanceAvailability]: availabilityOf(row.away !== undefined),
    [modalitiesInStudy]: element('CS', ...row.modalities),
    [sopClassesInStudy]: element('UI', ...row.sopClasses),
    [seriesInStudy]: element('IS', row.series),
    [instancesInStudy]: element('IS', row.instances),
  }
  const entry = { attributes, also: row.also ?? [] }
  made.set(row, entry)
  return entry
}
