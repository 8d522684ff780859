import { setImmediate } from 'node:timers/promises'
import { instanceLimits } from '#protocol/limits.ts'

/** Of one bit DEFLATE makes at most 129 bytes (RFC 1951 §3.2.5): what such a piece grows to holds nobody up. */
export function* deflatedPieces(chunk: Uint8Array): Generator<Uint8Array> {
  const { deflatedPieceBytes } = instanceLimits
  for (let at = 0; at < chunk.length; at += deflatedPieceBytes) {
    yield chunk.subarray(at, at + deflatedPieceBytes)
  }
}

/** Waits between two pieces once they have worked long enough, so that everybody else has a turn. */
export function createGivingWay(): () => Promise<void> {
  let began = performance.now()
  return async () => {
    if (performance.now() - began < instanceLimits.inflateTurnMs) return
    await setImmediate()
    began = performance.now()
  }
}
