/** One at a time for each key. */
export type Locks = (key: string) => Promise<Disposable>

export function createLocks(): Locks {
  const tails = new Map<string, Promise<void>>()
  return async (key) => {
    const before = tails.get(key)
    const { promise, resolve } = Promise.withResolvers<void>()
    tails.set(key, promise)
    await before
    return {
      [Symbol.dispose]() {
        if (tails.get(key) === promise) tails.delete(key)
        resolve()
      },
    }
  }
}
