import type { ErrorCode } from '../errors.ts'
import { listed, now, nowSeconds, study, studyFacts } from '../federation.fixture.ts'
import type { Federation } from '../federation.fixture.ts'
import type { Sha256 } from '../ids.ts'
import { tokenDigest } from '../jws.ts'
import type { Case } from './cases.ts'
import type { Vector } from './vector.ts'

type Decision = Omit<
  Extract<Vector, { message: 'decision' }>,
  'message' | 'why' | 'expect' | 'error'
>

const day = 24 * 60 * 60

/** The whole decision at the holder: everything that it is made from, and one thing changed at a time. */
export async function decisionCases(region: Federation): Promise<Case[]> {
  const base = await goodRequest(region)
  const one = (name: string, why: string, over: Partial<Decision>, error?: ErrorCode): Case => ({
    name,
    ...(error === undefined ? {} : { error }),
    vector: { message: 'decision', why, ...base, ...over },
  })
  return [
    one('decision-granted', 'everything holds', {}),
    ...(await peerCases(region, one)),
    ...(await suspensionCases(region, one)),
    ...(await grantCases(region, one)),
    ...(await namedCases(region, one)),
    ...(await studyCases(region, base, one)),
    ...(await emergencyCases(region, one)),
  ]
}

type One = (name: string, why: string, over: Partial<Decision>, error?: ErrorCode) => Case

async function goodRequest({ sign, authority, holder, grantee }: Federation): Promise<Decision> {
  const grant = await sign.grant()
  return {
    now,
    self: holder.oid,
    authority: authority.kid,
    trustList: await sign.trustList(),
    keys: [{ organization: holder.oid, kid: holder.kid, jwk: holder.jwk }],
    credential: await sign.credential(grantee),
    remotePeer: grantee.peerId,
    operation: 'view',
    assertion: await sign.assertion(),
    replayed: false,
    epoch: await sign.epoch([await listed(grant)]),
    beat: null,
    grant,
    study: studyFacts(holder.oid) as NonNullable<Decision['study']>,
    rateExceeded: false,
  }
}

async function suspensionCases({ sign, grantee }: Federation, one: One): Promise<Case[]> {
  const row = await listed(await sign.grant())
  const off = (over: object) => sign.epoch([row], over)
  const cito = (uid: string, seconds: number) => ({
    id: '01KB0000000000000000000008',
    org: grantee.urn,
    study: uid as typeof study,
    until: nowSeconds + seconds,
  })
  return [
    one(
      'holder-restricted',
      'the operator has limited the holder, whatever its set of grants says',
      { restricted: true },
      'organization_restricted',
    ),
    one('organization-suspended-cito', 'but the operator left this study open', {
      epoch: await off({ mo_off: [grantee.urn], cito: [cito(study, 1)] }),
    }),
    one(
      'organization-suspended-cito-of-another-study',
      'the operator left another study open',
      { epoch: await off({ mo_off: [grantee.urn], cito: [cito(`${study}.1`, 1)] }) },
      'peer_suspended',
    ),
    one(
      'organization-suspended-cito-over',
      'the day has passed',
      { epoch: await off({ mo_off: [grantee.urn], cito: [cito(study, 0)] }) },
      'peer_suspended',
    ),
  ]
}

