import { type Codecs, decodeFrame } from './decode.ts'
import type { WorkerAnswer, WorkerJob } from './decoder-pool.ts'

/** A codec did not come over the wire: no frame is at fault, and a new worker may get it. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

/** Marks what goes wrong while a codec is loaded. */
export async function loaded<T>(codec: Promise<T>): Promise<T> {
  try {
    return await codec
  } catch (cause) {
    throw new CodecError('a codec could not be loaded', { cause })
  }
}

/** A frame, or what is wrong with it. Throws `CodecError`: the worker without its codec is of no use. */
export async function answerOf({ id, job }: WorkerJob, codecs: Codecs): Promise<WorkerAnswer> {
  try {
    return { id, frame: await decodeFrame(job, codecs) }
  } catch (error) {
    if (error instanceof CodecError) throw error
    return { id, failure: error instanceof Error ? error.message : String(error) }
  }
}
