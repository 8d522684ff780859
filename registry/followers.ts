import { codeOf } from '#protocol/errors.ts'
import { coversStudy } from '#protocol/grant.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { IndexItem } from '#protocol/index-log.ts'
import { indexLimits, streamLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { batchesOf } from './batches.ts'
import type { Credentials } from './credentials.ts'
import type { GrantRow } from './grant-rows.ts'
import type { Grants } from './grants.ts'
import type { IndexLog, LoggedEntry } from './index-log.ts'
import type { Log } from './log.ts'
import type { Withdrawals } from './withdrawals.ts'

/**
 * Replication of the index to the nodes. A follower is a cursor per log and one loop that reads the store behind the
 * cursors: what was there before (backfill), what came meanwhile (cutover) and what comes later (stream) are the same
 * reading, so nothing is lost or doubled where one turns into the other.
 */
export type Followers = {
  follow(
    follower: OrganizationOid,
    connection: Connection,
    after: Readonly<Record<string, number>>,
  ): void
  /** A log has grown. */
  appended(oid: OrganizationOid): void
  left(follower: OrganizationOid): void
}

type Session = {
  follower: OrganizationOid
  connection: Connection
  cursors: Map<OrganizationOid, number>
  /** Logs to look into again. */
  due: Set<OrganizationOid>
  /** Logs that will be due again after a failure. */
  retries: Set<OrganizationOid>
  isRunning: boolean
  hasEnded: boolean
  /** Bytes on their way; a follower that has not shown it read them gets no more. */
  unconfirmed: number
}

type Deps = {
  indexLog: IndexLog
  grants: Pick<Grants, 'received'>
  credentials: Pick<Credentials, 'all'>
  withdrawals: Pick<Withdrawals, 'isSuspended'>
  clock: () => number
  log: Log
}

export function createFollowers(deps: Deps): Followers {
  const sessions = new Map<OrganizationOid, Session>()
  const { wake, lookInto } = createRuns(deps)
  return {
    follow(follower, connection, after) {
      const before = sessions.get(follower)
      if (before !== undefined) before.hasEnded = true
      const others = deps.credentials.all().filter(({ oid }) => oid !== follower)
      const session: Session = {
        follower,
        connection,
        cursors: new Map(others.map(({ oid }) => [oid, after[oid] ?? 0])),
        due: new Set(others.map(({ oid }) => oid)),
        retries: new Set(),
        isRunning: false,
        hasEnded: false,
        unconfirmed: 0,
      }
      sessions.set(follower, session)
      // After the answer to the request: what comes before it belongs to an older asking, the follower may rely on that.
      setImmediate(() => wake(session))
    },
    appended(oid) {
      for (const session of sessions.values()) {
        if (session.follower === oid || session.hasEnded) continue
        lookInto(session, oid)
      }
    },
    left(follower) {
      const session = sessions.get(follower)
      if (session !== undefined) session.hasEnded = true
      sessions.delete(follower)
    },
  }
}

/** One loop for each session, as long as there is something to look into. */
function createRuns(deps: Deps) {
  const wake = (session: Session): void => {
    if (session.isRunning || session.hasEnded) return
    session.isRunning = true
    void run(session).finally(() => {
      session.isRunning = false
      if (session.due.size > 0) wake(session)
    })
  }
  const lookInto = (session: Session, oid: OrganizationOid): void => {
    session.due.add(oid)
    wake(session)
  }
  const retryLater = (session: Session, oid: OrganizationOid): void => {
    if (session.retries.has(oid)) return
    session.retries.add(oid)
    const retry = () => {
      session.retries.delete(oid)
      lookInto(session, oid)
    }
    setTimeout(retry, indexLimits.followRetryMs).unref()
  }
  const run = async (session: Session): Promise<void> => {
    for (const oid of session.due) {
      if (session.hasEnded) return
      session.due.delete(oid)
      try {
        // Added at the end, so that a long log does not keep the short ones waiting.
        if (await advance(deps, session, oid)) session.due.add(oid)
      } catch (error) {
        const { follower } = session
        const code = codeOf(error)
        deps.log.warn({ follower, log: oid, code }, 'a follower did not get the entries of a log')
        // The follower comes back with its heads. While its link lives, it does not know that anything is missing.
        if (code === 'stream_closed') session.hasEnded = true
        else retryLater(session, oid)
      }
    }
  }
  return { wake, lookInto }
}

/** Sends what comes next of one log; whether there was anything. */
async function advance(deps: Deps, session: Session, oid: OrganizationOid): Promise<boolean> {
  const after = session.cursors.get(oid) ?? 0
  const entries = await deps.indexLog.read(oid, after, indexLimits.followBatch)
  if (session.hasEnded || entries.length === 0) return false
  const visible = await visibleTo(deps, session.follower, oid)
  const items = entries.map((entry) => itemOf(oid, entry, visible))
  const batches = batchesOf(items, {
    bytesOf: (item) => ('entry' in item ? item.entry.length : 64) + 200,
    count: indexLimits.followBatch,
    bytes: indexLimits.batchBytes,
  })
  for (const batch of batches) await send(session, batch)
  session.cursors.set(oid, entries.at(-1)?.seq ?? after)
  return true
}

/** Events have no answer: a ping behind them shows that the follower has read them. */
async function send(session: Session, items: IndexItem[]): Promise<void> {
  if (session.hasEnded) return
  session.connection.send('index', { items })
  session.unconfirmed += indexLimits.batchBytes
  if (session.unconfirmed < streamLimits.controlQueueBytes / 8) return
  await session.connection.request('ping', {})
  session.unconfirmed = 0
}

type Visible = (entry: LoggedEntry) => boolean

async function visibleTo(
  deps: Deps,
  follower: OrganizationOid,
  holder: OrganizationOid,
): Promise<Visible> {
  const { grants, withdrawals, clock } = deps
  if (withdrawals.isSuspended(holder) || withdrawals.isSuspended(follower)) return () => false
  const now = clock()
  const isOpen = (row: GrantRow): boolean =>
    row.holder === holder && row.active && row.notBefore <= now && row.act.includes('search')
  const open = (await grants.received(follower)).filter(isOpen)
  return (entry) => open.some((row) => coversStudy(row.scope, entry.subject))
}

function itemOf(org: OrganizationOid, entry: LoggedEntry, visible: Visible): IndexItem {
  const { seq, token, digest } = entry
  return visible(entry) ? { org, seq, entry: token } : { org, seq, withheld: digest }
}
