import type { PixelFormat } from './pixel-format.ts'

export type Samples =
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>

/** The typed array that holds samples of one frame, or of a whole stack, after decoding. */
export function samplesOf(
  format: Pick<PixelFormat, 'bitsAllocated' | 'signed'>,
  source: number | ArrayBuffer,
): Samples {
  const { bitsAllocated, signed } = format
  // The constructors take either, but not their union, hence one small closure per type.
  const make = <T>(Type: { new (length: number): T; new (buffer: ArrayBuffer): T }): T =>
    typeof source === 'number' ? new Type(source) : new Type(source)
  if (bitsAllocated <= 8) return signed ? make(Int8Array) : make(Uint8Array)
  if (bitsAllocated <= 16) return signed ? make(Int16Array) : make(Uint16Array)
  return signed ? make(Int32Array) : make(Uint32Array)
}

/** Explicit VR Big Endian pixels (PS3.5 §7.3), swapped in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at + size <= bytes.length; at += size) bytes.subarray(at, at + size).reverse()
}

/** Bits Allocated 1 (PS3.5 §8.1.1): the first pixel is the least significant bit. */
export function unpackBits(packed: Uint8Array, pixels: number): Uint8Array<ArrayBuffer> {
  if (packed.length * 8 < pixels) throw new Error('frame is cut')
  const out = new Uint8Array(pixels)
  for (let pixel = 0; pixel < pixels; pixel++) {
    out[pixel] = ((packed[pixel >> 3] ?? 0) >> (pixel & 7)) & 1
  }
  return out
}

/**
 * Removes what lies above Bits Stored and extends the sign. Old modalities keep overlays or garbage in those bits
 * (PS3.5 §8.1.1), and a sample with them would be far outside every window.
 */
export function maskStored(samples: Samples, bitsStored: number, signed: boolean): void {
  const bits = samples.BYTES_PER_ELEMENT * 8
  if (bitsStored >= bits) return
  const shift = 32 - bitsStored
  const mask = 2 ** bitsStored - 1
  for (let at = 0; at < samples.length; at++) {
    const sample = samples[at] ?? 0
    samples[at] = signed ? (sample << shift) >> shift : sample & mask
  }
}

export function rangeOf(samples: Samples): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const sample of samples) {
    if (sample < min) min = sample
    if (sample > max) max = sample
  }
  return samples.length === 0 ? { min: 0, max: 0 } : { min, max }
}
