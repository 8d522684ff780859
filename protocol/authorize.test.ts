import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  anyWorld,
  expectedAnswer,
  factsOf,
  goodEmergency,
  goodWorld,
  now,
  situations,
} from './authorize-worlds.fixture.ts'
import type { World } from './authorize-worlds.fixture.ts'
import {
  authorizeFetched,
  authorizeLocal,
  authorizePeer,
  authorizeQuarantine,
  authorizeSearch,
} from './authorize.ts'
import type { FetchedFacts, OwnFacts, OwnUser, Role, StudyFacts } from './authorize.ts'
import type { ErrorCode } from './errors.ts'
import { createFederation, studyFacts } from './federation.fixture.ts'
import { verifyGrant } from './grant.ts'
import type { Grant, GrantRequest } from './grant.ts'
import { UserId } from './ids.ts'

const answerOf = (world: World): string => {
  const decision = authorizePeer(factsOf(world))
  return decision.ok ? 'allowed' : decision.code
}

test('a holder answers a peer as the rules say, whatever comes together', () => {
  fc.assert(
    fc.property(anyWorld, (world) => assert.equal(answerOf(world), expectedAnswer(world))),
    { seed: 856, numRuns: 50_000 },
  )
})

test('the generated worlds reach every answer', () => {
  const reached = new Set(fc.sample(anyWorld, { seed: 856, numRuns: 50_000 }).map(expectedAnswer))
  assert.equal(reached.size, 33)
})

for (const [base, good] of Object.entries({ peer: goodWorld, emergency: goodEmergency })) {
  for (const [name, words] of Object.entries(situations)) {
    for (const word of words) {
      const world = { ...good, [name]: word } as World
      test(`${base}: ${name} ${word}: ${expectedAnswer(world)}`, () => {
        assert.equal(answerOf(world), expectedAnswer(world))
      })
    }
  }
}

test('of two reasons to refuse, the earlier one is the answer', () => {
  const deviations = Object.entries(situations).flatMap(([name, words]) =>
    words.slice(1).map((word) => ({ [name]: word })),
  )
  for (const one of deviations) {
    for (const other of deviations) {
      for (const good of [goodWorld, goodEmergency]) {
        const world = { ...good, ...one, ...other } as World
        assert.equal(answerOf(world), expectedAnswer(world))
      }
    }
  }
})

test('an emergency has a stale epoch and no grant, and ends after four hours or with its credential', () => {
  const world: World = { ...goodEmergency, epoch: 'stale', grant: 'absent' }
  const decision = authorizePeer(factsOf(world))
  assert.ok(decision.ok)
  const { basis, grant, expiresAt } = decision.grant
  assert.equal(basis, 'emergency')
  assert.equal(grant, factsOf(world).assertion.claims.grant)
  assert.equal(expiresAt, now + 4 * 3_600_000)
  const later = authorizePeer(factsOf({ ...world, opening: 'under way' }))
  assert.equal(later.ok && later.grant.expiresAt, now + 1)
  const last = authorizePeer(factsOf({ ...world, credential: 'valid to the last millisecond' }))
  assert.equal(last.ok && last.grant.expiresAt, now + 1)
})

test('the proof names what was decided, ends with the first authority that ends, and cannot be changed', () => {
  const facts = factsOf(goodWorld)
  const decision = authorizePeer(facts)
  assert.ok(decision.ok)
  const { grant } = decision
  assert.equal(grant.basis, 'grant')
  assert.equal(grant.study, '1.2.3')
  assert.equal(grant.user, facts.assertion.claims.sub)
  assert.equal(grant.organization, facts.credential?.organization)
  assert.equal(grant.expiresAt, (facts.grant?.grant.claims.exp ?? 0) * 1000)
  assert.throws(() => Object.assign(grant, { study: '1.2.4' }), TypeError)
  const stale = authorizePeer(factsOf({ ...goodWorld, epoch: 'fresh to the last millisecond' }))
  assert.equal(stale.ok && stale.grant.expiresAt, now + 1)
  const last = authorizePeer(factsOf({ ...goodWorld, credential: 'valid to the last millisecond' }))
  assert.equal(last.ok && last.grant.expiresAt, now + 1)
})

