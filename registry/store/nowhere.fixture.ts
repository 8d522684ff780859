import type { Store } from './store.ts'

/** A store that is empty and keeps nothing. */
export const nowhere: Store = {
  get: async () => undefined,
  list: async () => [],
  last: async () => undefined,
  write: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}
