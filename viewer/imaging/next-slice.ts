/** In which order the slices of a stack come: the one under the cursor first, then its neighbours, nearest first. */

export type FrameState = 'absent' | 'loading' | 'shown' | 'failed'

/** The index of the next slice to ask for, or -1 when none is absent. */
export function nextSlice(states: readonly FrameState[], focus: number): number {
  for (let distance = 0; distance < states.length; distance++) {
    // Readers scroll down more often than up, so the slice below comes first.
    if (states[focus + distance] === 'absent') return focus + distance
    if (distance > 0 && states[focus - distance] === 'absent') return focus - distance
  }
  return -1
}

/** Browsers open six connections to a host; one stays free for the slice that the reader jumps to. */
export const lanesMax = 5

/**
 * How many frames to have on the way at once. On a thin link parallel frames only delay the one that is looked at, so
 * everything in flight should arrive within about a second.
 */
export function lanesFor(
  bytesPerSecond: number | undefined,
  frameBytes: number | undefined,
): number {
  if (bytesPerSecond === undefined || frameBytes === undefined) return 1
  return Math.min(lanesMax, Math.max(1, Math.floor(bytesPerSecond / Math.max(frameBytes, 1))))
}
