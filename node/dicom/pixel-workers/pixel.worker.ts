import { parentPort, workerData } from 'node:worker_threads'
import { decodedFormat, decodePixels, presented } from '../codecs/decode.ts'
import { encodeHtj2k } from '../codecs/encode.ts'
import { codecs } from '../codecs/wasm-codecs.ts'
import { renderPicture } from '../render/picture.ts'
import type { PixelJob, PixelResult, WorkerAnswer } from './jobs.ts'

/** A limit of a thread counts its heap only; what codecs take lies outside of it, so growing is refused here. */
const { memoryBytes } = workerData as { memoryBytes: number }
const pageBytes = 65_536
type Memory = { buffer: ArrayBuffer; grow(pages: number): number }
const { prototype } = (globalThis as unknown as { WebAssembly: { Memory: { prototype: Memory } } })
  .WebAssembly.Memory
// Called with the memory it belongs to.
// oxlint-disable-next-line typescript/unbound-method
const { grow } = prototype
prototype.grow = function (this: Memory, pages: number): number {
  if (this.buffer.byteLength + pages * pageBytes > memoryBytes) throw new RangeError('no memory')
  return grow.call(this, pages)
}

async function run(job: PixelJob): Promise<PixelResult> {
  const { frame } = job
  const pixels = await decodePixels(frame, codecs)
  const format = decodedFormat(frame)
  if (job.kind === 'native') return { bytes: pixels }
  if (job.kind === 'htj2k') return { bytes: await encodeHtj2k(pixels, format, codecs) }
  const { presentation, wish } = job
  const samples = presented(pixels, format, presentation.palette)
  return { bytes: renderPicture(samples, presentation, wish) }
}

parentPort?.on('message', (job: PixelJob) => {
  const answer = (message: WorkerAnswer, move: ArrayBuffer[]) =>
    parentPort?.postMessage(message, move)
  run(job).then(
    (result) => answer({ result }, [result.bytes.buffer]),
    (error: unknown) =>
      answer({ failure: error instanceof Error ? error.message : 'a codec failed' }, []),
  )
})
