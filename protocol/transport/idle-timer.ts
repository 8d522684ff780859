/** Calls back when it was not touched for a while. Touching is cheap enough for every frame. */
export function createIdleTimer(ms: number, onIdle: () => void) {
  const timer = setTimeout(onIdle, ms)
  return {
    touch: (): void => {
      timer.refresh()
    },
    stop: (): void => clearTimeout(timer),
  }
}
