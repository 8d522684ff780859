import jphUrl from '@cornerstonejs/codec-openjph/wasm?url'
import jlsUrl from '@cornerstonejs/codec-charls/decodewasm?url'
import j2kUrl from '@cornerstonejs/codec-openjpeg/decodewasm?url'
import jpegUrl from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url'
import type { Codecs, Decoder } from './decode.ts'
import { answerOf, loaded } from './decode-answer.ts'
import type { WorkerAnswer, WorkerJob } from './decoder-pool.ts'

/** The codecs are big and most studies need one or none of them, so each is loaded when its first frame comes. */
type Factory = (options: { locateFile: () => string }) => Promise<Module>
type Module = { [decoder: string]: (new () => Decoder) | undefined }
const modules = new Map<string, Promise<Module>>()

async function decoderOf(
  name: string,
  wasmUrl: string,
  load: () => Promise<{ default: unknown }>,
): Promise<Decoder> {
  let module = modules.get(name)
  if (module === undefined) {
    module = loaded(
      load().then((codec) => (codec.default as Factory)({ locateFile: () => wasmUrl })),
    )
    modules.set(name, module)
  }
  const Type = (await module)[name]
  if (Type === undefined) throw new Error(`codec ${name} is missing`)
  return new Type()
}

// The codec packages ship no types; what we call of them stands in `Decoder`.
const codecs: Codecs = {
  jpegLs: () =>
    decoderOf(
      'JpegLSDecoder',
      jlsUrl,
      () =>
        // @ts-expect-error no types
        import('@cornerstonejs/codec-charls/decodewasmjs'),
    ),
  jpeg2000: () =>
    decoderOf(
      'J2KDecoder',
      j2kUrl,
      () =>
        // @ts-expect-error no types
        import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
    ),
  htj2k: () =>
    decoderOf(
      'HTJ2KDecoder',
      jphUrl,
      () =>
        // @ts-expect-error no types
        import('@cornerstonejs/codec-openjph/wasmjs'),
    ),
  jpeg: () =>
    decoderOf(
      'JPEGDecoder',
      jpegUrl,
      () =>
        // @ts-expect-error no types
        import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
    ),
  async jpegLossless(bytes, bytesPerSample) {
    // @ts-expect-error no types
    const lossless = (await loaded(import('jpeg-lossless-decoder-js'))) as LosslessModule
    const decoder = new lossless.Decoder()
    const samples = decoder.decode(bytes.buffer, bytes.byteOffset, bytes.length, bytesPerSample)
    return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
  },
}

type LosslessModule = {
  Decoder: new () => {
    decode(b: ArrayBuffer, offset: number, length: number, size: number): Uint8Array | Uint16Array
  }
}

/** One job at a time: a codec's memory holds one image. */
let last: Promise<void> = Promise.resolve()

self.addEventListener('message', (event: MessageEvent<WorkerJob>) => {
  last = last.then(() => work(event.data))
})

async function work(job: WorkerJob): Promise<void> {
  const post = self.postMessage.bind(self) as (answer: WorkerAnswer, move: Transferable[]) => void
  try {
    const answer = await answerOf(job, codecs)
    post(answer, 'frame' in answer ? [answer.frame.samples.buffer] : [])
  } catch (error) {
    // The pool hears of it, and puts a new worker in the place of this one.
    reportError(error)
  }
}
