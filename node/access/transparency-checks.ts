import { credentialKind } from '#protocol/credential.ts'
import type { Epoch, EpochFacts } from '#protocol/epoch.ts'
import { grantKind } from '#protocol/grant.ts'
import { oidOf, type Kid, type OrganizationOid, type PrivateJwk } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import { publicJwk } from '#protocol/keys.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { cosignedAt, quorumOf } from '#protocol/transparency/checkpoint.ts'
import { parseNote, parseVerifierKey, type NoteKey } from '#protocol/transparency/note.ts'
import { rekeyKind } from '#protocol/rekey.ts'
import type { LogState } from '#protocol/transparency/replay.ts'
import { secondsOf } from '#protocol/times.ts'
import type { LogTrust, TrustList } from '#protocol/trust-list.ts'
import type { Taken } from './transparency-mirror.ts'

/** How well witnessed the newest witnessed checkpoint still is. */
export type Witnessing = 'fresh' | 'degraded' | 'none'

/** Says how well witnessed a note is. Its cosignatures are proven once: afterwards they only grow older. */
export function createWitnessing() {
  let known: { note: string; log: LogTrust; times: number[] } | undefined
  return (
    note: string | undefined,
    { trust, now }: { trust: TrustList; now: number },
  ): Witnessing => {
    const { log } = trust
    if (note === undefined || log === undefined) return 'none'
    if (known?.note !== note || known.log !== log) {
      const parsed = parseNote(note)
      const keys = log.witnesses.map(parseVerifierKey)
      known = { note, log, times: keys.map((key) => cosignedAt(parsed, key) ?? -1) }
    }
    // One from the future would be fresh for longer by as much.
    const latest = secondsOf(now + transparencyLimits.aheadMs)
    const times = known.times.filter((at) => at <= latest)
    const quorum = quorumOf(known.times.length)
    const isWitnessed = (ageMs: number): boolean =>
      times.filter((at) => at >= secondsOf(now - ageMs)).length >= quorum
    if (isWitnessed(transparencyLimits.freshMs)) return 'fresh'
    return isWitnessed(trust.policy.staleAfterHours * 3600 * 1000) ? 'degraded' : 'none'
  }
}

/** The name under which this node witnesses; none when the authority has not named it. */
export function witnessOf(trust: TrustList, key: PrivateJwk | undefined): NoteKey | undefined {
  if (key === undefined) return undefined
  const { x } = publicJwk(key)
  return trust.log?.witnesses.map(parseVerifierKey).find(({ jwk }) => jwk.x === x)
}

/** What the log says is over is over, whatever a set of grants says. */
export function withoutLogged(facts: EpochFacts, state: LogState): EpochFacts {
  const grants = new Map(facts.grants)
  for (const [jti, listed] of grants) {
    if (state.grants[jti]?.ended !== undefined) grants.set(jti, { ...listed, active: false })
  }
  const suspended = Object.keys(state.suspended) as OrganizationOid[]
  const revoked = Object.keys(state.revoked) as Kid[]
  return {
    ...facts,
    grants,
    organizationsOff: new Set([...facts.organizationsOff, ...suspended]),
    kidsOff: new Set([...facts.kidsOff, ...revoked]),
  }
}

/** What the log had ended before this epoch was made, and the epoch does not say. */
export function hiddenBy(epoch: Epoch, state: LogState): string[] {
  const size = epoch.log?.size ?? 0
  const isBefore = (entry: number | undefined): boolean => entry !== undefined && entry < size
  const off = new Set<string>([...epoch.mo_off, ...epoch.kid_off])
  return [
    ...epoch.grants
      .filter(([jti, , , st]) => st === 'active' && isBefore(state.grants[jti]?.ended))
      .map(([jti]) => `grant ${jti}`),
    ...Object.entries(state.suspended)
      .filter(([org, entry]) => isBefore(entry) && !off.has(`oid:${org}`))
      .map(([org]) => `organization ${org}`),
    ...Object.entries(state.revoked)
      .filter(([kid, entry]) => isBefore(entry) && !off.has(kid))
      .map(([kid]) => `key ${kid}`),
  ]
}

/** What this organization has done itself. */
export type OwnActs = {
  self: OrganizationOid
  credential: string
  hasGiven(jti: string): boolean
  hasEnded(jti: string): boolean
  hasSubmitted(seq: number, digest: string): boolean
  /** Whether an assertion of this digest was let in without a grant. */
  hasOpened(digest: string): boolean
}

/** Whether an entry speaks for this organization, or against it, and it knows nothing of it. */
export function isUnknownToUs({ entry, before }: Taken, own: OwnActs): boolean {
  const { self } = own
  switch (entry.kind) {
    case 'suspension':
      return entry.org === self
    case 'audit-head':
      return entry.org === self && !own.hasSubmitted(entry.seq, entry.digest)
    case 'emergency':
      return entry.org === self && !own.hasOpened(entry.assertion)
    case 'key-revocation':
      return before.keys[entry.kid]?.org === self
    case 'grant-end': {
      const grant = before.grants[entry.jti]
      if (entry.by === 'operator') return grant?.holder === self
      if (entry.by === 'expiry') return false
      return grant?.[entry.by] === self && !own.hasEnded(entry.jti)
    }
    case 'grant': {
      const { holder, jti } = grantOf(entry.token)
      return holder === self && !own.hasGiven(jti)
    }
    case 'credential':
      return subjectOf(entry.token) === self && entry.token !== own.credential
    case 'rekey': {
      // Whoever has stolen the key can say who follows it; the node that runs under it is the first to see it.
      const { iss, cnf } = decodeToken(entry.token, rekeyKind).claims
      const ours = decodeToken(own.credential, credentialKind).claims.cnf.jwk
      return oidOf(iss) === self && cnf.jwk.x !== ours.x
    }
    case 'trust-list':
    case 'cito':
    case 'manifest':
      return false
    default:
      return entry satisfies never
  }
}

function grantOf(token: string): { holder: OrganizationOid; jti: string } {
  const { holder, jti } = decodeToken(token, grantKind).claims
  return { holder: oidOf(holder), jti }
}

const subjectOf = (token: string): OrganizationOid =>
  oidOf(decodeToken(token, credentialKind).claims.sub)
