import { test } from 'node:test'
import assert from 'node:assert/strict'
import { verifyAssertion } from '#protocol/assertion.ts'
import type { VerifiedGrant } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { createFederation, now, nowSeconds, study } from '#protocol/federation.fixture.ts'
import { streamLimits } from '#protocol/limits.ts'
import { createAssertions } from './assertions.ts'
import { createReplayGuard } from './replay-guard.ts'
import type { SessionUser } from './session-user.ts'

const federation = await createFederation()
const { grantee, holder } = federation
const grant = federation.claims.grantRequest().jti
const user: SessionUser = {
  uid: federation.user,
  organization: grantee.oid,
  roles: ['dept_head', 'radiologist'],
  enabled: true,
  authTime: now - 60_000,
  amr: ['pwd'],
  login: 'petrova',
  name: 'Петрова',
  position: 'врач-рентгенолог',
  department: 'ОЛД',
  workstation: 'ws-17',
  address: '127.0.0.1',
  session: 'ab'.repeat(32),
  expiresAt: now + 60_000,
}

test('an assertion says what the session knows, names the grant, and is never made twice alike', async () => {
  let seed = 0
  const assertFor = createAssertions({
    self: grantee.oid,
    signer: grantee.signer,
    decide: () => Promise.resolve({ grant } as VerifiedGrant),
    clock: () => now,
    random: (bytes) => new Uint8Array(bytes).fill(seed++),
  })
  const request = { user, study, holder: holder.oid }
  const token = await assertFor(request)
  const expected = { jwk: grantee.jwk, kid: grantee.kid, audience: holder.urn, now }
  const { claims } = await verifyAssertion(token, expected)
  assert.deepEqual(
    [claims.sub, claims.res, claims.grant, claims.op, claims.role, claims.amr, claims.ws],
    [user.uid, study, grant, 'view', 'radiologist', ['pwd'], 'ws-17'],
  )
  assert.ok(claims.exp - claims.iat <= 300)
  assert.equal(claims.auth_time, nowSeconds - 60)
  // The session's own digest, which signs her in, stays here.
  assert.ok(!user.session.includes(claims.sid))
  assert.notEqual(await assertFor(request), token)
})

test('without a grant nothing is asserted', async () => {
  const assertFor = createAssertions({
    self: grantee.oid,
    signer: grantee.signer,
    decide: () => Promise.reject(new ProtocolError('user_not_named', 'not hers')),
    clock: () => now,
    random: (bytes) => new Uint8Array(bytes),
  })
  const asked = assertFor({ user, study, holder: holder.oid })
  await assert.rejects(asked, { code: 'user_not_named' })
})

test('a number is taken once for as long as its assertion can live, and a full memory refuses', () => {
  const time = { now }
  const guard = createReplayGuard({ now: () => time.now })
  const claims = { iss: grantee.urn, jti: grant, iat: nowSeconds }
  assert.ok(guard.isFirst(claims))
  time.now += streamLimits.replayWindowMs - 1
  assert.ok(!guard.isFirst(claims))
  // Another organization's numbers are its own.
  assert.ok(guard.isFirst({ ...claims, iss: holder.urn }))
  for (let i = 0; i < streamLimits.replayEntriesMax; i++) {
    guard.isFirst({ ...claims, jti: `${i}` })
  }
  assert.ok(!guard.isFirst({ ...claims, jti: 'one more' }))
  time.now += streamLimits.replayWindowMs
  assert.ok(guard.isFirst({ ...claims, jti: 'one more' }))
})
