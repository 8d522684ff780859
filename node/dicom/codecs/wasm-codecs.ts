import { createRequire } from 'node:module'
import type { Codecs, Decoder, Encoder } from './decode.ts'

const require = createRequire(import.meta.url)

/** The WebAssembly codecs and the lossless one, each loaded when it is first needed. They ship no types. */
export const codecs: Codecs = {
  jpegLs: () => make('JpegLSDecoder', '@cornerstonejs/codec-charls/decodewasmjs'),
  jpeg2000: () => make('J2KDecoder', '@cornerstonejs/codec-openjpeg/decodewasmjs'),
  htj2k: () => make('HTJ2KDecoder', '@cornerstonejs/codec-openjph/wasmjs'),
  jpeg: () => make('JPEGDecoder', '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
  htj2kEncoder: () => make<Encoder>('HTJ2KEncoder', '@cornerstonejs/codec-openjph/wasmjs'),
  jpegLossless(bytes, bytesPerSample) {
    const { Decoder } = require('jpeg-lossless-decoder-js/release/cjs/lossless.cjs') as Lossless
    const decoder = new Decoder()
    const samples = decoder.decode(bytes.buffer, bytes.byteOffset, bytes.length, bytesPerSample)
    return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
  },
}

type Lossless = {
  Decoder: new () => {
    decode(buffer: ArrayBuffer, offset: number, length: number, size: number): Uint8Array
  }
}

type Module = { [name: string]: (new () => unknown) | undefined }
const modules = new Map<string, Promise<Module>>()

async function make<T = Decoder>(name: string, from: string): Promise<T> {
  const loading = modules.get(from) ?? (require(from) as () => Promise<Module>)()
  modules.set(from, loading)
  const Type = (await loading)[name]
  if (Type === undefined) throw new Error(`codec ${name} is missing`)
  return new Type() as T
}
