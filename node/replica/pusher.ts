import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { IndexHead } from '#protocol/index-log.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Published } from './published.ts'

type Registry = Pick<Connection, 'request'>

type Deps = {
  published: Published
  log: Log
  /** The registry has entries that this node does not know: an older copy of its data was put back. */
  takeBack: (connection: Registry) => Promise<void>
}

/** Brings the registry's copy of our log up to ours: from its head on, in batches, one request at a time. */
export function createPusher(deps: Deps) {
  const { published, log } = deps
  let current: Registry | undefined
  let wake: (() => void) | undefined
  let endRest: (() => void) | undefined

  const isCurrent = (connection: Registry): boolean => current === connection
  const more = (connection: Registry, seq: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      // Made while we looked, or the connection has been replaced: no reason to sleep.
      if (published.head().seq > seq || !isCurrent(connection)) resolve()
    })

  const bringUp = async (connection: Registry): Promise<void> => {
    let { seq } = await agreedHead(deps, connection)
    while (isCurrent(connection)) {
      const entries = batchOf(await published.after(seq, indexLimits.pushBatch))
      if (entries.length === 0) await more(connection, seq)
      else seq = (await connection.request('index.push', { entries })).seq
    }
  }
  /** Until it is time to try again, or the connection is not ours any more. */
  const rest = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, indexLimits.entryIntervalMs)
      endRest = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const become = (connection: Registry | undefined): void => {
    current = connection
    wake?.()
    endRest?.()
  }

  return {
    async push(connection: Registry): Promise<void> {
      become(connection)
      while (isCurrent(connection)) {
        try {
          await bringUp(connection)
        } catch (error) {
          const code = codeOf(error)
          if (!isCurrent(connection) || linkCodes.has(code)) return
          // Kept apart from the link's own troubles: somebody has to look at this.
          log.error({ code }, 'the registry does not take our index')
          if (!passingCodes.has(code)) return
          // The link may stand for months: nobody else begins anew.
          await rest()
        }
      }
    },
    wake: () => wake?.(),
    stop: (): void => become(undefined),
  }
}

/** The registry's head must be an entry of ours: otherwise one of us has lost or forged something. */
async function agreedHead({ published, takeBack }: Deps, connection: Registry): Promise<IndexHead> {
  const isOurs = async ({ seq, digest }: IndexHead): Promise<boolean> =>
    seq === 0 || (await published.digestAt(seq)) === digest
  const theirs = await connection.request('index.head', {})
  if (await isOurs(theirs)) return theirs
  await takeBack(connection)
  const now = await connection.request('index.head', {})
  if (await isOurs(now)) return now
  throw new ProtocolError('log_fork', 'the registry has other entries than these')
}

const linkCodes: ReadonlySet<ErrorCode> = new Set(['stream_closed', 'aborted'])
/** What says nothing about our entries. */
const passingCodes: ReadonlySet<ErrorCode> = new Set([
  'timeout',
  'unavailable',
  'rate_limited',
  'storage_full',
  'storage_failed',
  'internal',
])

function batchOf(tokens: readonly string[]): string[] {
  let bytes = 0
  return tokens.filter((token) => (bytes += token.length) <= indexLimits.batchBytes)
}
