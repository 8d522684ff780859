/** A number of places; who finds none waits in line. */
export type Slots = {
  /** Resolves with what gives the place back. */
  take(signal: AbortSignal): Promise<() => void>
}

export function createSlots(max: number): Slots {
  const line: (() => void)[] = []
  let free = max
  const giveBack = (): void => {
    const next = line.shift()
    if (next === undefined) free += 1
    else next()
  }
  const wait = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const onTurn = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        line.splice(line.indexOf(onTurn), 1)
        reject(signal.reason)
      }
      line.push(onTurn)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  return {
    async take(signal) {
      signal.throwIfAborted()
      if (free > 0) free -= 1
      else await wait(signal)
      let isHeld = true
      return () => {
        if (isHeld) giveBack()
        isHeld = false
      }
    },
  }
}
