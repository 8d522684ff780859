import { dimseLimits } from '#protocol/limits.ts'
import { commandField } from './command-set.ts'
import type { DimseLimits } from './link.ts'
import {
  openAssociation,
  pairKey,
  type Pair,
  type ScuAssociation,
  type Target,
} from './scu-association.ts'
import type { Data } from './speech.ts'
import { status } from './status.ts'

/** One instance to send: its data set goes out byte for byte, in its own transfer syntax. */
export type StoreItem = {
  sopClass: string
  sopUid: string
  transferSyntax: string
  dataSet: Uint8Array
}

/** The same, read while it is sent. */
export type OutgoingItem = Omit<StoreItem, 'dataSet'> & {
  dataSet: Data
  /** Whose C-MOVE it belongs to (PS3.7 §9.3.1.1). */
  originator?: { aeTitle: string; messageId: number }
}

export type StoreResult = { status: number; comment: string; sopUid: string }

export type StoreScuOptions = Target & { limits?: Partial<DimseLimits> }

export type StoreScu = AsyncDisposable & {
  /**
   * Sends one after the other and gives the peer's answer to each. Throws `unavailable` when no association can be
   * had, `aborted` or `timeout` when it is lost; the next call starts with a new one.
   */
  store(
    items: Iterable<OutgoingItem> | AsyncIterable<OutgoingItem>,
  ): AsyncGenerator<StoreResult, void, void>
}

const pairOf = ({ sopClass, transferSyntax }: OutgoingItem): Pair => ({
  abstractSyntax: sopClass,
  transferSyntax,
})

function distinct(pairs: Iterable<Pair>, countMax: number): Pair[] {
  const found = new Map<string, Pair>()
  for (const pair of pairs) {
    found.set(pairKey(pair), pair)
    if (found.size === countMax) break
  }
  return [...found.values()]
}

async function storeOn(
  association: ScuAssociation,
  context: number,
  { sopClass, sopUid, dataSet, originator }: OutgoingItem,
): Promise<Omit<StoreResult, 'sopUid'>> {
  const field = commandField.storeRequest
  const request = { field, sopClass, sopUid, ...(originator && { originator }) }
  const { command } = await association.ask(context, request, dataSet)
  return { status: command.status, comment: command.comment }
}

const notAccepted = {
  status: status.sopClassNotSupported,
  comment: 'the peer does not accept this SOP class in this transfer syntax',
}

/** A sender (C-STORE SCU). It keeps one association and opens another when an item needs a context it has not. */
export function createStoreScu(options: StoreScuOptions): StoreScu {
  const limits: DimseLimits = { ...dimseLimits, ...options.limits }
  /** Pairs that were needed, the most recent last. */
  const needed = new Map<string, Pair>()
  let association: ScuAssociation | undefined

  const remember = (pair: Pair) => {
    needed.delete(pairKey(pair))
    needed.set(pairKey(pair), pair)
    const [oldest] = needed.keys()
    if (needed.size > limits.contextsMax && oldest !== undefined) needed.delete(oldest)
  }

  const associationFor = async (
    pair: Pair,
    ahead: readonly OutgoingItem[],
  ): Promise<ScuAssociation> => {
    if (association?.isOpen === true && association.proposes(pair)) return association
    await close()
    const recent = [...needed.values()].reverse()
    const pairs = distinct([pair, ...ahead.map(pairOf), ...recent], limits.contextsMax)
    association = await openAssociation({ ...options, limits, pairs })
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
      const list: readonly OutgoingItem[] = Array.isArray(items) ? items : []
      let index = 0
      for await (const item of items) {
        const pair = pairOf(item)
        remember(pair)
        const { sopUid } = item
        const current = await associationFor(pair, list.slice(++index))
        const context = current.contextFor(pair)
        yield context === undefined
          ? { ...notAccepted, sopUid }
          : { ...(await storeOn(current, context, item)), sopUid }
      }
    },
    [Symbol.asyncDispose]: close,
  }
}
