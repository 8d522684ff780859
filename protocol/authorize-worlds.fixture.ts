import * as fc from 'fast-check'
import type { Assertion } from './assertion.ts'
import type { EmergencyFacts, PeerFacts, StudyFacts } from './authorize.ts'
import type { CredentialFacts } from './credential.ts'
import type { EpochFacts } from './epoch.ts'
import type { ErrorCode } from './errors.ts'
import type { Grant, GrantRequest, Operation } from './grant.ts'
import { OrganizationOid, UserId, urnOf } from './ids.ts'
import type { Kid, PeerIdString, Sha256, StudyUid } from './ids.ts'
import type { Policy } from './trust-list.ts'

/**
 * Situations in which a holder is asked, each told by words; what the answer must be follows from the words alone, so
 * that the decision is judged by something that never looks at its facts. The first word of each list is the good one.
 */
export const situations = {
  credential: ['valid', 'valid to the last millisecond', 'absent', 'ended', 'not begun'],
  connection: ['of the credential', 'of another peer'],
  assertionKey: ['of the credential', 'another'],
  issuer: ['the peer', 'another organization'],
  subject: ['of the peer', 'of another organization'],
  use: ['first', 'second'],
  own: ['in force', 'limited by the operator'],
  epoch: ['fresh', 'fresh to the last millisecond', 'stale', 'absent'],
  grant: ['found', 'absent', 'another one'],
  listed: ['active', 'not', 'revoked', 'with another digest', 'with another version'],
  registration: ['active', 'revoked'],
  time: ['within', 'first tolerated', 'last millisecond', 'too early', 'over'],
  holder: ['this one', 'another in the registration', 'another in the request'],
  grantee: ['the peer', 'another in the registration', 'another in the request'],
  pinned: ['this key', 'this key among others', 'another key'],
  signature: ['ours', 'of our old key', 'of somebody else'],
  user: ['named', 'named second', 'not named'],
  userOff: ['no', 'yes', 'only others'],
  organizationOff: ['no', 'yes', 'only others'],
  cito: ['none', 'this study', 'another study', 'another organization', 'over'],
  keyOff: ['no', 'yes', 'only others'],
  operation: ['granted', 'not granted', 'other than asserted'],
  purpose: ['the same', 'another', 'an emergency'],
  study: ['here', 'nowhere', 'of another holder', 'other than asserted'],
  scope: ['covers', 'other modality', 'other device', 'before', 'after', 'by request'],
  withheld: ['no', 'yes'],
  factors: ['two', 'a key', 'one though two are required', 'one where one is enough'],
  signedIn: [
    'just now',
    '5 minutes less 1 ms ago',
    '5 minutes ago',
    '12 hours less 1 ms ago',
    '12 hours ago',
    'in a minute',
    'later',
  ],
  rate: ['kept', 'exceeded'],
  role: ['radiologist', 'another'],
  emergencies: ['offered', 'not offered'],
  opening: [
    'first',
    'fifth of the user',
    'sixth of the user',
    'twenty-first of the organization',
    'under way',
    'of another user',
    'of another study',
    'over',
  ],
} as const
type Situations = typeof situations
export type World = { [K in keyof Situations]: Situations[K][number] }

export const goodWorld = Object.fromEntries(
  Object.entries(situations).map(([name, words]) => [name, words[0]]),
) as World

/** What is asked without a grant, and may be had. */
export const goodEmergency: World = { ...goodWorld, purpose: 'an emergency' }

/** Mostly good, so that many deviations meet each other and many pass; a third of them are emergencies. */
export const anyWorld: fc.Arbitrary<World> = fc.record(
  Object.fromEntries(
    Object.entries(situations).map(([name, words]) => [
      name,
      fc.oneof(
        { weight: 24, arbitrary: fc.constant<string>(words[0]) },
        { weight: name === 'opening' ? 8 : 1, arbitrary: fc.constantFrom<string>(...words) },
        { weight: name === 'purpose' ? 12 : 0, arbitrary: fc.constant('an emergency') },
      ),
    ]),
  ),
) as fc.Arbitrary<World>

type Rule = [(world: World) => boolean, ErrorCode]

/** Rules in their order; the first that holds is the answer. */
const peerRules: Rule[] = [
  [(w) => w.own === 'limited by the operator', 'organization_restricted'],
  [(w) => w.credential === 'absent', 'peer_unknown'],
  [(w) => w.credential === 'ended' || w.credential === 'not begun', 'credential_expired'],
  [(w) => w.connection === 'of another peer', 'peer_mismatch'],
  [(w) => w.assertionKey === 'another', 'peer_mismatch'],
  [(w) => w.issuer === 'another organization', 'peer_mismatch'],
  [(w) => w.subject === 'of another organization', 'peer_mismatch'],
  [(w) => w.use === 'second', 'token_replayed'],
]

