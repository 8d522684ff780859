import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import { seriesPath, studyPath } from './paths.ts'
import type { Search } from './query.ts'

export type Level = 'study' | 'series' | 'instance'

/** Returned without being asked for (PS3.18 Tables 10.6.3-3 to 5), and who holds the study. */
const always = ['00080005', '00080054', '00080056', '00080201', '00081190', '0020000D', '0040A07C']
const defaults: Record<Level, readonly string[]> = {
  study: [
    '00080020',
    '00080030',
    '00080050',
    '00080061',
    '00080090',
    '00081030',
    '00100010',
    '00100020',
    '00100030',
    '00100040',
    '00200010',
    '00201206',
    '00201208',
  ],
  series: [
    '00080060',
    '0008103E',
    '0020000E',
    '00200011',
    '00201209',
    '00400244',
    '00400245',
    '00400275',
  ],
  instance: [
    '00080016',
    '00080018',
    '00083002',
    '0020000E',
    '00200013',
    '00280008',
    '00280010',
    '00280011',
    '00280100',
  ],
}

/** What the rows of an answer hold: what is always given, what was matched, what was asked for. As JSON. */
export function createRowWriter(
  level: Level,
  { fields, match }: Search,
): (of: DicomJson) => string {
  const usual = new Set([...always, ...defaults[level]])
  const matched = Object.keys(match).map((path) => path.slice(0, 8))
  const wanted = new Set([...usual, ...(fields === 'all' ? [] : fields), ...matched])
  const write = (attributes: DicomJson): string => {
    const whole = Object.entries({
      ...attributes,
      '00080005': text('CS', 'ISO_IR 192'),
      '00081190': text('UR', retrieveUrl(attributes, level)),
    })
    return JSON.stringify(
      sorted(fields === 'all' ? whole : whole.filter(([tag]) => wanted.has(tag))),
    )
  }
  if (level !== 'study' || fields === 'all' || wanted.size > usual.size) return write
  return (attributes) => {
    const known = usualRows.get(attributes)
    if (known !== undefined) return known
    const row = write(attributes)
    usualRows.set(attributes, row)
    return row
  }
}

/** Studies that are kept by those who find them are written once. */
const usualRows = new WeakMap<DicomJson, string>()

const sorted = (entries: [string, DicomJsonElement][]): DicomJson =>
  Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)))

const text = (vr: string, value: string): DicomJsonElement => ({ vr, Value: [value] })

/** The first value when it is text. */
export function textAt(attributes: DicomJson, tag: string): string {
  const value = attributes[tag]?.Value?.[0]
  return typeof value === 'string' ? value : ''
}

export function retrieveUrl(attributes: DicomJson, level: Level): string {
  const uid = (tag: string) => textAt(attributes, tag)
  const study = uid('0020000D')
  const series = uid('0020000E')
  if (level === 'study') return studyPath(study)
  const base = seriesPath(study, series)
  return level === 'series' ? base : `${base}/instances/${uid('00080018')}`
}