async function peerCases(
  { sign, grantee, stranger, user, claims }: Federation,
  one: One,
): Promise<Case[]> {
  const row = await listed(await sign.grant())
  const stale = { iat: nowSeconds - day, exp: nowSeconds }
  const old = await sign.epoch([row], stale)
  const beat = await sign.beat(await tokenDigest(old))
  const otherBeat = await sign.beat('ab'.repeat(32) as Sha256)
  const off = (over: object) => sign.epoch([row], over)
  const { policy } = claims.trustList()
  return [
    one(
      'credential-of-another-peer',
      'the connection is not of the key that signed',
      { remotePeer: stranger.peerId },
      'peer_mismatch',
    ),
    one('assertion-replayed', 'an assertion is used once', { replayed: true }, 'token_replayed'),
    one('epoch-absent', 'without an epoch nothing is open', { epoch: null }, 'epoch_absent'),
    one(
      'epoch-stale',
      'the newest word of the registry is a day old',
      { epoch: old },
      'epoch_stale',
    ),
    one('epoch-renewed-by-beat', 'the registry still says so', { epoch: old, beat }),
    one(
      'epoch-stale-with-beat-of-another',
      'a beat renews the epoch it names',
      { epoch: old, beat: otherBeat },
      'epoch_stale',
    ),
    one(
      'user-switched-off',
      'she was dismissed',
      { epoch: await off({ users_off: [user] }) },
      'user_disabled',
    ),
    one(
      'organization-suspended',
      'by the operator',
      { epoch: await off({ mo_off: [grantee.urn] }) },
      'peer_suspended',
    ),
    one(
      'key-revoked',
      'it was stolen',
      { epoch: await off({ kid_off: [grantee.kid] }) },
      'key_revoked',
    ),
    one(
      'password-only',
      'the policy asks for a second factor',
      { assertion: await sign.assertion({ amr: ['pwd'] }) },
      'second_factor_required',
    ),
    one('password-only-where-enough', 'the policy of a demonstration', {
      assertion: await sign.assertion({ amr: ['pwd'] }),
      trustList: await sign.trustList({ policy: { ...policy, secondFactor: 'optional' } }),
    }),
    one(
      'session-older-than-a-shift',
      'signed in 12 hours ago',
      { assertion: await sign.assertion({ auth_time: nowSeconds - 12 * 3600 }) },
      'session_too_old',
    ),
    one('rate-exceeded', 'too many studies in an hour', { rateExceeded: true }, 'rate_limited'),
  ]
}

/** A grant other than the usual one, and an epoch that lists it. */
async function granted({ sign }: Federation, over: object, request: object = {}) {
  const grant = await sign.grant(over, request)
  return { grant, epoch: await sign.epoch([await listed(grant)]) }
}

async function grantCases(region: Federation, one: One): Promise<Case[]> {
  const { sign, issuer, stranger, holder, claims } = region
  const ended = { exp: nowSeconds - 1 }
  const later = { nbf: nowSeconds + 61 }
  const good = await sign.grant()
  const other = await sign.grant({ iat: nowSeconds - 1 })
  // The registry registers a request that another organization signed in the holder's name: known key, wrong owner.
  const req = await stranger.signer.sign('cami-grant-req+jwt', claims.grantRequest())
  const posed = await issuer.signer.sign('cami-grant+jwt', claims.grant(req))
  const keys = [
    { organization: holder.oid, kid: holder.kid, jwk: holder.jwk },
    { organization: stranger.oid, kid: stranger.kid, jwk: stranger.jwk },
  ]
  return [
    one('grant-unknown', 'the holder has no such grant', { grant: null }, 'grant_absent'),
    one(
      'grant-not-in-epoch',
      'what the epoch does not list is not in force',
      { epoch: await sign.epoch([]) },
      'grant_absent',
    ),
    one(
      'grant-revoked-in-epoch',
      'the token still says active',
      { epoch: await sign.epoch([await listed(good, 'revoked')]) },
      'grant_inactive',
    ),
    one(
      'grant-registered-as-revoked',
      'the token says so itself',
      await granted(region, { st: 'revoked' }),
      'grant_inactive',
    ),
    one(
      'grant-changed-since-epoch',
      'another token under the same number',
      { grant: other },
      'grant_mismatch',
    ),
    one(
      'grant-expired-by-one-second',
      'a grant ends to the second',
      await granted(region, ended, ended),
      'grant_expired',
    ),
    one(
      'grant-not-yet-valid',
      'it begins in more than a minute',
      await granted(region, later, later),
      'grant_not_yet_valid',
    ),
    one(
      'grant-key-not-pinned',
      'the grantee has a new key that the holder never saw',
      await granted(region, {}, { sub_kid: [stranger.kid] }),
      'grant_key_unpinned',
    ),
    one(
      'grant-signed-in-the-holders-name',
      'by a key of another organization',
      { grant: posed, keys, epoch: await sign.epoch([await listed(posed)]) },
      'token_unknown_key',
    ),
  ]
}

