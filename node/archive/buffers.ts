import { storageLimits } from '#protocol/limits.ts'

/** Buffers of one chunk, used again and again: fresh ones cost page faults. */
export type Buffers = {
  take(): Buffer<ArrayBuffer>
  give(buffer: Buffer<ArrayBuffer>): void
}

export function createBuffers(): Buffers {
  const spare: Buffer<ArrayBuffer>[] = []
  return {
    take: () => spare.pop() ?? Buffer.allocUnsafeSlow(storageLimits.chunkBytes),
    give(buffer) {
      if (spare.length < storageLimits.spareBuffersMax) spare.push(buffer)
    },
  }
}
