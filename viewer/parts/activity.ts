/** Asks again by itself only while somebody is there. */
export const presenceMs = 5 * 60_000

const signs = ['pointerdown', 'pointermove', 'wheel', 'keydown', 'touchstart'] as const

/** For how long nobody has touched mouse, keyboard or screen. */
export function watchActivity(
  target: Pick<EventTarget, 'addEventListener'>,
  clock: () => number,
): () => number {
  let last = clock()
  const touched = () => {
    last = clock()
  }
  for (const sign of signs) target.addEventListener(sign, touched, { passive: true, capture: true })
  return () => clock() - last
}