const grantRules: Rule[] = [
  [(w) => w.epoch === 'absent', 'epoch_absent'],
  [(w) => w.epoch === 'stale', 'epoch_stale'],
  [(w) => w.grant !== 'found' || w.listed === 'not', 'grant_absent'],
  [(w) => w.listed === 'revoked' || w.registration === 'revoked', 'grant_inactive'],
  [
    (w) => w.listed === 'with another digest' || w.listed === 'with another version',
    'grant_mismatch',
  ],
  [(w) => w.time === 'too early', 'grant_not_yet_valid'],
  [(w) => w.time === 'over', 'grant_expired'],
  [(w) => w.holder !== 'this one' || w.grantee !== 'the peer', 'grant_foreign'],
  [(w) => w.pinned === 'another key', 'grant_key_unpinned'],
  [(w) => w.signature === 'of somebody else', 'grant_unsigned'],
  [(w) => w.user === 'not named', 'user_not_named'],
  [(w) => w.userOff === 'yes', 'user_disabled'],
  [(w) => w.organizationOff === 'yes' && w.cito !== 'this study', 'peer_suspended'],
  [(w) => w.keyOff === 'yes', 'key_revoked'],
  [(w) => w.operation !== 'granted', 'operation_not_granted'],
  [(w) => w.purpose === 'another', 'purpose_not_granted'],
  [(w) => w.study === 'nowhere' || w.study === 'of another holder', 'study_not_held'],
  [(w) => w.study === 'other than asserted', 'study_mismatch'],
  [(w) => w.scope !== 'covers', 'study_out_of_scope'],
  [(w) => w.withheld === 'yes', 'study_withheld'],
  [(w) => w.factors === 'one though two are required', 'second_factor_required'],
  [(w) => w.signedIn === '12 hours ago' || w.signedIn === 'later', 'session_too_old'],
  [(w) => w.rate === 'exceeded', 'rate_limited'],
]

/** Without a grant: no rule about one, and none about the age of the epoch. */
const isNew = ({ opening }: World): boolean =>
  opening !== 'under way' && opening !== 'over' && !opening.startsWith('of another')
const emergencyRules: Rule[] = [
  [(w) => w.emergencies === 'not offered', 'emergency_not_offered'],
  [(w) => w.epoch === 'absent', 'epoch_absent'],
  [(w) => w.userOff === 'yes', 'user_disabled'],
  [(w) => w.organizationOff === 'yes', 'peer_suspended'],
  [(w) => w.keyOff === 'yes', 'key_revoked'],
  [(w) => w.role === 'another', 'role_missing'],
  [(w) => w.operation !== 'granted', 'operation_not_granted'],
  [(w) => w.study === 'nowhere' || w.study === 'of another holder', 'study_not_held'],
  [(w) => w.study === 'other than asserted', 'study_mismatch'],
  [(w) => w.withheld === 'yes', 'study_withheld'],
  [(w) => w.opening.startsWith('of another'), 'emergency_mismatch'],
  [(w) => w.opening === 'over', 'emergency_over'],
  [(w) => w.factors === 'one though two are required', 'second_factor_required'],
  [(w) => w.signedIn === '12 hours ago' || w.signedIn === 'later', 'session_too_old'],
  [(w) => isNew(w) && w.signedIn === '5 minutes ago', 'session_too_old'],
  [(w) => isNew(w) && w.signedIn === '12 hours less 1 ms ago', 'session_too_old'],
  [(w) => w.opening === 'sixth of the user', 'rate_limited'],
  [(w) => w.opening === 'twenty-first of the organization', 'rate_limited'],
  [(w) => w.rate === 'exceeded', 'rate_limited'],
]

export function expectedAnswer(world: World): ErrorCode | 'allowed' {
  const own = world.purpose === 'an emergency' ? emergencyRules : grantRules
  const rules = [...peerRules, ...own]
  return rules.find(([holds]) => holds(world))?.[1] ?? 'allowed'
}

const oid = (number: number): OrganizationOid =>
  OrganizationOid.parse(`1.2.643.5.1.13.13.12.2.42.${number}`)
