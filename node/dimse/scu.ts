import { dimseLimits } from '#protocol/limits.ts'
import type { DimseLimits } from './link.ts'
import { openAssociation, pairKey, type Pair, type ScuAssociation } from './scu-association.ts'
import { status } from './status.ts'

/** One instance to send: its data set goes out byte for byte, in its own transfer syntax. */
export type StoreItem = {
  sopClass: string
  sopUid: string
  transferSyntax: string
  dataSet: Uint8Array
}

export type StoreResult = { status: number; comment: string; sopUid: string }

export type StoreScuOptions = {
  host: string
  port: number
  callingAe: string
  calledAe: string
  limits?: Partial<DimseLimits>
}

export type StoreScu = AsyncDisposable & {
  /**
   * Sends one after the other and gives the peer's answer to each. Throws `unavailable` when no association can be
   * had, `aborted` or `timeout` when it is lost; the next call starts with a new one.
   */
  store(
    items: Iterable<StoreItem> | AsyncIterable<StoreItem>,
  ): AsyncGenerator<StoreResult, void, void>
}

const notAccepted = {
  status: status.sopClassNotSupported,
  comment: 'the peer does not accept this SOP class in this transfer syntax',
}

/** A sender (C-STORE SCU). It keeps one association and opens another when an item needs a context it has not. */
export function createStoreScu(options: StoreScuOptions): StoreScu {
  const limits: DimseLimits = { ...dimseLimits, ...options.limits }
  /** Pairs to propose, the most recently needed last. */
  const pairs = new Map<string, Pair>()
  let association: ScuAssociation | undefined

  const remember = ({ sopClass, transferSyntax }: StoreItem): Pair => {
    const pair = { abstractSyntax: sopClass, transferSyntax }
    const key = pairKey(pair)
    pairs.delete(key)
    pairs.set(key, pair)
    const [oldest] = pairs.keys()
    if (pairs.size > limits.contextsMax && oldest !== undefined) pairs.delete(oldest)
    return pair
  }

  const associationFor = async (pair: Pair): Promise<ScuAssociation> => {
    if (association?.isOpen === true && association.proposes(pair)) return association
    await close()
    association = await openAssociation({ ...options, limits, pairs: [...pairs.values()] })
    return association
  }

  const close = async () => {
    const current = association
    association = undefined
    await current?.release()
  }

  return {
    async *store(items) {
      // A list shows beforehand what it needs: one association serves it all.
      if (Array.isArray(items)) for (const item of items as StoreItem[]) remember(item)
      for await (const item of items) {
        const pair = remember(item)
        const { sopUid } = item
        const current = await associationFor(pair)
        const context = current.contextFor(pair)
        yield context === undefined
          ? { ...notAccepted, sopUid }
          : { ...(await current.store(context, item)), sopUid }
      }
    },
    [Symbol.asyncDispose]: close,
  }
}
