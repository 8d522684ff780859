import { storageLimits } from '#protocol/limits.ts'

/**
 * Memory that bytes are read into. A lent piece is its receiver's alone, with the memory around it; what is kept for the
 * next reader (recent-windows.ts) is not lent, and giving it back changes nothing.
 * Who needs it no more, neither this process nor the system, may give it back: it is used again, which saves page
 * faults and the collector's work. Who gives nothing back leaves it to the collector.
 *
 * Only the very piece that was handed out can be given back, not a part of it: who cuts it up cannot end the use of
 * what others still look at. And what was given back cannot be read through the piece or its parts: the memory moves to
 * a new owner, and every view of the old one is empty from then on. A mistake shows as missing bytes, never as bytes of
 * somebody else.
 */
export type Loans = {
  /** So many bytes, of which nothing is known. */
  take(bytes: number): Buffer<ArrayBuffer>
  /** Hands out a piece of memory that was taken here. */
  lend(piece: Uint8Array): void
}

type Lender = (memory: ArrayBuffer) => void
const lenders = new WeakMap<Uint8Array, Lender>()

export function createLoans(): Loans {
  const { chunkBytes, windowBytes, spareWindowsMax } = storageLimits
  const spare: ArrayBuffer[] = []
  return {
    take(bytes) {
      // A small piece would keep others from a large buffer.
      const isOrdinary = bytes > chunkBytes && bytes <= windowBytes
      const memory = isOrdinary ? spare.pop() : undefined
      if (memory !== undefined) return Buffer.from(memory, 0, bytes)
      return Buffer.allocUnsafeSlow(isOrdinary ? windowBytes : bytes).subarray(0, bytes)
    },
    lend: (piece) =>
      void lenders.set(piece, (memory) => {
        if (memory.byteLength === windowBytes && spare.length < spareWindowsMax) spare.push(memory)
        // The collector would come for it late.
        else memory.transfer(0)
      }),
  }
}

/** Ends the use of a piece. Of what was not lent, or was given back already, nothing changes. */
export function giveBack(piece: Uint8Array): void {
  const keep = lenders.get(piece)
  if (keep === undefined) return
  lenders.delete(piece)
  const { buffer } = piece
  if (buffer instanceof ArrayBuffer && !buffer.detached) keep(buffer.transfer())
}
