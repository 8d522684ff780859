import { codeOf } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { acceptIndexItem } from '#protocol/index-log.ts'
import type { IndexEntry, IndexItem } from '#protocol/index-log.ts'
import type { Kid, OrganizationOid, PublicJwk } from '#protocol/ids.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { HolderState, Replica } from './replica.ts'

/**
 * Reads other organizations' index logs into the replica. Every item is verified against the holder's own key and
 * chain; the registry that passes it on is not believed. What does not fit (a gap, more than can be taken in) is
 * dropped and asked for again from the last accepted number.
 */
export type Follower = {
  /** Asks the registry for everything after what is here; items that come before its answer are of an older asking. */
  follow(connection: Pick<Connection, 'request'>): Promise<void>
  onItems(items: readonly IndexItem[]): void
  /** Some log stands still; with a newer directory (a key may have been unknown) asking again may help. */
  isHalted(): boolean
  /** Resolves when everything that has come is taken in. */
  settled(): Promise<void>
}

type Deps = {
  replica: Replica
  self: OrganizationOid
  keyOf: (organization: OrganizationOid, kid: Kid) => PublicJwk | undefined
  /** Names the grants under which the holder's entries are shown now; when they change, the log is read anew. */
  visibility: (holder: OrganizationOid) => string
  log: Log
  /** Something is missing: `follow` must be called again, soon. */
  onGap: () => void
}

export function createFollower(deps: Deps): Follower {
  const { replica, log } = deps
  /** Logs that cannot be taken further until the next asking. */
  const halted = new Map<OrganizationOid, ErrorCode>()
  let asking = 0
  let isListening = false
  let waiting = 0
  let work: Promise<void> = Promise.resolve()

  const ask = (): void => {
    isListening = false
    deps.onGap()
  }
  const take = async (items: readonly IndexItem[], shownUnder: Labels): Promise<void> => {
    for (const [holder, run] of runsOf(items)) {
      if (holder === deps.self || halted.has(holder)) continue
      const label = shownUnder.get(holder) ?? ''
      const result = await readRun(deps, { holder, label }, run)
      if (result.entries.length > 0 || result.moved) {
        await replica.apply(holder, result.entries, result.state)
      }
      if (result.code === undefined) continue
      halted.set(holder, result.code)
      log.error({ holder, code: result.code }, 'an index log does not continue as it must')
      if (result.code === 'log_gap') ask()
    }
  }
  return {
    async follow(connection) {
      const mine = ++asking
      isListening = false
      await work
      if (replica.rows.isDamaged()) await replica.clear()
      const holders = [...replica.states().keys()]
      for (const holder of holders) {
        const { visibility } = replica.state(holder)
        if (visibility !== deps.visibility(holder)) await replica.reset(holder)
        else if (halted.get(holder) === 'log_fork') await rewind(replica, holder)
      }
      const heads = [...replica.states()].map(([holder, { seq }]) => [holder, seq] as const)
      await connection.request('index.follow', { after: Object.fromEntries(heads) })
      if (mine !== asking) return
      halted.clear()
      isListening = true
    },
    onItems(items) {
      if (!isListening) return
      if (waiting >= indexLimits.followQueueMax) return ask()
      waiting += 1
      // While they wait the grants may change, and these were chosen under those of now or before.
      const holders = new Set(items.map(({ org }) => org))
      const shownUnder = new Map([...holders].map((org) => [org, deps.visibility(org)]))
      work = work
        .then(() => take(items, shownUnder))
        .catch((err: unknown) => {
          log.error({ err }, 'could not take index entries in')
          ask()
        })
        .finally(() => {
          waiting -= 1
        })
    },
    isHalted: () => halted.size > 0,
    settled: () => work,
  }
}

/** A digest that the registry made up is not built on for ever; of a holder that forks, this forgets nothing. */
async function rewind(replica: Replica, holder: OrganizationOid): Promise<void> {
  const { visibility, proven } = replica.state(holder)
  if (proven === undefined) await replica.reset(holder)
  else await replica.apply(holder, [], { ...proven, visibility, proven })
}

/** The grants under which each holder's items were shown. */
type Labels = ReadonlyMap<OrganizationOid, string>

/** Items of one holder that follow each other are verified and written together. */
function runsOf(items: readonly IndexItem[]): [OrganizationOid, IndexItem[]][] {
  const runs: [OrganizationOid, IndexItem[]][] = []
  for (const item of items) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] === item.org) last[1].push(item)
    else runs.push([item.org, [item]])
  }
  return runs
}

type Run = { entries: IndexEntry[]; state: HolderState; moved: boolean; code?: ErrorCode }

async function readRun(
  { replica, keyOf }: Deps,
  { holder: org, label: begun }: { holder: OrganizationOid; label: string },
  items: readonly IndexItem[],
): Promise<Run> {
  const before = replica.state(org)
  const entries: IndexEntry[] = []
  let head = { seq: before.seq, digest: before.digest }
  let { proven } = before
  // A log is under the grants of the time it was begun; `follow` begins it anew when they have changed.
  const label = before.seq === 0 ? begun : before.visibility
  const run = (code?: ErrorCode): Run => ({
    entries,
    state: { ...head, visibility: label, ...(proven !== undefined && { proven }) },
    moved: head.seq !== before.seq,
    ...(code !== undefined && { code }),
  })
  for (const item of items) {
    if (item.seq <= head.seq) continue
    try {
      const accepted = await acceptIndexItem(item, { org, head, keyOf: (kid) => keyOf(org, kid) })
      head = accepted.head
      if (accepted.entry === undefined) continue
      entries.push(accepted.entry)
      proven = head
    } catch (error) {
      return run(codeOf(error))
    }
  }
  return run()
}
