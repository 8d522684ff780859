import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { AccessRow } from '#protocol/control.ts'
import { codeOf } from '#protocol/errors.ts'
import { OrganizationOid, StudyUid, Ulid } from '#protocol/ids.ts'
import { reconciliationLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { dayMs, dayOf, pruneBefore } from './accesses.ts'
import type { Accesses, Side } from './accesses.ts'
import type { Member } from './members.ts'
import type { Receipts } from './receipts.ts'

/** What two accounts of one access can differ in. */
export const mismatchKinds = [
  /** The holder served what the grantee says it never asked for: somebody else speaks with its key, or it hides a reading. */
  'not-asked',
  /** The grantee got what the holder does not know of: the holder has lost, or hides, part of its audit. */
  'not-recorded',
  'another-study',
  'another-user',
  /** One side saw the end of a transfer, with bytes, and the other did not. */
  'unfinished',
  'bytes',
  /** The receipt that the grantee has says something else than the holder now. */
  'receipt',
] as const

const Mismatch = z.strictObject({
  kind: z.enum(mismatchKinds),
  /** What this node was in the access. */
  side: z.enum(['holder', 'grantee']),
  req: Ulid,
  study: StudyUid,
  user: z.string(),
})
export type Mismatch = z.infer<typeof Mismatch>

export const reconciledStates = ['agreed', 'mismatch', 'unanswered'] as const

/** How one day with one organization came out. */
export const Reconciled = z.strictObject({
  day: z.iso.date(),
  organization: OrganizationOid,
  at: z.int(),
  state: z.enum(reconciledStates),
  /** Accesses that were compared: to our studies, and to theirs. */
  served: z.int(),
  fetched: z.int(),
  /** All of them; the list below has the first ones. */
  mismatched: z.int(),
  mismatches: z.array(Mismatch).max(reconciliationLimits.mismatchesMax),
})
export type Reconciled = z.infer<typeof Reconciled>

/**
 * Compares the audits of two organizations, day by day and access by access: each asks the other for its account of a
 * day and judges both. Neither relies on the other to tell it of a mismatch, so both administrators see it.
 */
export type Reconciliation = AsyncDisposable & {
  /** Compares every day that can be compared by now and has not been. */
  run(): Promise<void>
  /** The newest days first; those alone that came out in a way, or all. */
  list(limit: number, state?: Reconciled['state']): Promise<Reconciled[]>
  /** Days with organizations that did not agree, among those that are kept. */
  mismatched(): number
}

export type ReconciliationDeps = {
  self: OrganizationOid
  members: () => readonly Pick<Member, 'oid' | 'online'>[]
  connect: (oid: OrganizationOid, signal?: AbortSignal) => Promise<Pick<Connection, 'request'>>
  accesses: Accesses
  receipts: Pick<Receipts, 'take'>
  records: Pick<Records, 'get' | 'put' | 'list' | 'write'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  now: () => number
  isTimeProven: () => boolean
  log: Log
}

const kind = 'reconciliation'
const keyOf = (day: string, organization: OrganizationOid) => `${day}/${organization}`

export async function openReconciliation(deps: ReconciliationDeps): Promise<Reconciliation> {
  const stop = new AbortController()
  let mismatched = await countMismatched(deps)
  let running: Promise<void> | undefined
  const work = async (): Promise<void> => {
    // By a clock that is ahead every row would be old, and days would be compared that have not been yet.
    if (!deps.isTimeProven()) return
    await deps.accesses.prune(deps.now())
    const { keptDays } = reconciliationLimits
    await pruneBefore(deps.records, kind, dayOf(deps.now() - keptDays * dayMs))
    for (const day of daysDue(deps.now())) {
      for (const { oid, online } of deps.members()) {
        if (stop.signal.aborted) return
        if (oid === deps.self) continue
        if ((await deps.records.get(kind, keyOf(day, oid))) !== undefined) continue
        await compareDay(deps, { day, oid, online, signal: stop.signal })
      }
    }
    mismatched = await countMismatched(deps)
  }
  const run = (): Promise<void> => {
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }
  const compare = (): void => {
    run().catch((err: unknown) => deps.log.warn({ err }, 'the audits were not compared'))
  }
  // A node that is started again every half hour compares too, once its peers have had time to be found.
  const first = setTimeout(compare, reconciliationLimits.firstMs).unref()
  const timer = setInterval(compare, reconciliationLimits.everyMs).unref()
  return {
    run,
    async list(limit, state) {
      const found: Reconciled[] = []
      for await (const { value: one } of deps.records.list(kind, Reconciled)) {
        if (state === undefined || one.state === state) found.push(one)
      }
      return found.toReversed().slice(0, limit)
    },
    mismatched: () => mismatched,
    async [Symbol.asyncDispose]() {
      clearTimeout(first)
      clearInterval(timer)
      stop.abort()
      await running?.catch(() => undefined)
    },
  }
}

async function countMismatched({ records }: Pick<ReconciliationDeps, 'records'>): Promise<number> {
  let count = 0
  for await (const { value } of records.list(kind, Reconciled)) {
    if (value.state === 'mismatch') count += 1
  }
  return count
}

/** Days in which nothing can happen any more, the oldest first. */
function daysDue(now: number): string[] {
  const { settleMs, daysMax } = reconciliationLimits
  const newest = now - settleMs - dayMs
  return Array.from({ length: daysMax }, (_, back) => dayOf(newest - back * dayMs)).toReversed()
}

type Day = { day: string; oid: OrganizationOid; online: boolean; signal: AbortSignal }
type Accounts = Record<Side, { ours: AccessRow[]; theirs: AccessRow[] }>

async function compareDay(deps: ReconciliationDeps, about: Day): Promise<void> {
  const { day, oid } = about
  const accounts: Accounts = {
    holder: { ours: await ourRows(deps, about, 'holder'), theirs: [] },
    grantee: { ours: await ourRows(deps, about, 'grantee'), theirs: [] },
  }
  const isAnswered = await askFor(deps, about, accounts)
  const isLast = day <= (daysDue(deps.now())[0] ?? '')
  if (!isAnswered && !isLast) return
  const found = isAnswered ? mismatchesOf(accounts) : []
  const [served, fetched] = [accounts.holder.ours.length, accounts.grantee.ours.length]
  const result: Reconciled = {
    day,
    organization: oid,
    at: deps.now(),
    state: isAnswered ? (found.length === 0 ? 'agreed' : 'mismatch') : 'unanswered',
    served,
    fetched,
    mismatched: found.length,
    mismatches: found.slice(0, reconciliationLimits.mismatchesMax),
  }
  await alert(deps, result)
  await deps.records.put(kind, keyOf(day, oid), result)
}

async function ourRows(deps: ReconciliationDeps, { day, oid }: Day, side: Side) {
  return await allPages((after) =>
    deps.accesses.page({
      side,
      peer: oid,
      day,
      limit: reconciliationLimits.pageRows,
      ...(after !== undefined && { after }),
    }),
  )
}

/** The other side's account of the same accesses; false when it gives none. */
async function askFor(deps: ReconciliationDeps, about: Day, accounts: Accounts): Promise<boolean> {
  const { day, oid, online, signal } = about
  if (!online) return false
  try {
    const connection = await deps.connect(oid, signal)
    for (const side of ['holder', 'grantee'] as const) {
      const ours: Side = side === 'holder' ? 'grantee' : 'holder'
      accounts[ours].theirs = await allPages(async (after) => {
        const params = { day, side, ...(after !== undefined && { after }) }
        return (await connection.request('accesses.get', params, { signal })).accesses
      })
    }
  } catch (error) {
    deps.log.info({ code: codeOf(error), organization: oid, day }, 'no account of a day')
    return false
  }
  await takeReceipts(deps, oid, accounts.grantee)
  return true
}

/** Receipts that did not arrive when they were made. */
async function takeReceipts(
  { receipts }: ReconciliationDeps,
  oid: OrganizationOid,
  { ours, theirs }: Accounts['grantee'],
): Promise<void> {
  const waiting = new Map(ours.map((row) => [row.req, row]))
  for (const { req, receipt } of theirs) {
    const row = waiting.get(req)
    if (receipt === undefined || row === undefined || row.receipt !== undefined) continue
    // One that is not believed is missing, and the comparison says so.
    const taken = await receipts.take(oid, { receipt }).catch(() => undefined)
    if (taken !== undefined) row.receipt = receipt
  }
}

async function allPages(
  read: (after: string | undefined) => Promise<AccessRow[]>,
): Promise<AccessRow[]> {
  const { pageRows, rowsMax } = reconciliationLimits
  const rows: AccessRow[] = []
  while (rows.length < rowsMax) {
    const last = rows.at(-1)?.req
    const page = await read(last)
    // Numbers must grow, or the other side could keep us here for ever.
    if (last !== undefined && page.some(({ req }) => req <= last)) break
    rows.push(...page)
    if (page.length < pageRows) break
  }
  return rows
}

function mismatchesOf({ holder, grantee }: Accounts): Mismatch[] {
  return [
    ...compareAccesses(holder.ours, holder.theirs).map((one) => ({
      ...one,
      side: 'holder' as const,
    })),
    ...compareAccesses(grantee.theirs, grantee.ours).map((one) => ({
      ...one,
      side: 'grantee' as const,
    })),
  ]
}

/** Where the holder's account of some accesses and the grantee's differ. */
export function compareAccesses(
  served: readonly AccessRow[],
  fetched: readonly AccessRow[],
): Omit<Mismatch, 'side'>[] {
  const known = new Map(fetched.map((row) => [row.req, row]))
  const found = served.flatMap((row) => {
    const difference = differenceOf(row, known.get(row.req))
    return difference === undefined ? [] : [mismatch(difference, row)]
  })
  const recorded = new Set(served.map(({ req }) => req))
  const missing = fetched.filter(({ req, bytes = 0 }) => bytes > 0 && !recorded.has(req))
  return [...found, ...missing.map((row) => mismatch('not-recorded', row))]
}

const mismatch = (kindOf: Mismatch['kind'], { req, study, user }: AccessRow) => {
  return { kind: kindOf, req, study, user }
}

function differenceOf(
  holder: AccessRow,
  grantee: AccessRow | undefined,
): Mismatch['kind'] | undefined {
  const { toleranceBytes } = reconciliationLimits
  if (grantee === undefined) return 'not-asked'
  if (holder.study !== grantee.study) return 'another-study'
  if (holder.user !== grantee.user) return 'another-user'
  const [sent = 0, got = 0] = [holder.bytes, grantee.bytes]
  const isOneSided = (holder.outcome === undefined) !== (grantee.outcome === undefined)
  if (isOneSided && Math.max(sent, got) > toleranceBytes) return 'unfinished'
  if (!isOneSided && Math.abs(sent - got) > toleranceBytes) return 'bytes'
  const isOther = grantee.receipt !== undefined && grantee.receipt !== holder.receipt
  return isOther ? 'receipt' : undefined
}

async function alert(deps: ReconciliationDeps, result: Reconciled): Promise<void> {
  const { day, organization, state, served, fetched, mismatched, mismatches } = result
  const entry = { event: 'security-alert', outcome: 'failure', code: 'audit_mismatch' } as const
  const about = { ...entry, organization, role: '', source: '', holder: deps.self }
  for (const { kind: what, side, req, study, user } of mismatches) {
    const holder = side === 'holder' ? deps.self : organization
    const detail = `audits of ${day} compared: ${what}`
    await deps.audit.append({ ...about, user, holder, study, assertion: req, detail })
  }
  const hidden = mismatched - mismatches.length
  if (hidden > 0) {
    const detail = `audits of ${day} compared: ${hidden} more mismatches`
    await deps.audit.append({ ...about, user: '', detail })
  }
  // An organization that nobody had to do with that day has nothing to account for.
  if (state !== 'unanswered' || served + fetched === 0) return
  const detail = `audits of ${day}: no account of ${served + fetched} accesses`
  await deps.audit.append({ ...about, user: '', detail })
}
