import { z } from 'zod'
import { EmergencyReason, type Assertion } from '#protocol/assertion.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { EmergencyFacts } from '#protocol/authorize.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { oidOf, OrganizationOid, Sha256, StudyUid, Ulid, UserId } from '#protocol/ids.ts'
import type { Verified } from '#protocol/jws.ts'
import { emergencyLimits, transparencyLimits } from '#protocol/limits.ts'
import { toleranceMs } from '#protocol/times.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '#protocol/turns.ts'
import type { SessionUser } from './session-user.ts'

/** One access of another organization's user to one study, which no grant covers. */
const Emergency = z.strictObject({
  id: Ulid,
  user: UserId,
  organization: OrganizationOid,
  position: z.string(),
  department: z.string(),
  study: StudyUid,
  reason: EmergencyReason,
  /** Digest of the first assertion: what the transparency log has of it. */
  assertion: Sha256,
  /** Milliseconds. */
  startedAt: z.int(),
  until: z.int(),
  /** Its end is in the audit. */
  isOver: z.boolean(),
  isLogged: z.boolean(),
  review: z
    .strictObject({
      at: z.int(),
      by: UserId,
      comment: z.string().min(1).max(emergencyLimits.commentCharsMax),
      isJustified: z.boolean(),
    })
    .exactOptional(),
})
export type Emergency = z.infer<typeof Emergency>
export type Review = Pick<NonNullable<Emergency['review']>, 'comment' | 'isJustified'>

/** Access without a grant as the holder gives it: off until the head has said so, and each one is looked at afterwards. */
export type Emergencies = {
  isOffered(): boolean
  /** What is under way ends when it is not offered any more. */
  offer(isOffered: boolean, by: SessionUser): Promise<void>
  /** For the decision; undefined: it is not offered. */
  facts(claims: Assertion): EmergencyFacts | undefined
  /** On the disk and in the audit when it resolves; nothing new for one that is under way. */
  begin(assertion: Verified<Assertion>, source: string): Promise<void>
  /** What waits for its review first, then the newest. */
  list(): Emergency[]
  stop(id: string, by: SessionUser): Promise<void>
  review(id: string, review: Review, by: SessionUser): Promise<void>
  /** Whether an assertion of this digest was let in. */
  hasOpened(digest: string): boolean
  /** Has the transparency log note what it has not noted yet. */
  submit(request: Connection['request']): Promise<void>
  /** To be called each minute. */
  tick(): Promise<void>
}

type Deps = {
  self: OrganizationOid
  records: Pick<Records, 'get' | 'put' | 'del' | 'list'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  now: () => number
  log: Log
}

const kind = 'emergency'
const policyKind = 'emergency-policy'

export async function openEmergencies(deps: Deps): Promise<Emergencies> {
  const { records, now, log } = deps
  const inTurn = createTurns()
  const book = await openBook(deps)
  const { rows } = book
  let isOffered = (await records.get(policyKind, 'offered')) === true
  const facts = (claims: Assertion): EmergencyFacts | undefined =>
    isOffered ? factsOf(rows, claims, now()) : undefined

  return {
    isOffered: () => isOffered,
    offer: (next, by) =>
      inTurn(async () => {
        const detail = next ? 'emergency access is offered' : 'emergency access is not offered'
        const tell = () =>
          deps.audit.append({ ...actorOf(deps, by), event: 'configuration', detail })
        if (next) await tell()
        // Taking away does not wait for room, in the audit or on the disk.
        else isOffered = false
        await records.put(policyKind, 'offered', next)
        isOffered = next
        if (!next) await endAll(book, tell, by)
      }),
    facts,
    begin: (assertion, source) =>
      inTurn(async () => {
        const { claims } = assertion
        if (rows.has(claims.grant)) return
        // Others may have begun while the facts of this one were collected.
        const known = facts(claims)
        if (known === undefined || isOften(known)) {
          throw new ProtocolError('rate_limited', 'too many emergencies')
        }
        const row = rowOf(assertion, now())
        const entry = { ...about(deps, row), role: claims.role, source, assertion: claims.jti }
        await deps.audit.append({ ...entry, event: 'emergency-started', detail: 'ETREAT' })
        await book.keep(row)
        log.warn({ emergency: row.id, organization: row.organization }, 'emergency access began')
      }),
    list: () => [...rows.values()].sort(byUrgency).slice(0, emergencyLimits.listMax),
    stop: (id, by) =>
      inTurn(async () => {
        const row = book.find(id)
        if (row.isOver) throw new ProtocolError('conflict', 'it is over')
        await book.end(row, 'stopped by hand', by)
      }),
    review: (id, { comment, isJustified }, by) =>
      inTurn(async () => {
        const row = book.find(id)
        if (!row.isOver || row.review !== undefined) {
          throw new ProtocolError('conflict', 'reviewed already, or not over')
        }
        const detail = isJustified ? 'justified' : 'not justified'
        await deps.audit.append({ ...about(deps, row, by), event: 'emergency-reviewed', detail })
        await book.keep({ ...row, review: { at: now(), by: by.uid, comment, isJustified } })
      }),
    hasOpened: (digest) => [...rows.values()].some(({ assertion }) => assertion === digest),
    submit: (request) => inTurn(() => submitNotices(book, request)),
    tick: () => inTurn(() => sweep(book, now())),
  }
}

/** Each is cut before anything is told of it: the audit may have no room. */
async function endAll(
  { rows, find, cut, end }: Book,
  tell: () => Promise<unknown>,
  by: SessionUser,
): Promise<void> {
  const running = [...rows.values()].filter(({ isOver }) => !isOver)
  for (const row of running) await cut(row)
  await tell()
  for (const { id } of running) await end(find(id), 'not offered any more', by)
}

