import type { TextJudgement } from './charsets.ts'
import type { DicomJson } from './dicom-json.ts'
import type { Finding } from './quality.ts'

/** Bytes of one data set, wherever they lie. */
export type RandomAccess = {
  readonly bytes: number
  read(offset: number, length: number): Promise<Uint8Array>
}

/** Pixel Data as the walker met it (PS3.5 §8). Offsets are of the value, in the inflated data set when deflated. */
export type PixelFacts =
  | { encapsulated: false; tag: string; offset: number; length: number }
  | { encapsulated: true; tag: string; offset: number; fragments: number }

/** Text whose declaration does not hold: what it was taken for, and the bytes, so that it can be read anew. */
export type WalkedText = TextJudgement & {
  /** Terms of (0008,0005). */
  declared: string[]
  /** Index attributes beyond ASCII: bytes in hexadecimal. Long ones are left out. */
  raw: Record<string, { vr: string; hex: string }>
}

/** What a complete structural walk of a data set yields. */
export type Walk = {
  bytes: number
  /**
   * Offset of the Pixel Data element's tag; `bytes` when there is none, and for a deflated data set, whose header has
   * no place of its own among the bytes received.
   */
  headerBytes: number
  /** The index attributes (top level), decoded, in the DICOM JSON model. */
  attributes: DicomJson
  /** Absent when all text is as declared. */
  text?: WalkedText
  /** What the rules of reception found, when they were asked. */
  findings?: Finding[]
  pixel?: PixelFacts
  /** Well-formed, but its pixels cannot be what its header says: too few bytes, or bits that do not fit (DQ-16). */
  damaged?: true
}

/**
 * Bounded structural walk of a data set while it streams by. `write` throws `instance_malformed` or
 * `instance_too_complex`; `end` throws `instance_truncated` unless the walk reached exactly the end.
 */
export type Walker = {
  write(chunk: Uint8Array): void
  end(): Walk
}
