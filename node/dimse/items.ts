import type { DicomJson } from '../dicom/dicom-json.ts'

/** The items of a sequence; none when it is absent, empty, or no sequence. */
export const itemsOf = (attributes: DicomJson, tag: string): DicomJson[] =>
  (attributes[tag]?.Value ?? []).filter(
    (value): value is DicomJson => typeof value === 'object' && value !== null,
  )
