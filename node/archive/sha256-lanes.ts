import { blockBytes, layout, sha256Module } from './sha256-code.ts'

/** Digests of four messages of one length, which is a multiple of 64, at a time. */
export type Lanes = (messages: readonly Uint8Array[]) => Buffer[]

export const laneCount = 4
const pageBytes = 65_536
const words = 8

/** The part of WebAssembly's interface that is used: the server is not compiled with the types of a browser. */
type Api = {
  Memory: new (options: { initial: number }) => { buffer: ArrayBuffer }
  Module: new (bytes: Uint8Array) => object
  Instance: new (
    module: object,
    imports: object,
  ) => { exports: { blocks: (...parameters: number[]) => void } }
}

/** `bytesMax`: of the longest message. */
export function createLanes(bytesMax: number): Lanes {
  const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: Api }).WebAssembly
  const pages = (layout.data + laneCount * bytesMax) / pageBytes
  const memory = new Memory({ initial: Math.ceil(pages) })
  const module = new Module(sha256Module(Math.ceil(pages)))
  const { blocks } = new Instance(module, { env: { memory } }).exports
  const bytes = Buffer.from(memory.buffer)
  const view = new DataView(memory.buffer)
  const [constants, initial] = roots()
  for (const [index, word] of constants.entries()) view.setUint32(4 * index, word, true)
  const padding = bytes.subarray(layout.padding, layout.padding + blockBytes)
  padding[0] = 0x80
  const places = Array.from({ length: laneCount }, (_, lane) => layout.data + lane * bytesMax)
  const stateAt = (word: number, lane: number): number => layout.state + 16 * word + 4 * lane

  return (messages) => {
    const length = messages[0]?.byteLength ?? 0
    for (const [lane, message] of messages.entries()) bytes.set(message, places[lane])
    for (const [word, value] of initial.entries()) {
      for (let lane = 0; lane < laneCount; lane++) {
        view.setUint32(stateAt(word, lane), value, true)
      }
    }
    if (length > 0) blocks(...places, length / blockBytes)
    padding.writeBigUInt64BE(BigInt(length) * 8n, blockBytes - 8)
    blocks(...places.map(() => layout.padding), 1)
    return messages.map((_, lane) => {
      const digest = Buffer.alloc(4 * words)
      for (let word = 0; word < words; word++) {
        digest.writeUInt32BE(view.getUint32(stateAt(word, lane), true), 4 * word)
      }
      return digest
    })
  }
}

/** Fractions of the cube and square roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3). */
function roots(): [constants: number[], initial: number[]] {
  const primes: number[] = []
  for (let number = 2; primes.length < 64; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number)
  }
  const fraction = (value: number): number => ((value - Math.floor(value)) * 2 ** 32) >>> 0
  return [
    primes.map((prime) => fraction(Math.cbrt(prime))),
    primes.slice(0, words).map((prime) => fraction(Math.sqrt(prime))),
  ]
}