async function namedCases(region: Federation, one: One): Promise<Case[]> {
  const { sign, grantee, stranger, claims } = region
  const [user] = claims.grantRequest().users
  const users = user === undefined ? [] : [{ ...user, uid: region.otherUser }]
  return [
    one(
      'user-not-named',
      'a colleague of the named user',
      await granted(region, {}, { users }),
      'user_not_named',
    ),
    one(
      'operation-not-granted',
      'it says view, not report',
      { operation: 'report', assertion: await sign.assertion({ op: 'report' }) },
      'operation_not_granted',
    ),
    one(
      'operation-other-than-asserted',
      'asserted for searching',
      { assertion: await sign.assertion({ op: 'search' }) },
      'operation_not_granted',
    ),
    one(
      'assertion-under-another-grant',
      'it names a grant that is not this one',
      { assertion: await sign.assertion({ grant: '01KB0000000000000000000009' }) },
      'grant_absent',
    ),
    one(
      'grantee-is-another',
      'the key is pinned, the organization is not',
      {
        credential: await sign.credential(grantee, { sub: stranger.urn }),
      },
      'peer_mismatch',
    ),
  ]
}

async function studyCases(region: Federation, base: Decision, one: One): Promise<Case[]> {
  const { study } = base
  if (study === null) return []
  const dated = (from: string) =>
    granted(region, {}, { scope: { mode: 'all', devices: ['*'], mod: ['*'], from, to: null } })
  return [
    one('study-not-held', 'there is no such study here', { study: null }, 'study_not_held'),
    one(
      'study-of-another-holder',
      'a copy is not an original',
      { study: { ...study, holder: region.stranger.oid } },
      'study_not_held',
    ),
    one(
      'study-other-than-asserted',
      'an assertion names one study',
      { study: { ...study, study: `${study.study}.1` as typeof study.study } },
      'study_mismatch',
    ),
    one(
      'study-of-another-modality',
      'the grant says CT and MR',
      { study: { ...study, modalities: ['CT', 'PT'] } },
      'study_out_of_scope',
    ),
    one(
      'study-before-the-granted-dates',
      'the day before the first',
      await dated('20261125'),
      'study_out_of_scope',
    ),
    one('study-of-the-first-granted-day', 'both ends are included', await dated('20261124')),
    one(
      'study-withheld',
      'restricted by its holder',
      { study: { ...study, withheld: true } },
      'study_withheld',
    ),
  ]
}

async function emergencyCases({ sign, grantee, user }: Federation, one: One): Promise<Case[]> {
  const reason = 'Пациент без сознания, нужна прежняя КТ'
  const first = { purp: 'ETREAT', reason, auth_time: nowSeconds - 60 } as const
  const assertion = await sign.assertion(first)
  // The registry has been away for more than a day.
  const stale = { iat: nowSeconds - day - 3600, exp: nowSeconds }
  const epoch = await sign.epoch([], stale)
  const emergency = { byUser: 0, byOrganization: 0 }
  const opened = (until: number) => ({ user, study, until })
  const base = { assertion, epoch, grant: null, emergency }
  const { emergency: _, ...notOffered } = base
  const suspended = await sign.epoch([], { ...stale, mo_off: [grantee.urn] })
  const bare = await sign.assertion({ purp: 'ETREAT', auth_time: nowSeconds - 60 })
  const late = { ...first, auth_time: nowSeconds - 300 }
  return [
    one('emergency-opened', 'without a grant, by an old epoch', base),
    one(
      'emergency-under-way',
      'the step-up was at its beginning',
      {
        ...base,
        assertion: await sign.assertion(late),
        emergency: { byUser: 5, byOrganization: 5, opened: opened(now + 1) },
      },
    ),
    one(
      'emergency-not-offered',
      'the holder lets in nobody without a grant',
      notOffered,
      'emergency_not_offered',
    ),
    one(
      'emergency-without-reason',
      'nobody could review it',
      { ...base, assertion: bare },
      'token_malformed',
    ),
    one(
      'emergency-of-a-suspended-organization',
      'no emergency opens what the operator has closed',
      { ...base, epoch: suspended },
      'peer_suspended',
    ),
    one(
      'emergency-without-step-up',
      'she signed in five minutes ago',
      { ...base, assertion: await sign.assertion(late) },
      'session_too_old',
    ),
    one(
      'emergency-over',
      'four hours have passed',
      { ...base, emergency: { ...emergency, opened: opened(now) } },
      'emergency_over',
    ),
    one(
      'emergency-of-the-sixth-time',
      'five in a day are enough',
      { ...base, emergency: { ...emergency, byUser: 5 } },
      'rate_limited',
    ),
  ]
}
