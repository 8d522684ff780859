import { type Attributes, numberOf, textOf } from '../api/dicom-json.ts'

/** What an instance is for the reader: an image, or something that the viewer names and explains instead. */
export const objectKinds = [
  'image',
  'report',
  'keyObjects',
  'presentation',
  'pdf',
  'document',
  'waveform',
  'structures',
  'plan',
  'registration',
  'video',
  'spectroscopy',
  'parametric',
  'annotations',
  'other',
] as const
export type ObjectKind = (typeof objectKinds)[number]

const storage = '1.2.840.10008.5.1.4.1.1.'

/** Longest prefix wins; the order is from the narrow to the wide. */
const kindByClass: readonly (readonly [string, ObjectKind])[] = [
  [`${storage}88.59`, 'keyObjects'],
  [`${storage}88.`, 'report'],
  [`${storage}104.1`, 'pdf'],
  [`${storage}104.`, 'document'],
  [`${storage}11.`, 'presentation'],
  [`${storage}9.`, 'waveform'],
  [`${storage}481.3`, 'structures'],
  [`${storage}481.5`, 'plan'],
  [`${storage}481.8`, 'plan'],
  [`${storage}66.1`, 'registration'],
  [`${storage}66.3`, 'registration'],
  [`${storage}4.2`, 'spectroscopy'],
  [`${storage}30`, 'parametric'],
  [`${storage}91.1`, 'annotations'],
]

export function kindOf(attributes: Attributes): ObjectKind {
  const sopClass = textOf(attributes, '00080016') ?? ''
  const known = kindByClass.find(([prefix]) => matches(sopClass, prefix))
  if (known !== undefined) return known[1]
  if (isVideo(textOf(attributes, '00083002') ?? textOf(attributes, '00020010') ?? ''))
    return 'video'
  return hasImage(attributes) ? 'image' : 'other'
}

const matches = (uid: string, prefix: string) =>
  prefix.endsWith('.') ? uid.startsWith(prefix) : uid === prefix

/** MPEG-2, MPEG-4 and HEVC transfer syntaxes. */
const isVideo = (transferSyntax: string) =>
  /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/.test(transferSyntax)

/** Rows, Columns, Bits Allocated and Bits Stored: floating point images lack the last and are not shown. */
const hasImage = (attributes: Attributes) =>
  ['00280010', '00280011', '00280100', '00280101'].every(
    (tag) => (numberOf(attributes, tag) ?? 0) > 0,
  )
