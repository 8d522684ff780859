import {
  DicomData,
  Geometry,
  Image as DwvImage,
  Matrix33,
  Point3D,
  Size,
  Spacing,
  WindowLevel,
} from 'dwv'
import type { Samples } from '#pixels/bits.ts'
import type { Voi } from '#pixels/grey.ts'
import { shownFormat } from '../imaging/pixel-format.ts'
import type { Stack } from '../imaging/stacks.ts'

/** How the reader wants the image now. `fast-view` reads it when dwv asks for pixels. */
export type Display = { voi: Voi; inverted: boolean; flipX: boolean; flipY: boolean }

/** Wide enough for every window: dwv clamps windows to the range that it is told. */
const anyValue = { min: -1e9, max: 1e9 }

/**
 * A dwv image over a buffer that fills while frames arrive. dwv's own loader shows nothing before the whole series is
 * there and copies the volume for every slice; this one has its final geometry from the first paint.
 */
export class StreamImage extends DwvImage {
  readonly stack: Stack
  readonly samples: Samples
  display: Display

  constructor(stack: Stack, samples: Samples, display: Display) {
    super(geometryOf(stack), samples, uidsOf(stack))
    this.stack = stack
    this.samples = samples
    this.display = display
    const { format } = stack
    this.setPhotometricInterpretation(shownFormat(format).samples === 3 ? 'RGB' : 'MONOCHROME2')
    this.setMeta(metaOf(stack))
  }

  /** dwv would scan the still empty buffer once and clamp every window to what it finds there. */
  override getDataRange() {
    return anyValue
  }

  override getRescaledDataRange() {
    return anyValue
  }
}

/**
 * Slices go along dwv's fourth axis, one plane deep. A volume would make dwv translate every scroll through patient
 * coordinates, which goes wrong for gantry tilt and uneven steps; planes cut through the stack can have a volume image
 * of their own over the same samples.
 */
function geometryOf({ format, slices, spacing, aspect }: Stack): Geometry {
  const size = [format.columns, format.rows, 1]
  const steps = [spacing?.column ?? 1, spacing?.row ?? aspect, 1]
  const isMany = slices.length > 1
  return new Geometry(
    [new Point3D(0, 0, 0)],
    new Size(isMany ? [...size, slices.length] : size),
    new Spacing(isMany ? [...steps, 1] : steps),
    new Matrix33([1, 0, 0, 0, 1, 0, 0, 0, 1]),
    isMany ? 0 : undefined,
  )
}

const uidsOf = ({ slices }: Stack) => slices.map((slice) => slice.sop)

/**
 * No patient data: dwv does not need it. The modality stays out too, since dwv treats a segmentation as an overlay
 * without an image of its own and adds windows of its own to CT.
 */
function metaOf({ format, slices }: Stack) {
  return {
    numberOfFiles: slices.length,
    BitsStored: Math.min(format.bitsStored, 16),
    BitsAllocated: Math.min(format.bitsAllocated, 16),
    PixelRepresentation: format.signed ? 1 : 0,
    SamplesPerPixel: format.samples,
    windowPresets: { own: { wl: [new WindowLevel(128, 256)], name: 'own' } },
  }
}

export function dicomDataOf(image: StreamImage): DicomData {
  const data = new DicomData({})
  data.image = image
  image.setComplete(true)
  return data
}