type Book = Awaited<ReturnType<typeof openBook>>

/** All of them, in memory and on the disk. */
async function openBook(deps: Deps) {
  const { records, now } = deps
  const rows = new Map<string, Emergency>()
  for await (const { key, value } of records.list(kind, Emergency)) rows.set(key, value)
  const keep = async (row: Emergency): Promise<void> => {
    await records.put(kind, row.id, row)
    rows.set(row.id, row)
  }
  const cut = async (row: Emergency): Promise<Emergency> => {
    const ended = { ...row, until: Math.min(row.until, now()) }
    await keep(ended)
    return ended
  }
  return {
    rows: rows as ReadonlyMap<string, Emergency>,
    keep,
    cut,
    find(id: string): Emergency {
      const row = rows.get(id)
      if (row === undefined) throw new ProtocolError('not_found', 'no such emergency')
      return row
    },
    async end(row: Emergency, detail: string, by?: SessionUser): Promise<void> {
      const ended = await cut(row)
      await deps.audit.append({ ...about(deps, row, by), event: 'emergency-stopped', detail })
      await keep({ ...ended, isOver: true })
    },
    async forget(id: string): Promise<void> {
      await records.del(kind, id)
      rows.delete(id)
    },
  }
}

async function submitNotices(
  { rows, find, keep }: Book,
  request: Connection['request'],
): Promise<void> {
  const waiting = [...rows.values()]
    .filter(({ isLogged }) => !isLogged)
    .slice(0, transparencyLimits.submitMax)
  if (waiting.length === 0) return
  const entries = waiting.map(({ organization, assertion }) => {
    return { kind: 'emergency' as const, grantee: organization, assertion }
  })
  try {
    await request('log.submit', { entries })
  } catch (error) {
    // A registry without a log has nowhere to note it; it may have one later.
    if (codeOf(error) === 'unsupported') return
    throw error
  }
  for (const { id } of waiting) await keep({ ...find(id), isLogged: true })
}

async function sweep({ rows, end, forget }: Book, now: number): Promise<void> {
  for (const row of rows.values()) {
    // One that was cut while the audit had no room.
    const detail = isCut(row) ? 'ended before its time' : 'its time is over'
    if (!row.isOver && isEnded(row, now)) await end(row, detail)
    const isOld = now - row.startedAt >= emergencyLimits.keptMs
    if (row.review !== undefined && isOld) await forget(row.id)
  }
}

function factsOf(
  rows: ReadonlyMap<string, Emergency>,
  { sub, iss, grant }: Assertion,
  now: number,
): EmergencyFacts {
  const recent = [...rows.values()].filter(
    ({ startedAt }) => Math.abs(now - startedAt) < emergencyLimits.windowMs,
  )
  const opened = rows.get(grant)
  return {
    byUser: recent.filter(({ user }) => user === sub).length,
    byOrganization: recent.filter(({ organization }) => organization === oidOf(iss)).length,
    ...(opened !== undefined && {
      opened: {
        user: opened.user,
        study: opened.study,
        until: isEnded(opened, now) ? 0 : opened.until,
      },
    }),
  }
}

const isCut = ({ startedAt, until }: Emergency): boolean =>
  until < startedAt + emergencyLimits.lastsMs

/**
 * One that was ended stays so, whatever the clock says later; and one that began while the time was ahead of what it is
 * now must not last until then.
 */
const isEnded = (row: Emergency, now: number): boolean =>
  row.isOver || isCut(row) || now >= row.until || row.startedAt > now + toleranceMs

const isOften = ({ byUser, byOrganization }: EmergencyFacts): boolean =>
  byUser >= emergencyLimits.perUser || byOrganization >= emergencyLimits.perOrganization

function rowOf({ claims, digest }: Verified<Assertion>, now: number): Emergency {
  const { grant, sub, iss, pos, dep, res, reason } = claims
  return Emergency.parse({
    id: grant,
    user: sub,
    organization: oidOf(iss),
    position: pos,
    department: dep,
    study: res,
    reason,
    assertion: digest,
    startedAt: now,
    until: now + emergencyLimits.lastsMs,
    isOver: false,
    isLogged: false,
  })
}

/** When somebody must have looked at it. */
export const reviewDueAt = ({ startedAt }: Emergency): number =>
  startedAt + emergencyLimits.reviewMs

const byUrgency = (a: Emergency, b: Emergency): number => {
  const isDone = (row: Emergency): number => (row.review === undefined ? 0 : 1)
  return isDone(a) - isDone(b) || b.startedAt - a.startedAt
}

type Parties = Omit<AuditEntry, 'event'>

const actorOf = ({ self }: Deps, { uid, roles, address }: SessionUser): Parties => ({
  outcome: 'success',
  organization: self,
  user: uid,
  role: roles[0] ?? '',
  source: address,
  holder: self,
})

/** By the one who reads, unless somebody of the holder acts. The reason is not for the audit: it may name a patient. */
function about(
  deps: Deps,
  { id, study, organization, user }: Emergency,
  by?: SessionUser,
): Parties {
  const { self } = deps
  const reader: Parties = {
    outcome: 'success',
    organization,
    user,
    role: 'radiologist',
    source: '',
    holder: self,
  }
  return { ...(by === undefined ? reader : actorOf(deps, by)), study, grant: id }
}

/** Ends what is over, as long as the node runs. */
export function sweepEmergencies({ tick }: Pick<Emergencies, 'tick'>, log: Log): Disposable {
  const sweep = (): void => {
    tick().catch((err: unknown) => log.error({ err }, 'emergencies were not swept'))
  }
  sweep()
  const timer = setInterval(sweep, emergencyLimits.sweepMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