// Own users

const region = await createFederation()
const { holder, grantee } = region
const roles: Role[] = [
  'radiographer',
  'radiologist',
  'diagnostician',
  'clinician',
  'consultant',
  'dept_head',
  'consult_organizer',
  'mo_admin',
  'head_of_mo',
  'cami_operator',
  'cami_admin',
  'support',
  'security_auditor',
  'ministry_observer',
]
const own = (over: Partial<OwnUser> = {}): OwnUser => ({
  uid: UserId.parse(`${holder.oid}#01KB0000000000000000000004`),
  organization: holder.oid,
  roles: ['radiologist'],
  enabled: true,
  authTime: now - 1000,
  amr: ['pwd'],
  ...over,
})
const codeOf = (decision: { ok: true } | { ok: false; code: ErrorCode }): string =>
  decision.ok ? 'allowed' : decision.code
const local = (over: Partial<OwnUser> = {}, study: Partial<StudyFacts> = {}): string =>
  codeOf(
    authorizeLocal({
      now,
      self: holder.oid,
      user: own(over),
      operation: 'view',
      study: { ...studyFacts(holder.oid), ...study },
    }),
  )

const atHome = (user: OwnUser): OwnFacts => ({
  now,
  self: holder.oid,
  policy: { ...region.claims.trustList().policy, secondFactor: 'optional' },
  user,
})

test('who reads at home: the roles that read, and nobody else', () => {
  const readers = ['radiographer', 'radiologist', 'diagnostician', 'dept_head']
  for (const role of roles) {
    const expected = readers.includes(role) ? 'allowed' : 'role_missing'
    assert.equal(local({ roles: [role] }), expected, role)
    const search = authorizeSearch(own({ roles: [role] }), holder.oid, now)
    assert.equal(codeOf(search), expected, role)
    const quarantine = authorizeQuarantine(atHome(own({ roles: [role] })))
    assert.equal(codeOf(quarantine), role === 'mo_admin' ? 'allowed' : 'role_missing', role)
  }
  assert.equal(local({ roles: [] }), 'role_missing')
  const both: Role[] = ['mo_admin', 'radiologist']
  assert.equal(local({ roles: both }), 'allowed')
  assert.equal(codeOf(authorizeSearch(own({ roles: both }), holder.oid, now)), 'allowed')
})

test('at home neither the second factor nor a restriction for others counts', () => {
  assert.equal(local({ amr: ['pwd'] }, { withheld: true }), 'allowed')
})

test('a radiographer sees and does not report', () => {
  const study = studyFacts(holder.oid)
  const user = own({ roles: ['radiographer'] })
  const decision = authorizeLocal({ now, self: holder.oid, user, operation: 'report', study })
  assert.equal(codeOf(decision), 'role_missing')
})

test('a user of elsewhere, a disabled one and an old session read nothing', () => {
  const elsewhere = UserId.parse(`${grantee.oid}#01KB0000000000000000000004`)
  const cases: [Partial<OwnUser>, string][] = [
    [{ uid: elsewhere }, 'forbidden'],
    [{ organization: grantee.oid }, 'forbidden'],
    [{ enabled: false }, 'user_disabled'],
    [{ authTime: now - 12 * 3_600_000 }, 'session_too_old'],
    [{ authTime: now - 12 * 3_600_000 + 1 }, 'allowed'],
    [{ authTime: now + 60_001 }, 'session_too_old'],
  ]
  for (const [over, expected] of cases) {
    assert.equal(local(over), expected)
    assert.equal(codeOf(authorizeSearch(own(over), holder.oid, now)), expected)
    const admin = own({ ...over, roles: ['mo_admin'] })
    assert.equal(codeOf(authorizeQuarantine(atHome(admin))), expected)
  }
})

test('a study of another organization is not read as an own one', () => {
  assert.equal(local({}, { holder: grantee.oid }), 'study_not_held')
  const absent = { now, self: holder.oid, user: own(), operation: 'view' } as const
  assert.equal(codeOf(authorizeLocal(absent)), 'study_not_held')
})

