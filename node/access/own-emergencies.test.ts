import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyAssertion } from '#protocol/assertion.ts'
import { epochFacts, type EpochFacts } from '#protocol/epoch.ts'
import { createFederation, now, nowSeconds, study } from '#protocol/federation.fixture.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { createAssertions } from './assertions.ts'
import { createDecider } from './decider.ts'
import { createOwnEmergencies } from './own-emergencies.ts'
import type { SessionUser } from './session-user.ts'

const region = await createFederation()
const { holder, grantee, claims } = region
const reason = 'Пациент без сознания, нужна прежняя КТ'
const user: SessionUser = {
  uid: region.user,
  organization: grantee.oid,
  roles: ['dept_head', 'radiologist'],
  enabled: true,
  authTime: now - 3_600_000,
  amr: ['pwd'],
  login: 'petrova',
  name: '',
  position: '',
  department: '',
  workstation: '',
  address: '127.0.0.1',
  session: 'ab'.repeat(32),
  expiresAt: now + 12 * 3_600_000,
}

function createNode() {
  const world = {
    now,
    secondFactor: 'optional' as 'optional' | 'required',
    epoch: epochFacts(claims.epoch([]), nowSeconds) as EpochFacts | undefined,
    restrictions: [] as RestrictionRecord[],
  }
  let seed = 0
  const random = (bytes: number) => new Uint8Array(bytes).fill(seed++)
  const emergencies = createOwnEmergencies({
    self: grantee.oid,
    federation: {
      now: () => world.now,
      policy: () => ({ ...claims.trustList().policy, secondFactor: world.secondFactor }),
      epochFacts: () => world.epoch,
    },
    restrictions: { current: () => world.restrictions },
    clock: () => world.now,
    random,
  })
  const noGrant = () => ({ ok: false, code: 'grant_absent' }) as const
  const decide = createDecider({ find: () => Promise.resolve([]) }, noGrant, emergencies)
  const assertFor = createAssertions({
    self: grantee.oid,
    signer: grantee.signer,
    decide,
    emergency: emergencies.find,
    clock: () => world.now,
    random,
  })
  const asked = (by = user) => assertFor({ user: by, study, holder: holder.oid })
  return { world, emergencies, asked }
}

test('an assertion in an emergency gives the purpose, the reason, and when she proved who she is', async () => {
  const { world, emergencies, asked } = createNode()
  await assert.rejects(asked(), { code: 'study_not_held' })
  const { id, until } = emergencies.open(user, { study, holder: holder.oid, reason })
  assert.equal(until, now + 4 * 3_600_000)
  world.now += 60_000
  const expected = { jwk: grantee.jwk, kid: grantee.kid, audience: holder.urn, now: world.now }
  const { claims } = await verifyAssertion(await asked(), expected)
  assert.deepEqual(
    [claims.purp, claims.reason, claims.grant, claims.auth_time, claims.role, claims.op],
    ['ETREAT', reason, id, nowSeconds, 'radiologist', 'view'],
  )
})

test('it is of one session, one study and one holder, and ends by itself', async () => {
  const { world, emergencies, asked } = createNode()
  emergencies.open(user, { study, holder: holder.oid, reason })
  await asked()
  await assert.rejects(asked({ ...user, session: 'cd'.repeat(32) }), { code: 'study_not_held' })
  world.now += 4 * 3_600_000 - 1
  await asked()
  world.now += 1
  await assert.rejects(asked(), { code: 'study_not_held' })
})

test('what her own node knows against it keeps the request at home', async () => {
  const { world, emergencies, asked } = createNode()
  emergencies.open(user, { study, holder: holder.oid, reason })
  await assert.rejects(asked({ ...user, roles: ['consultant'] }), { code: 'role_missing' })
  await assert.rejects(asked({ ...user, enabled: false }), { code: 'user_disabled' })
  world.secondFactor = 'required'
  await assert.rejects(asked(), { code: 'second_factor_required' })
  world.secondFactor = 'optional'
  const epoch = epochFacts(claims.epoch([]), nowSeconds)
  world.epoch = { ...epoch, organizationsOff: new Set([holder.oid]) }
  await assert.rejects(asked(), { code: 'peer_suspended' })
  world.epoch = undefined
  await asked()
})
