import { type Attributes, itemOf, itemsOf, numberOf, numbersOf, textOf } from '../api/dicom-json.ts'
import { aspectOf } from '#pixels/aspect.ts'
import type { Palette } from '#pixels/colour.ts'
import {
  distinctOffsets,
  type Gaps,
  gapsOf,
  gridPlanes,
  type Orientation,
  orientationFrom,
  orientationKey,
  type Vector,
  vectorFrom,
} from './geometry.ts'
import {
  doseScalingOf,
  type NamedWindow,
  rescaleOf,
  tablesOf,
  windowFunctionOf,
  windowsOf,
} from './lut.ts'
import type { LookUp, Modality, WindowFunction } from '#pixels/grey.ts'
import { kindOf, type ObjectKind } from './object-kind.ts'
import { paletteOf } from './palette.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'

/**
 * From the metadata of a series to what a reader scrolls. A series may mix sizes, directions and runs; a stack has one
 * pixel format and one direction, so that its slices fit one buffer and one order.
 */
export type Slice = {
  sop: string
  /** Counts from 1 (PS3.18 §10.4.1.1.6). */
  frame: number
  instance: number
  position?: Vector | undefined
  /** Frames of one object may look in different directions, as those of a localizer do. */
  orientation?: Orientation | undefined
  /** Along the normal, in millimetres. */
  location?: number | undefined
  modality: Modality
  /** Windows, their function and tables may differ from slice to slice. */
  windows: NamedWindow[]
  shape: WindowFunction
  tables: LookUp[]
}

export type Stack = {
  /** Unique in the study, stable between visits. */
  key: string
  series: string
  number: string
  modality: string
  description: string
  format: PixelFormat
  palette?: Palette | undefined
  slices: Slice[]
  /** That of all slices; absent where they differ. */
  orientation?: Orientation | undefined
  /** Millimetres per pixel of all slices; absent for uncalibrated images. */
  spacing?: PixelSpacing | undefined
  /** Height of a pixel by its width; also of images that have no millimetres. */
  aspect: number
  gaps?: Gaps | undefined
  /** Frames per second of a cine run; absent for stacks of single images. */
  frameRate?: number | undefined
  /** Frames of one object that follow each other in time; those that each lie in a place of their own are slices. */
  isCine: boolean
  /** The original was compressed with loss before it was stored. */
  isLossy: boolean
  unit: string
}

/** An object without an image: named and explained. */
export type OtherObject = { key: string; series: string; kind: ObjectKind; title: string }

export type SeriesContent = { stacks: Stack[]; others: OtherObject[] }

export function contentOf(series: string, instances: readonly Attributes[]): SeriesContent {
  const groups = new Map<string, Attributes[]>()
  const others: OtherObject[] = []
  for (const instance of instances) {
    const kind = kindOf(instance)
    const sop = textOf(instance, '00080018') ?? ''
    if (kind !== 'image') {
      const title = textOf(instance, '00420010') ?? textOf(instance, '00081030') ?? ''
      others.push({ key: `${series}/${sop}`, series, kind, title })
      continue
    }
    const isMultiFrame = (numberOf(instance, '00280008') ?? 1) > 1
    // The frames of an object follow each other, in time or in space, not those of other objects.
    const key = isMultiFrame ? sop : groupKey(instance)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [instance])
    else group.push(instance)
  }
  const stacks = [...groups.values()].map((group) => stackOf(series, group))
  return {
    stacks: stacks.toSorted((one, other) => firstInstance(one) - firstInstance(other)),
    others,
  }
}

const firstInstance = (stack: Stack) => Math.min(...stack.slices.map((slice) => slice.instance))

function groupKey(instance: Attributes): string {
  const direction = orientationKey(orientationFrom(numbersOf(instance, '00200037')))
  const spacing = spacingOfFrames(instance)
  return JSON.stringify([formatOf(instance), direction, spacing, aspectFrom(instance, spacing)])
}