// The grantee's side

const trust = region.claims.trustList()
const received = async (
  over: Partial<Grant> = {},
  request: Partial<GrantRequest> = {},
  active = true,
) => {
  const token = await region.sign.grant(over, request)
  const facts = await verifyGrant(token, { trust, now, holderKeyOf: region.holderKeyOf })
  return { facts, active }
}
const reader = (over: Partial<OwnUser> = {}): OwnUser =>
  own({ uid: region.user, organization: grantee.oid, amr: ['pwd', 'otp'], ...over })
const fetched = async (over: Partial<FetchedFacts> = {}) =>
  authorizeFetched({
    now,
    self: grantee.oid,
    selfKid: grantee.kid,
    policy: trust.policy,
    user: reader(),
    operation: 'view',
    study: studyFacts(holder.oid),
    grants: [await received()],
    ...over,
  })

test('a named user opens what a grant covers, under that grant', async () => {
  const decision = await fetched()
  assert.ok(decision.ok)
  assert.equal(decision.grant.basis, 'grant')
  assert.equal(decision.grant.grant, '01KB0000000000000000000001')
  assert.equal(decision.grant.organization, grantee.oid)
})

test('one reading role among others is enough, and so is one named user among others', async () => {
  assert.equal(
    codeOf(await fetched({ user: reader({ roles: ['mo_admin', 'consultant'] }) })),
    'allowed',
  )
  const [named] = region.claims.grantRequest().users
  assert.ok(named)
  const users = [
    { ...named, uid: region.otherUser },
    { ...named, row: 2 },
  ]
  assert.equal(codeOf(await fetched({ grants: [await received({}, { users })] })), 'allowed')
})

test('the proof ends with the session or the grant, whichever ends first', async () => {
  const exp = Math.floor(now / 1000) + 60
  const short = await fetched({ grants: [await received({ exp })] })
  assert.equal(short.ok && short.grant.expiresAt, exp * 1000)
  const long = await fetched()
  assert.equal(long.ok && long.grant.expiresAt, reader().authTime + 12 * 3_600_000)
})

test('of several grants the one that opens is found', async () => {
  const grants = [await received({}, {}, false), await received({}, { act: ['search'] })]
  assert.equal(codeOf(await fetched({ grants })), 'operation_not_granted')
  assert.equal(codeOf(await fetched({ grants: [...grants, await received()] })), 'allowed')
})

test('each reason not to ask the holder has its name', async () => {
  const [named] = region.claims.grantRequest().users
  assert.ok(named)
  const { stranger } = region
  const seconds = Math.floor(now / 1000)
  const ended = { exp: seconds, nbf: seconds - 100, iat: seconds - 100 }
  const later = { nbf: seconds + 100 }
  const cases: [string, Partial<FetchedFacts>][] = [
    ['grant_absent', { grants: [] }],
    ['grant_absent', { study: studyFacts(stranger.oid) }],
    ['grant_absent', { self: holder.oid, user: own({ amr: ['otp'] }) }],
    ['grant_inactive', { grants: [await received({}, {}, false)] }],
    ['grant_inactive', { grants: [await received({ st: 'revoked' })] }],
    ['grant_expired', { grants: [await received(ended, ended)] }],
    ['grant_not_yet_valid', { grants: [await received(later, later)] }],
    ['grant_key_unpinned', { selfKid: stranger.kid }],
    ['user_not_named', { user: reader({ uid: region.otherUser }) }],
    ['operation_not_granted', { operation: 'report' }],
    ['study_out_of_scope', { study: { ...studyFacts(holder.oid), modalities: ['PT'] } }],
    ['second_factor_required', { user: reader({ amr: ['pwd'] }) }],
    ['role_missing', { user: reader({ roles: ['mo_admin', 'dept_head', 'radiographer'] }) }],
    ['user_disabled', { user: reader({ enabled: false }) }],
    ['session_too_old', { user: reader({ authTime: 0 }) }],
    ['forbidden', { user: own() }],
  ]
  for (const [expected, over] of cases) assert.equal(codeOf(await fetched(over)), expected)
})
