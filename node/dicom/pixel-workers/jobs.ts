import type { StoredFrame } from '../codecs/decode.ts'
import type { PictureWish } from '../render/picture.ts'
import type { Presentation } from '../render/presentation.ts'

/** What a worker makes of one frame: a picture, plain samples (PS3.5 §8.1.1), or HTJ2K without loss. */
export type PixelJob =
  | { kind: 'picture'; frame: StoredFrame; presentation: Presentation; wish: PictureWish }
  | { kind: 'native'; frame: StoredFrame }
  | { kind: 'htj2k'; frame: StoredFrame }

export type PixelResult = { bytes: Uint8Array<ArrayBuffer> }

export type WorkerAnswer = { result: PixelResult } | { failure: string }