export function formatOf(instance: Attributes): PixelFormat {
  const bitsAllocated = numberOf(instance, '00280100') ?? 16
  return {
    rows: numberOf(instance, '00280010') ?? 0,
    columns: numberOf(instance, '00280011') ?? 0,
    samples: numberOf(instance, '00280002') ?? 1,
    bitsAllocated,
    bitsStored: numberOf(instance, '00280101') ?? bitsAllocated,
    signed: numberOf(instance, '00280103') === 1,
    planar: numberOf(instance, '00280006') === 1,
    photometric: textOf(instance, '00280004') ?? 'MONOCHROME2',
  }
}

function stackOf(series: string, group: readonly Attributes[]): Stack {
  const first = group[0] ?? {}
  const format = formatOf(first)
  const loose = group.flatMap((one) => framesOf(one, format))
  const orientation = common(
    loose.map((slice) => slice.orientation),
    orientationKey,
  )
  const slices = ordered(loose, orientation)
  const offsets = slices.flatMap(({ location }) => (location === undefined ? [] : [location]))
  const isInPlace = offsets.length === slices.length
  const isCine = group.length === 1 && slices.length > 1 && !isInPlace
  const modality = textOf(first, '00080060') ?? ''
  const spacing = spacingOfFrames(first)
  return {
    key: `${series}/${slices[0]?.sop ?? ''}`,
    series,
    number: textOf(first, '00200011') ?? '',
    modality,
    description: descriptionOf(first, group.length),
    format,
    palette: format.photometric === 'PALETTE COLOR' ? paletteOf(first, format.signed) : undefined,
    slices,
    orientation,
    spacing,
    aspect: aspectFrom(first, spacing),
    gaps: isInPlace ? gapsOf(offsets) : undefined,
    frameRate: isCine ? frameRateOf(first) : undefined,
    isCine,
    isLossy: textOf(first, '00282110') === '01',
    unit: unitOf(first, modality),
  }
}

/** Of CT and dose where the file does not say it: a dose is in gray or relative (PS3.3 C.8.8.3). */
function unitOf(first: Attributes, modality: string): string {
  const unit = textOf(first, '00281054')
  if (unit !== undefined) return unit
  if (textOf(first, '30040002') === 'GY') return 'Gy'
  return modality === 'CT' ? 'HU' : ''
}

/** Series description; a single projection is better known by its side and view (mammography, radiography). */
function descriptionOf(first: Attributes, count: number): string {
  const description = textOf(first, '0008103E') ?? textOf(first, '00181030') ?? ''
  if (count > 1) return description
  const side = textOf(first, '00200062') ?? textOf(first, '00200060') ?? ''
  const view = textOf(first, '00185101') ?? ''
  const projection = `${side} ${view}`.trim()
  if (description.includes(projection)) return description
  return description === '' ? projection : `${description} · ${projection}`
}

function sliceOf(instance: Attributes, format: PixelFormat): Slice {
  return {
    sop: textOf(instance, '00080018') ?? '',
    frame: 1,
    instance: numberOf(instance, '00200013') ?? 0,
    position: vectorFrom(numbersOf(instance, '00200032')),
    orientation: orientationFrom(numbersOf(instance, '00200037')),
    modality: {
      rescale: rescaleOf(instance) ?? doseScalingOf(instance) ?? { slope: 1, intercept: 0 },
      table: tablesOf(instance, '00283000', format.signed)[0],
    },
    ...voiOf(instance, format),
  }
}

type SliceVoi = Pick<Slice, 'windows' | 'shape' | 'tables'>

const voiOf = (attributes: Attributes | undefined, { signed }: PixelFormat): SliceVoi => ({
  windows: windowsOf(attributes),
  shape: windowFunctionOf(attributes),
  tables: tablesOf(attributes, '00283010', signed),
})

/** What a functional group says of the VOI (PS3.3 C.7.6.16.2.10b); nothing where it has no window and no table. */
function frameVoiOf(group: Attributes | undefined, format: PixelFormat): SliceVoi | undefined {
  const voi = voiOf(itemOf(group, '00289132'), format)
  return voi.windows.length > 0 || voi.tables.length > 0 ? voi : undefined
}

