import type { AuditEntry } from '#protocol/audit-event.ts'
import type { Assertion } from '#protocol/assertion.ts'
import { verifyAssertion } from '#protocol/assertion.ts'
import { authorizePeer } from '#protocol/authorize.ts'
import type { PeerFacts, VerifiedGrant } from '#protocol/authorize.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, PeerIdString, StudyUid } from '#protocol/ids.ts'
import type { Verified } from '#protocol/jws.ts'
import { streamLimits } from '#protocol/limits.ts'
import { restrictionAgainst } from '#protocol/restriction.ts'
import type { Archive } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import type { Admission, PeerGate, Transferred } from './admission.ts'
import type { Federation, Member } from './federation.ts'
import type { Emergencies } from './emergencies.ts'
import type { ReadingRate } from './reading-rate.ts'
import type { Ended, Receipts } from './receipts.ts'
import { createReplayGuard } from './replay-guard.ts'
import type { Restrictions } from './restrictions.ts'

type Deps = {
  federation: Pick<
    Federation,
    'memberByPeer' | 'policy' | 'selfKids' | 'epochFacts' | 'heldGrant' | 'now'
  >
  archive: Pick<Archive, 'facts'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  self: OrganizationOid
  rate: ReadingRate
  /** Access without a grant; absent: there is none. */
  emergencies?: Pick<Emergencies, 'facts' | 'begin'>
  /** What the operator has limited here; the node's own tests have none. */
  restrictions?: Pick<Restrictions, 'current'>
  /** Remembers each access, for the day's comparison of audits. */
  receipts?: Pick<Receipts, 'admitted' | 'ended'>
  log: Log
}

/** One request, as far as it has been understood. */
type Request = {
  peer: PeerIdString
  study: StudyUid
  member?: Member
  assertion?: Verified<Assertion>
}

/**
 * The holder's door for other organizations' nodes. It collects the facts that `authorizePeer` decides on, writes the
 * audit record, on disk before anything is admitted, and tells the peer nothing but `forbidden`: neither why, nor
 * whether the study exists.
 */
export function createPeerGate(deps: Deps): PeerGate {
  const { federation, rate, self } = deps
  const replays = createReplayGuard({ now: () => federation.now() })
  const alerts = createDenialLimit(() => federation.now())

  const decide = async (request: Request, token: string): Promise<VerifiedGrant> => {
    const member = federation.memberByPeer(request.peer)
    if (member === undefined) throw new ProtocolError('peer_unknown', 'not a member')
    request.member = member
    const { jwk, kid } = member
    const expected = { jwk, kid, audience: urnOf(self), now: federation.now() }
    const assertion = await verifyAssertion(token, expected)
    request.assertion = assertion
    const { sub } = assertion.claims
    const reading = { user: sub, organization: member.oid, study: request.study }
    const facts = await collect(deps, request, {
      member,
      assertion,
      replayed: !replays.isFirst(assertion.claims),
      rateExceeded: rate.isExceeded(reading, federation.now()),
    })
    const decision = authorizePeer(facts)
    if (!decision.ok) throw new ProtocolError(decision.code, 'denied')
    // Others may have been admitted while the facts were collected.
    if (rate.isExceeded(reading, federation.now())) {
      throw new ProtocolError('rate_limited', 'too many studies')
    }
    if (decision.grant.basis === 'emergency') {
      await deps.emergencies?.begin(assertion, sourceOf(request))
    }
    await rate.count(reading, federation.now())
    return decision.grant
  }
  return {
    async admit(peer, token, study) {
      const request: Request = { peer, study }
      let grant: VerifiedGrant
      try {
        grant = await decide(request, token)
      } catch (error) {
        const code = codeOf(error)
        if (alerts.isLoud(peer)) await auditDenial(deps, request, code)
        throw new ProtocolError(code === 'rate_limited' ? code : 'forbidden', 'not admitted')
      }
      await auditAdmission(deps, request)
      return admissionOf(deps, request, grant)
    },
  }
}

