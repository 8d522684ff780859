import { instanceLimits } from '#protocol/limits.ts'
import type { RandomAccess } from '../data-set.ts'
import { createInflater } from '../inflate.ts'
import { createGivingWay, deflatedPieces } from '../inflate-turns.ts'

/**
 * A deflated data set, inflated: it is Explicit VR Little Endian by then (PS3.5 §A.5). It is inflated once to learn its
 * length and again while it is read, so that it is never whole in memory.
 */
export async function inflatedPiece(
  data: RandomAccess,
): Promise<{ bytes: number; read(): AsyncIterable<Uint8Array> }> {
  let bytes = 0
  for await (const part of inflate(data)) bytes += part.length
  return { bytes, read: () => inflate(data) }
}

async function* inflate(data: RandomAccess): AsyncGenerator<Uint8Array> {
  let made: Uint8Array[] = []
  // The inflater uses its window again.
  const inflater = createInflater((part) => made.push(Uint8Array.from(part)))
  const giveWay = createGivingWay()
  const { readBytes } = instanceLimits
  for (let at = 0; at < data.bytes; at += readBytes) {
    const chunk = await data.read(at, Math.min(readBytes, data.bytes - at))
    for (const piece of deflatedPieces(chunk)) {
      await giveWay()
      inflater.write(piece)
      yield* made
      made = []
    }
  }
  inflater.end()
  yield* made
}
