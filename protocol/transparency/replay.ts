import { z } from 'zod'
import { verifyCredential } from '../credential.ts'
import { ProtocolError } from '../errors.ts'
import { verifyGrant } from '../grant.ts'
import { Kid, OrganizationOid, oidOf, PublicJwk, Seconds, Sha256, Ulid } from '../ids.ts'
import { thumbprint } from '../keys.ts'
import { rekeyLimits } from '../limits.ts'
import { verifyRekey } from '../rekey.ts'
import { nextTrustState, TrustList, verifyTrustList } from '../trust-list.ts'
import type { LogEntry } from './entries.ts'

/** The number of an entry, which says which of two things came first. */
const entryNumber = z.int().min(0)

/** What the entries so far amount to. Plain data, so that whoever follows the log can keep it. */
export const LogState = z.strictObject({
  /** Entries replayed. */
  size: z.int().min(0),
  at: Seconds,
  trust: z.strictObject({ digest: Sha256, claims: TrustList }).exactOptional(),
  /** Every key that an organization has or had. */
  keys: z.record(Kid, z.strictObject({ org: OrganizationOid, jwk: PublicJwk })),
  credentials: z.record(
    OrganizationOid,
    z.strictObject({ kid: Kid, iat: Seconds, digest: Sha256, entry: entryNumber }),
  ),
  /** Changes of key, by the key that follows. */
  follows: z
    .record(Kid, z.strictObject({ org: OrganizationOid, prev: Kid, digest: Sha256 }))
    .default({}),
  revoked: z.record(Kid, entryNumber),
  /** Organizations whose key was revoked and that have no other yet, and since when. */
  lost: z.record(OrganizationOid, Seconds).default({}),
  suspended: z.record(OrganizationOid, entryNumber),
  grants: z.record(
    Ulid,
    z.strictObject({
      ver: z.int().min(1),
      holder: OrganizationOid,
      grantee: OrganizationOid,
      exp: Seconds,
      digest: Sha256,
      ended: entryNumber.exactOptional(),
    }),
  ),
  heads: z.record(OrganizationOid, z.strictObject({ seq: z.int().min(1), digest: Sha256 })),
})
export type LogState = z.infer<typeof LogState>

export const emptyState: LogState = {
  size: 0,
  at: 0,
  keys: {},
  credentials: {},
  follows: {},
  revoked: {},
  lost: {},
  suspended: {},
  grants: {},
  heads: {},
}

type Entry<K extends LogEntry['kind']> = Extract<LogEntry, { kind: K }>
type Change = Partial<LogState>
type Rules = {
  [K in LogEntry['kind']]: (
    state: LogState,
    entry: Entry<K>,
    authority: Kid,
  ) => Change | Promise<Change>
}

/**
 * Takes one entry more, or throws why it may not stand there: the registry orders what others signed and cannot give
 * access by itself. Everything is judged as of the entry's own time, so that an old log verifies for ever.
 */
export async function replay(state: LogState, entry: LogEntry, authority: Kid): Promise<LogState> {
  if (entry.at < state.at) refuse('an entry is older than the one before it')
  const rule = rules[entry.kind] as (s: LogState, e: LogEntry, a: Kid) => Change | Promise<Change>
  const change = await rule(state, entry, authority)
  return { ...state, ...change, size: state.size + 1, at: entry.at }
}

/** The kinds that say who may do what: the part of the log that every node keeps whole. */
export const isOfAccess = ({ kind }: LogEntry): boolean =>
  kind !== 'audit-head' && kind !== 'manifest'