function admissionOf(deps: Deps, request: Request, grant: VerifiedGrant): Admission {
  let ended: ErrorCode | undefined
  return {
    grant,
    async recheck() {
      const { member, assertion } = request
      if (member === undefined || assertion === undefined) {
        throw new ProtocolError('internal', 'admitted without an assertion')
      }
      // As it is now: a member that was taken off, or that has another key, has no credential any more.
      const now = deps.federation.memberByPeer(request.peer)
      const facts = await collect(deps, request, {
        ...(now !== undefined && { member: now }),
        assertion,
        replayed: false,
        rateExceeded: false,
      })
      const decision = authorizePeer(facts)
      if (decision.ok) return
      ended = decision.code
      throw new ProtocolError('forbidden', 'the authority behind the grant has ended')
    },
    async finish({ manifest, ...sent }: Transferred) {
      const outcome: Ended['outcome'] = ended === undefined ? sent.outcome : 'denied'
      await deps.audit.append({
        ...partiesOf(deps, request),
        event: 'instances-transferred',
        ...sent,
        outcome,
        ...(ended !== undefined && { code: ended }),
      })
      const { assertion, peer } = request
      if (assertion === undefined) return
      const result = { ...sent, outcome, ...(manifest !== undefined && { manifest }) }
      await deps.receipts?.ended(assertion.claims, peer, result)
    },
  }
}

async function collect(
  { federation, archive, emergencies, restrictions, self }: Deps,
  { peer, study }: Request,
  known: Pick<PeerFacts, 'assertion' | 'replayed' | 'rateExceeded'> & { member?: Member },
): Promise<PeerFacts> {
  const { member, assertion, replayed, rateExceeded } = known
  const epoch = federation.epochFacts()
  const grant = federation.heldGrant(assertion.claims.grant)
  const held = await archive.facts(study)
  const { claims } = assertion
  const emergency = claims.purp === 'ETREAT' ? emergencies?.facts(claims) : undefined
  return {
    now: federation.now(),
    self,
    selfKids: federation.selfKids(),
    policy: federation.policy(),
    remotePeer: peer,
    operation: 'view',
    restricted: restrictionAgainst('region', restrictions?.current() ?? []) !== undefined,
    assertion,
    replayed,
    ...(member !== undefined && { credential: member.facts }),
    ...(epoch !== undefined && { epoch }),
    ...(grant !== undefined && { grant }),
    ...(held !== undefined && { study: held }),
    ...(emergency !== undefined && { emergency }),
    rateExceeded,
  }
}

/** Workstation and peer. */
function sourceOf({ peer, assertion }: Request): string {
  const ws = assertion?.claims.ws ?? ''
  return ws === '' ? peer : `${ws} ${peer}`.slice(0, 128)
}

type Parties = Omit<AuditEntry, 'event' | 'outcome'>

function partiesOf({ self }: Deps, request: Request): Parties {
  const { study, member, assertion } = request
  const claims = assertion?.claims
  return {
    organization: member?.oid ?? '',
    user: claims?.sub ?? '',
    role: claims?.role ?? '',
    source: sourceOf(request),
    holder: self,
    study,
    ...(claims !== undefined && { grant: claims.grant, assertion: claims.jti }),
    ...(claims?.purp === 'ETREAT' && { detail: 'ETREAT' }),
  }
}

async function auditAdmission(deps: Deps, request: Request): Promise<void> {
  try {
    const entry = partiesOf(deps, request)
    await deps.audit.append({ ...entry, event: 'begin-transferring', outcome: 'success' })
    if (request.assertion !== undefined) await deps.receipts?.admitted(request.assertion.claims)
  } catch (err) {
    deps.log.error({ err }, 'the audit cannot be written: nobody is admitted')
    throw new ProtocolError('forbidden', 'not admitted', { cause: err })
  }
}

async function auditDenial(deps: Deps, request: Request, code: ErrorCode): Promise<void> {
  try {
    const entry = partiesOf(deps, request)
    await deps.audit.append({ ...entry, event: 'begin-transferring', outcome: 'denied', code })
  } catch (err) {
    deps.log.error({ err, code }, 'a denial could not be audited')
  }
}

/** A peer that is refused again and again must not fill the audit: what is above the limit is denied all the same. */
function createDenialLimit(now: () => number): { isLoud(peer: PeerIdString): boolean } {
  const windows = new Map<PeerIdString, { since: number; count: number }>()
  return {
    isLoud(peer) {
      const known = windows.get(peer)
      // To either side: when the time is mended, a window that was ahead of it is over.
      const age = known === undefined ? Infinity : Math.abs(now() - known.since)
      const isOld = known === undefined || age >= streamLimits.denialWindowMs
      const window = isOld ? { since: now(), count: 0 } : known
      window.count += 1
      windows.delete(peer)
      windows.set(peer, window)
      const oldest = windows.keys().next().value
      if (windows.size > streamLimits.connectionsMax && oldest !== undefined) windows.delete(oldest)
      return window.count <= streamLimits.denialsPerWindow
    },
  }
}
