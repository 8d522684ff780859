import { WrongRequest } from '#protocol/errors.ts'
import { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { InstanceEntry } from '../archive/archive.ts'

/** Where the routes are mounted; BulkDataURI and RetrieveURL are paths below it. */
export const root = '/dicom-web'

export const studyPath = (study: string): string => `${root}/studies/${study}`
export const seriesPath = (study: string, series: string): string =>
  `${studyPath(study)}/series/${series}`
export const instancePath = ({
  study,
  series,
  sop,
}: Pick<InstanceEntry, 'study' | 'series' | 'sop'>): string =>
  `${seriesPath(study, series)}/instances/${sop}`

/** The UIDs of a path; what is no UID is no study of anybody. */
export function uidsOf(params: Record<string, string | undefined>): {
  study: StudyUid
  series?: SeriesUid
  sop?: SopUid
} {
  const { study, series, sop } = params
  return {
    study: parsed(StudyUid, study),
    ...(series !== undefined && { series: parsed(SeriesUid, series) }),
    ...(sop !== undefined && { sop: parsed(SopUid, sop) }),
  }
}

function parsed<T>(
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
  value: string | undefined,
): T {
  const result = schema.safeParse(value)
  if (!result.success) throw new WrongRequest('not a UID')
  return result.data
}
