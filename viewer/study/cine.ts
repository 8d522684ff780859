import { effect } from '@preact/signals'
import type { Reader } from '../imaging/reader.ts'

/** Runs frames at their rate while the reader plays. Time that a slow frame took is not caught up. */
export type Ticker = (run: (now: number) => void) => () => void

/** What a run needs of a reader. */
export type Cine = Pick<Reader, 'isPlaying' | 'frameRate' | 'advance'>

export function runCine(reader: Cine, everyFrame: Ticker): () => void {
  return effect(() => {
    if (!reader.isPlaying.value) return undefined
    let due: number | undefined
    return everyFrame((now) => {
      const step = 1000 / reader.frameRate.peek()
      due ??= now + step
      // Screens are not punctual to the microsecond.
      if (now < due - 1) return
      // Counted from when it was due: counted from now, 30 pictures a second on a 60 Hz screen would become 20.
      due = now - due > step ? now + step : due + step
      reader.advance()
    })
  })
}

/** The screen's own clock. */
export const screenTicker: Ticker = (run) => {
  let id = 0
  const tick = (now: number) => {
    run(now)
    id = requestAnimationFrame(tick)
  }
  id = requestAnimationFrame(tick)
  return () => cancelAnimationFrame(id)
}
