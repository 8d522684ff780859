import { createRequire } from 'node:module'
import type { Codecs, Decoder } from './decode.ts'

const require = createRequire(import.meta.url)

/** The codecs of the decode worker, loaded from their packages instead of a bundle. */
export const codecs: Codecs = {
  jpegLs: () => decoderOf('JpegLSDecoder', '@cornerstonejs/codec-charls/decodewasmjs'),
  jpeg2000: () => decoderOf('J2KDecoder', '@cornerstonejs/codec-openjpeg/decodewasmjs'),
  htj2k: () => decoderOf('HTJ2KDecoder', '@cornerstonejs/codec-openjph/wasmjs'),
  jpeg: () => decoderOf('JPEGDecoder', '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
  jpegLossless(bytes, bytesPerSample) {
    const { Decoder } = require('jpeg-lossless-decoder-js/release/cjs/lossless.cjs') as {
      Decoder: new () => {
        decode(b: ArrayBuffer, offset: number, length: number, size: number): Uint8Array
      }
    }
    const samples = new Decoder().decode(
      bytes.buffer,
      bytes.byteOffset,
      bytes.length,
      bytesPerSample,
    )
    return Promise.resolve(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength))
  },
}

type Factory = () => Promise<{ [name: string]: (new () => Decoder) | undefined }>
const modules = new Map<string, ReturnType<Factory>>()

async function decoderOf(name: string, module: string): Promise<Decoder> {
  const loaded = modules.get(module) ?? (require(module) as Factory)()
  modules.set(module, loaded)
  const Type = (await loaded)[name]
  if (Type === undefined) throw new Error(`codec ${name} is missing`)
  return new Type()
}