/** The frames of one instance; functional groups may be shared or per frame (PS3.3 C.7.6.16). */
function framesOf(instance: Attributes, format: PixelFormat): Slice[] {
  const shared = itemOf(instance, '52009229')
  const whole = { ...sliceOf(instance, format), ...frameVoiOf(shared, format) }
  // An object with an image has one at least, whatever it says.
  const count = Math.max(1, numberOf(instance, '00280008') ?? 1)
  const planes = gridPlanesOf(instance, whole, count)
  return Array.from({ length: count }, (_, index) => {
    const own = itemOf(instance, '52009230', index)
    const group = (tag: string) => itemOf(own, tag) ?? itemOf(shared, tag)
    return {
      ...whole,
      ...frameVoiOf(own, format),
      frame: index + 1,
      position:
        vectorFrom(numbersOf(group('00209113'), '00200032')) ?? planes?.[index] ?? whole.position,
      orientation: orientationFrom(numbersOf(group('00209116'), '00200037')) ?? whole.orientation,
      modality: {
        rescale: rescaleOf(group('00289145')) ?? whole.modality.rescale,
        table: whole.modality.table,
      },
    }
  })
}

function gridPlanesOf(
  instance: Attributes,
  { position, orientation }: Slice,
  count: number,
): Vector[] | undefined {
  const offsets = numbersOf(instance, '3004000C')
  if (offsets?.length !== count || position === undefined || orientation === undefined) {
    return undefined
  }
  return gridPlanes(offsets, position, orientation)
}

/** By place where every slice has its own, in the direction of the instance numbers; else by number and frame. */
function ordered(slices: Slice[], orientation: Orientation | undefined): Slice[] {
  const byNumber = slices.toSorted(
    (one, other) => one.instance - other.instance || one.frame - other.frame,
  )
  const offsets = distinctOffsets(
    byNumber.map((slice) => slice.position),
    orientation,
  )
  if (offsets === undefined) return byNumber
  const placed = byNumber.map((slice, index) => ({ ...slice, location: offsets[index] }))
  const direction = (offsets.at(-1) ?? 0) < (offsets[0] ?? 0) ? -1 : 1
  return placed.toSorted((one, other) => direction * ((one.location ?? 0) - (other.location ?? 0)))
}

/** The first of values that are alike; nothing where they differ. */
function common<T>(values: readonly T[], keyOf: (value: T) => string): T | undefined {
  const [first] = values
  return first !== undefined && new Set(values.map(keyOf)).size === 1 ? first : undefined
}

type PixelSpacing = { row: number; column: number }

/** Pixel Spacing, else that of the detector (PS3.3 10.7.1.3). */
const spacingOf = (instance: Attributes): PixelSpacing | undefined =>
  spacingFrom(numbersOf(instance, '00280030') ?? numbersOf(instance, '00181164'))

/** One spacing of all frames: a scale that is right for some of them would be wrong beside the others. */
function spacingOfFrames(instance: Attributes): PixelSpacing | undefined {
  const measured = (groups: Attributes | undefined) =>
    spacingFrom(numbersOf(itemOf(groups, '00289110'), '00280030'))
  const whole = measured(itemOf(instance, '52009229')) ?? spacingOf(instance)
  const frames = itemsOf(instance, '52009230').map((own) => measured(own) ?? whole)
  return frames.length === 0 ? whole : common(frames, (one) => JSON.stringify(one ?? null))
}

function spacingFrom(numbers: readonly number[] | undefined): PixelSpacing | undefined {
  const [row, column] = numbers ?? []
  if (row !== undefined && column !== undefined && row > 0 && column > 0) return { row, column }
  return undefined
}

/** Of a scanned film the spacing is no measure of the patient, but its proportions hold. */
const aspectFrom = (instance: Attributes, spacing: PixelSpacing | undefined): number =>
  aspectOf(
    spacing && [spacing.row, spacing.column],
    numbersOf(instance, '00182010'),
    numbersOf(instance, '00280034'),
  )

function frameRateOf(first: Attributes): number {
  const time = numberOf(first, '00181063')
  const rate =
    numberOf(first, '00082144') ??
    numberOf(first, '00180040') ??
    (time === undefined || time <= 0 ? undefined : 1000 / time)
  return rate === undefined || rate <= 0 ? 15 : Math.min(rate, 60)
}
