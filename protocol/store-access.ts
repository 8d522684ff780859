import { createTurns } from './turns.ts'

/** A database that is closed and opened again in place. */
type Reopenable = { open(): Promise<void>; close(): Promise<void> }

export type StoreAccess = {
  /** A read that ends by itself: an opening anew waits for it, and it for the opening. */
  reading<T>(read: () => Promise<T>): Promise<T>
  writing(write: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/**
 * After a write that failed, as on a full disk, LevelDB writes on behind the half of a record that is left in its log,
 * and its next opening loses what follows. So one write goes after another, and after a failure the next one has it
 * opened anew first, once `probe` says that the disk takes bytes; reading goes on until then.
 */
export function createStoreAccess(db: Reopenable, probe: () => Promise<void>): StoreAccess {
  const inTurn = createTurns()
  const reads = new Set<Promise<unknown>>()
  let isBroken = false
  const state: { reopening?: Promise<void> | undefined } = {}
  const reopen = async (): Promise<void> => {
    await probe()
    const opened = Promise.allSettled(reads)
      .then(() => db.close())
      .then(() => db.open())
    state.reopening = opened
      .catch(() => undefined)
      .then(() => {
        state.reopening = undefined
      })
    await opened
  }
  return {
    async reading(read) {
      while (state.reopening !== undefined) await state.reopening
      const mine = read()
      reads.add(mine)
      try {
        return await mine
      } finally {
        reads.delete(mine)
      }
    },
    writing: (write) =>
      inTurn(async () => {
        if (isBroken) await reopen()
        isBroken = true
        await write()
        isBroken = false
      }),
    close: () => inTurn(() => db.close()),
  }
}