const [self, grantee, third] = [oid(1001), oid(1002), oid(1003)]
const kid = (letter: string) => letter.repeat(43) as Kid
const keys = { self: kid('S'), selfOld: kid('O'), grantee: kid('G'), third: kid('T') }
const user = UserId.parse(`${grantee}#01KB0000000000000000000004`)
const colleague = UserId.parse(`${grantee}#01KB0000000000000000000005`)
const stranger = UserId.parse(`${third}#01KB0000000000000000000004`)
const jti = '01KB0000000000000000000001'
const digest = 'ab'.repeat(32) as Sha256
const hour = 3_600_000
/** A moment that is not a whole second, so that both units have to be kept apart. */
export const now = Date.UTC(2026, 10, 25, 4) + 617
const seconds = Math.floor(now / 1000)

/** Facts as a holder would collect them in such a world. */
export function factsOf(world: World): PeerFacts {
  const policy = policyOf(world)
  const facts: PeerFacts = {
    now,
    self,
    selfKids: new Set([keys.self, keys.selfOld]),
    policy,
    remotePeer: (world.connection === 'of the credential' ? 'peer' : 'other') as PeerIdString,
    operation: world.operation === 'not granted' ? 'report' : 'view',
    restricted: world.own === 'limited by the operator',
    assertion: assertionOf(world),
    replayed: world.use === 'second',
    rateExceeded: world.rate === 'exceeded',
  }
  if (world.credential !== 'absent') facts.credential = credentialOf(world)
  if (world.epoch !== 'absent') facts.epoch = epochOf(world, policy)
  if (world.grant !== 'absent') {
    facts.grant = {
      grant: { claims: grantOf(world), kid: keys.third, digest },
      request: { claims: requestOf(world), kid: signerOf(world), digest },
    }
  }
  if (world.study !== 'nowhere') facts.study = studyOf(world)
  if (world.emergencies === 'offered') facts.emergency = emergencyOf(world)
  return facts
}

const policyOf = (world: World): Policy => ({
  secondFactor: world.factors === 'one where one is enough' ? 'optional' : 'required',
  staleAfterHours: 24,
  transparency: 'off',
})

function emergencyOf({ opening }: World): EmergencyFacts {
  const byUser = { 'fifth of the user': 4, 'sixth of the user': 5 } as Record<string, number>
  const opened = {
    'under way': { user, study: '1.2.3' as StudyUid, until: now + 1 },
    'of another user': { user: colleague, study: '1.2.3' as StudyUid, until: now + 1 },
    'of another study': { user, study: '1.2.9' as StudyUid, until: now + 1 },
    over: { user, study: '1.2.3' as StudyUid, until: now },
  } as Record<string, EmergencyFacts['opened']>
  return {
    byUser: byUser[opening] ?? 0,
    byOrganization: opening === 'twenty-first of the organization' ? 20 : 19,
    ...(opened[opening] !== undefined && { opened: opened[opening] }),
  }
}

function credentialOf({ credential }: World): CredentialFacts {
  const ends = { ended: now, 'valid to the last millisecond': now + 1 } as Record<string, number>
  return {
    organization: grantee,
    kid: keys.grantee,
    peerId: 'peer' as PeerIdString,
    notBefore: credential === 'not begun' ? now + 60_001 : now + 60_000,
    expiresAt: ends[credential] ?? now + 1000 * hour,
  }
}

function assertionOf(world: World): PeerFacts['assertion'] {
  const asserted: Operation = world.operation === 'not granted' ? 'report' : 'view'
  const claims: Assertion = {
    iss: urnOf(world.issuer === 'the peer' ? grantee : third),
    sub: world.subject === 'of the peer' ? user : stranger,
    aud: urnOf(self),
    jti: '01KB0000000000000000000002',
    iat: seconds,
    exp: seconds + 300,
    grant: jti,
    op: world.operation === 'other than asserted' ? 'search' : asserted,
    res: '1.2.3' as StudyUid,
    purp: purposeOf(world),
    role: world.role === 'another' ? 'consultant' : 'radiologist',
    pos: '',
    dep: '',
    amr: factorsOf(world),
    auth_time: 0,
    ws: '',
    sid: '0'.repeat(32),
  }
  // Claims carry whole seconds; the boundary itself is tested with fractions of them.
  claims.auth_time = signedInAt(world) / 1000
  const key = world.assertionKey === 'of the credential' ? keys.grantee : keys.third
  return { claims, kid: key, digest }
}

function purposeOf({ purpose }: World): Assertion['purp'] {
  if (purpose === 'an emergency') return 'ETREAT'
  return (purpose === 'the same' ? 'interpretation' : 'research') as 'interpretation'
}

function factorsOf({ factors }: World): Assertion['amr'] {
  if (factors === 'two') return ['pwd', 'otp']
  return factors === 'a key' ? ['hwk'] : ['pwd']
}

