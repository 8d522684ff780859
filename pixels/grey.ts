/** From stored values to grey levels: Modality LUT, then VOI LUT or window (PS3.3 §C.11.1, §C.11.2; PS3.4 §N.2). */
export type Window = { center: number; width: number }
export type WindowFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID'
export type Rescale = { slope: number; intercept: number }

/** A look-up table of DICOM: entries for input values `first`, `first + 1`, …; the name may be empty. */
export type LookUp = { name: string; first: number; bits: number; values: ArrayLike<number> }

/** What turns stored values into modality values: a table where the file has one, else slope and intercept. */
export type Modality = { rescale: Rescale; table?: LookUp | undefined }

/** What turns modality values into brightness. */
export type Voi =
  | { kind: 'window'; window: Window; shape: WindowFunction }
  | { kind: 'table'; table: LookUp }

export function modalityValue({ rescale, table }: Modality, stored: number): number {
  if (table === undefined) return stored * rescale.slope + rescale.intercept
  return lookUp(table, stored)
}

/** Values beyond either end take the nearest entry (PS3.3 C.11.1.1.1). */
export function lookUp({ first, values }: LookUp, input: number): number {
  const entry = Math.min(Math.max(Math.round(input) - first, 0), values.length - 1)
  return values[entry] ?? 0
}

/** Brightness from 0 to 255, not yet rounded. */
export function brightness(voi: Voi, value: number): number {
  if (voi.kind === 'table') {
    return (lookUp(voi.table, value) / (2 ** voi.table.bits - 1)) * 255
  }
  const { center, width } = voi.window
  if (voi.shape === 'SIGMOID') return 255 / (1 + Math.exp((-4 * (value - center)) / width))
  if (voi.shape === 'LINEAR_EXACT') return ((value - center) / width + 0.5) * 255
  // A width of 1 is a threshold (PS3.3 C.11.2.1.2.1): the divisor must not be zero.
  return ((value - (center - 0.5)) / Math.max(width - 1, 1e-6) + 0.5) * 255
}

export type Grey = { modality: Modality; voi: Voi; inverted: boolean }

export function greyLevel({ modality, voi, inverted }: Grey, stored: number): number {
  const level = brightness(voi, modalityValue(modality, stored))
  const bounded = level > 0 ? Math.min(255, Math.round(level)) : 0
  return inverted ? 255 - bounded : bounded
}