const rules: Rules = {
  async 'trust-list'(state, { token, at }, authority) {
    const verified = await verifyTrustList(token, { authority, now: at * 1000 })
    const { claims, digest } = verified
    const before = state.trust
    const mark = before && { ver: before.claims.ver, digest: before.digest }
    const next = nextTrustState(mark, verified)
    if (next !== 'accept') refuse('a trust list that does not follow the one before it')
    const isNext = before !== undefined && claims.ver === before.claims.ver + 1
    if (isNext && claims.prev !== undefined && claims.prev !== before.digest) {
      refuse('a trust list that names another predecessor')
    }
    return { trust: { claims, digest } }
  },
  async credential(state, { token, at }) {
    const { claims, digest } = await verifyCredential(token, {
      trust: trustOf(state),
      now: at * 1000,
    })
    const org = oidOf(claims.sub)
    const { jwk } = claims.cnf
    const kid = await thumbprint(jwk)
    const before = state.credentials[org]
    if (state.revoked[kid] !== undefined) refuse('a credential of a revoked key')
    const owner = state.keys[kid]?.org
    if (owner !== undefined && owner !== org) refuse('a key of another organization')
    if (before !== undefined && claims.iat < before.iat) refuse('an older credential')
    if (before?.digest === digest) refuse('a credential that is logged already')
    if (before !== undefined && before.kid !== kid) {
      checkSuccession(state, { org, kid, before: before.kid, prev: claims.prev_kid, at })
    }
    const { [org]: _, ...lost } = state.lost
    return {
      keys: { ...state.keys, [kid]: { org, jwk } },
      credentials: {
        ...state.credentials,
        [org]: { kid, iat: claims.iat, digest, entry: state.size },
      },
      ...(before?.kid !== kid && { lost }),
    }
  },
  async rekey(state, { token, at }) {
    const { claims, next, digest } = await verifyRekey(token, {
      // Only the key that speaks now has a word in who follows it.
      keyOf: (kid, org) =>
        state.credentials[org]?.kid === kid ? keyOf(state, kid, org) : undefined,
      now: at * 1000,
    })
    if (state.keys[next] !== undefined) refuse('a change to a key that is known already')
    if (state.revoked[next] !== undefined) refuse('a change to a revoked key')
    if (state.follows[next] !== undefined) refuse('a change of key that is logged already')
    const org = oidOf(claims.iss)
    return { follows: { ...state.follows, [next]: { org, prev: claims.prev_kid, digest } } }
  },
  'key-revocation'(state, { kid, at }) {
    if (state.revoked[kid] !== undefined) refuse('a key that is revoked already')
    const org = state.keys[kid]?.org
    const isLost = org !== undefined && state.credentials[org]?.kid === kid
    return {
      revoked: { ...state.revoked, [kid]: state.size },
      ...(isLost && { lost: { ...state.lost, [org]: at } }),
    }
  },
  suspension(state, { org, state: what }) {
    const isSuspended = state.suspended[org] !== undefined
    if (what === 'imposed') {
      if (isSuspended) refuse('an organization that is suspended already')
      return { suspended: { ...state.suspended, [org]: state.size } }
    }
    if (!isSuspended) refuse('only what is suspended can be lifted')
    const { [org]: _, ...suspended } = state.suspended
    return { suspended }
  },
  async grant(state, { token, at }) {
    const { grant, request } = await verifyGrant(token, {
      trust: trustOf(state),
      now: at * 1000,
      holderKeyOf: (kid, holder) => keyOf(state, kid, holder),
    })
    const { jti, ver, holder, sub, exp } = grant.claims
    const grantee = oidOf(sub)
    const known = request.claims.sub_kid.every((kid) => keyOf(state, kid, grantee) !== undefined)
    if (!known) refuse('a grant to a key that is not the grantee’s')
    if (at >= exp) refuse('a grant that has run out')
    const before = state.grants[jti]
    if (before !== undefined && (before.ver >= ver || before.holder !== oidOf(holder))) {
      refuse('a grant whose number and version exist')
    }
    const row = { ver, holder: oidOf(holder), grantee, exp, digest: grant.digest }
    return { grants: { ...recent(state.grants, at), [jti]: row } }
  },
  'grant-end'(state, { jti, by, at }) {
    const grant = state.grants[jti]
    if (grant === undefined || grant.ended !== undefined) refuse('no such grant is in force')
    if (by === 'expiry' && at < grant.exp) refuse('a grant that has not run out')
    return { grants: { ...state.grants, [jti]: { ...grant, ended: state.size } } }
  },
  'audit-head'(state, { org, seq, digest }) {
    const before = state.heads[org]
    if (before !== undefined && seq <= before.seq) refuse('an audit that went backwards')
    return { heads: { ...state.heads, [org]: { seq, digest } } }
  },
  cito: () => ({}),
  emergency: () => ({}),
  manifest: () => ({}),
}

/**
 * Another key of the same organization: by its own word, or enrolled anew. After a theft the new key waits for a day, in
 * which everybody can see in the log that the old one was revoked, and object.
 */
function checkSuccession(
  state: LogState,
  {
    org,
    kid,
    before,
    prev,
    at,
  }: { org: OrganizationOid; kid: Kid; before: Kid; prev: Kid | undefined; at: number },
): void {
  if (prev !== undefined) {
    const change = state.follows[kid]
    const isSaid = prev === before && change?.org === org && change.prev === before
    if (!isSaid) refuse('a key that names one before it, which has not said so')
    if (state.revoked[before] !== undefined) refuse('a change by a revoked key')
    return
  }
  const since = state.lost[org]
  if (since !== undefined && at < since + rekeyLimits.coolDownSeconds) {
    refuse('a new key within a day of the loss of the old one')
  }
}

/** Grants that ran out long ago are forgotten: nobody can use them, and the state stays small. */
function recent(grants: LogState['grants'], at: number): LogState['grants'] {
  const isRecent = ({ exp }: { exp: number }) => exp + forgottenAfterSeconds > at
  if (Object.values(grants).every(isRecent)) return grants
  return Object.fromEntries(Object.entries(grants).filter(([, grant]) => isRecent(grant)))
}
const forgottenAfterSeconds = 30 * 24 * 3600

function trustOf({ trust }: LogState): TrustList {
  return trust?.claims ?? refuse('no trust list before it')
}

const keyOf = (state: LogState, kid: Kid, org: OrganizationOid): PublicJwk | undefined =>
  state.revoked[kid] === undefined && state.keys[kid]?.org === org ? state.keys[kid].jwk : undefined

function refuse(why: string): never {
  throw new ProtocolError('conflict', why)
}
