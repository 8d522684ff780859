import { aspectOf } from '#pixels/aspect.ts'
import type { Palette } from '#pixels/colour.ts'
import { pixelFormat } from '../codecs/pixel-format.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import type { DicomJson, DicomJsonElement } from '../dicom-json.ts'
import { itemOf, numbersOf } from './attributes.ts'
import { rescaleOf, tablesOf, windowFunctionOf, windowsOf } from './lut.ts'
import type { Modality, Voi } from '#pixels/grey.ts'
import { paletteOf } from './palette.ts'

/** How one frame is to be shown; without `voi` the whole range of its values. */
export type Presentation = {
  format: PixelFormat
  /** Height of a pixel by its width. */
  aspect: number
  palette?: Palette
  modality: Modality
  voi?: Voi
  inverted: boolean
}

/** Pixel Spacing, those of the detector and of a scanned film, Pixel Aspect Ratio. */
const shapeTags = ['00280030', '00181164', '00182010', '00280034']

/** What a header says of the showing of a frame, counted from 1; nothing when it describes no image. */
export function presentationOf(header: DicomJson, frame: number): Presentation | undefined {
  const format = pixelFormat(header)
  if (format === undefined) return undefined
  const shared = itemOf(header, '52009229')
  const own = itemOf(header, '52009230', frame - 1)
  // Functional groups may be shared or per frame (PS3.3 §C.7.6.16).
  const group = (tag: string) => itemOf(own, tag) ?? itemOf(shared, tag)
  const [table] = tablesOf(header, '00283000', format.signed)
  const rescale = rescaleOf(group('00289145')) ?? rescaleOf(header) ?? { slope: 1, intercept: 0 }
  const palette =
    format.photometric === 'PALETTE COLOR' ? paletteOf(header, format.signed) : undefined
  const voi = voiOf(header, group('00289132'), format.signed)
  return {
    format,
    aspect: aspectOf(
      numbersOf(group('00289110'), '00280030'),
      ...shapeTags.map((tag) => numbersOf(header, tag)),
    ),
    modality: { rescale, ...(table !== undefined && { table }) },
    inverted: format.photometric === 'MONOCHROME1',
    ...(palette !== undefined && { palette }),
    ...(voi !== undefined && { voi }),
  }
}

/** The file's first window, else its first table. */
function voiOf(header: DicomJson, group: DicomJson | undefined, signed: boolean): Voi | undefined {
  for (const source of [group, header]) {
    const [window] = windowsOf(source)
    if (window !== undefined) return { kind: 'window', window, shape: windowFunctionOf(source) }
  }
  const [table] = tablesOf(header, '00283010', signed)
  return table === undefined ? undefined : { kind: 'table', table }
}

const tables = ['00281201', '00281202', '00281203', '00283006']
const sequences = ['00283000', '00283010']

/** Look-up tables are long values and stand in a header as references; here they are fetched. */
export async function withTables(
  header: DicomJson,
  fetch: (path: string) => Promise<Uint8Array>,
): Promise<DicomJson> {
  const whole: DicomJson = { ...header }
  const resolve = async (element: DicomJsonElement): Promise<DicomJsonElement> => {
    const path = /^bulk\/([0-9A-F/]+)$/.exec(element.BulkDataURI ?? '')?.[1]
    if (path === undefined) return element
    return { vr: 'OW', InlineBinary: Buffer.from(await fetch(path)).toString('base64') }
  }
  for (const tag of tables) {
    const element = header[tag]
    if (element !== undefined) whole[tag] = await resolve(element)
  }
  for (const tag of sequences) {
    const item = itemOf(header, tag)
    const data = item?.['00283006']
    if (item === undefined || data === undefined) continue
    whole[tag] = { vr: 'SQ', Value: [{ ...item, '00283006': await resolve(data) }] }
  }
  return whole
}