const signedInAt = ({ signedIn }: World): number =>
  ({
    'just now': now,
    '5 minutes less 1 ms ago': now - 5 * 60_000 + 1,
    '5 minutes ago': now - 5 * 60_000,
    '12 hours less 1 ms ago': now - 12 * hour + 1,
    '12 hours ago': now - 12 * hour,
    'in a minute': now + 60_000,
    later: now + 60_001,
  })[signedIn]

function epochOf(world: World, policy: Policy): EpochFacts {
  const staleAt = now - policy.staleAfterHours * hour
  const ages = { stale: staleAt, 'fresh to the last millisecond': staleAt + 1 } as Record<
    string,
    number
  >
  const row = {
    ver: world.listed === 'with another version' ? 2 : 1,
    digest: world.listed === 'with another digest' ? ('cd'.repeat(32) as Sha256) : digest,
    active: world.listed !== 'revoked',
  }
  const off = <T>(word: 'no' | 'yes' | 'only others', one: T, other: T): ReadonlySet<T> =>
    new Set(word === 'no' ? [] : [word === 'yes' ? one : other])
  return {
    epoch: 7,
    freshAt: ages[world.epoch] ?? now,
    grants: new Map(world.listed === 'not' ? [] : [[jti, row]]),
    usersOff: off(world.userOff, user, colleague),
    organizationsOff: off(world.organizationOff, grantee, third),
    kidsOff: off(world.keyOff, keys.grantee, keys.third),
    ...(world.cito !== 'none' && { cito: [citoOf(world)] }),
  }
}

const citoOf = ({ cito }: World): NonNullable<EpochFacts['cito']>[number] => ({
  organization: cito === 'another organization' ? third : grantee,
  study: (cito === 'another study' ? '1.2.9' : '1.2.3') as StudyUid,
  until: cito === 'over' ? now : now + 1,
})

/** Boundaries in whole seconds cannot hit a millisecond, so fractions of a second stand for the exact moments. */
const spanOf = ({ time }: World): { nbf: number; exp: number } => ({
  nbf: seconds - 1000,
  exp: seconds + 1000,
  ...{
    within: {},
    'first tolerated': { nbf: (now + 60_000) / 1000 },
    'too early': { nbf: (now + 60_001) / 1000 },
    'last millisecond': { exp: (now + 1) / 1000 },
    over: { exp: now / 1000 },
  }[time],
})

const grantOf = (world: World): Grant => ({
  iss: 'urn:cami:registry',
  sub: urnOf(world.grantee === 'another in the registration' ? third : grantee),
  holder: urnOf(world.holder === 'another in the registration' ? third : self),
  aud: urnOf(self),
  jti: world.grant === 'another one' ? '01KB0000000000000000000009' : jti,
  ver: 1,
  iat: seconds - 1000,
  ...spanOf(world),
  req: '',
  st: world.registration,
})

function signerOf({ signature }: World): Kid {
  if (signature === 'of somebody else') return keys.third
  return signature === 'ours' ? keys.self : keys.selfOld
}

function requestOf(world: World): GrantRequest {
  const named = (uid: UserId, row: number) => ({ row, uid, pos: '', dep: '', room: '' })
  const users = { named: [user], 'named second': [colleague, user], 'not named': [colleague] }
  const pinned = {
    'this key': [keys.grantee],
    'this key among others': [keys.third, keys.grantee],
    'another key': [keys.third],
  }
  return {
    iss: urnOf(world.holder === 'another in the request' ? third : self),
    sub: urnOf(world.grantee === 'another in the request' ? third : grantee),
    sub_kid: pinned[world.pinned],
    aud: 'urn:cami:registry',
    jti,
    ver: 1,
    iat: seconds - 1000,
    nbf: seconds - 1000,
    exp: seconds + 1000,
    users: users[world.user].map((uid, at) => named(uid, at + 1)),
    scope: scopeOf(world),
    act: ['search', 'view'],
    purp: 'interpretation',
  }
}

function scopeOf({ scope }: World): GrantRequest['scope'] {
  const covers = { mode: 'all', devices: ['ct-1'], mod: ['CT'], from: '20261124', to: '20261124' }
  const others = {
    covers: {},
    'other modality': { mod: ['MR'] },
    'other device': { devices: ['ct-2'] },
    before: { from: '20261125', to: null },
    after: { from: null, to: '20261123' },
    'by request': { mode: 'by_request' },
  }
  return { ...covers, ...others[scope] } as GrantRequest['scope']
}

const studyOf = (world: World): StudyFacts => ({
  study: (world.study === 'other than asserted' ? '1.2.4' : '1.2.3') as StudyUid,
  holder: world.study === 'of another holder' ? third : self,
  modalities: ['CT'],
  date: '20261124',
  device: 'ct-1',
  withheld: world.withheld === 'yes',
})
