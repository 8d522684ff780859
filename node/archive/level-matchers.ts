import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Query, StudyEntry } from './archive.ts'
import {
  instancesInSeries,
  instancesInStudy,
  isSeriesTag,
  isStudyTag,
  modalitiesInStudy,
  pick,
  seriesInStudy,
  sopClassesInStudy,
} from './attribute-levels.ts'
import { createMatcher, isUniversal, type Matcher } from './matching.ts'

type Level = Query['level']
export type Matchers = Partial<Record<Level, Matcher>>

/** Each key by the level whose rows have it; none for a level of which nothing is asked. */
export function matchersOf(match: Query['match']): Matchers {
  const split: Partial<Record<Level, Record<string, string[]>>> = {}
  for (const [path, values] of Object.entries(match)) {
    if (!isUniversal(values)) (split[levelOfTag(path.slice(0, 8))] ??= {})[path] = values
  }
  return Object.fromEntries(
    Object.entries(split).map(([level, keys]) => [level, createMatcher(keys)]),
  )
}

/** The highest level whose rows say it: attributes of patients stand in the rows of studies. */
export function levelOfTag(tag: string): Exclude<Level, 'patient'> {
  if (isStudyTag(tag) || countedOfStudy.has(tag)) return 'study'
  return isSeriesTag(tag) || tag === instancesInSeries ? 'series' : 'instance'
}
const countedOfStudy = new Set([
  modalitiesInStudy,
  sopClassesInStudy,
  seriesInStudy,
  instancesInStudy,
])

export type FoundBy = (own: DicomJson, below: DicomJson) => DicomJson

/**
 * Makes a row say what was asked for with a value and is not of its level: as the first of what lies below and matches
 * says it.
 */
export function createFoundBy(match: Query['match']): FoundBy {
  const asked = Object.entries(match).filter(([, values]) => !isUniversal(values))
  const tags = new Set(asked.map(([path]) => path.slice(0, 8)))
  return (own, below) => ({ ...pick(below, (tag) => tags.has(tag)), ...own })
}

/** A study of a merged patient is found by the earlier patient too, and shown under the present one. */
export function matchesStudy({ attributes, also }: StudyEntry, matches?: Matcher): boolean {
  if (matches === undefined || matches(attributes)) return true
  return also.some((patient) => matches({ ...attributes, ...patient }))
}
