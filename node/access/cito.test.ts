import assert from 'node:assert/strict'
import { test } from 'node:test'
import { now, nowSeconds, studyRecord } from '#protocol/federation.fixture.ts'
import { StudyUid } from '#protocol/ids.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { createPlace } from './federation.fixture.ts'
import { createFetchedDecision } from './fetched.ts'
import type { SessionUser } from './session-user.ts'

test('a suspended organization’s connection is let in while a study is left open to it, and no longer', async () => {
  await using place = await createPlace()
  const { sign, grantee, stranger, world } = place
  await using node = await place.start()
  await node.intake.directory(await place.everybody())
  const cito = {
    id: '01KB0000000000000000000008',
    org: grantee.urn,
    study: studyRecord.study,
    until: nowSeconds + 600,
  }
  const mo_off = [grantee.urn, stranger.urn]
  await node.intake.epoch({ epoch: await sign.epoch([], { mo_off, cito: [cito] }), grants: [] })
  assert.equal(node.isAllowed(grantee.peerId), true)
  assert.equal(node.isAllowed(stranger.peerId), false)
  world.now = now + 599_999
  assert.equal(node.isAllowed(grantee.peerId), true)
  world.now = now + 600_000
  assert.equal(node.isAllowed(grantee.peerId), false)
})

test('its own node opens that study under its grant, and closes all others', async () => {
  await using place = await createPlace()
  const { grantee, holder, world } = place
  await using node = await place.start(grantee)
  await node.intake.directory(await place.everybody())
  await node.intake.grants([{ grant: await place.sign.grant(), active: true }])
  const user: SessionUser = {
    uid: place.user,
    organization: grantee.oid,
    roles: ['radiologist'],
    enabled: true,
    authTime: now - 1000,
    amr: ['pwd', 'otp'],
    login: 'petrova',
    name: '',
    position: '',
    department: '',
    workstation: '',
    address: '127.0.0.1',
    session: 'ab'.repeat(32),
    expiresAt: now + 3_600_000,
  }
  const restriction: RestrictionRecord = {
    number: '1',
    scope: 'cami',
    level: 'no_consult',
    clause: '8.2.3',
    reason: 'пароли',
    remedy: 'сменить',
    start: '2026-11-25',
    cito: [{ study: studyRecord.study, until: now + 600_000 }],
  }
  const orders = { restrictions: [restriction] }
  const decide = createFetchedDecision({
    self: grantee.oid,
    selfKid: grantee.kid,
    federation: node,
    restrictions: { current: () => orders.restrictions },
  })
  const answer = (study = studyRecord.study) => {
    const decision = decide(user, { holder: holder.oid, record: { ...studyRecord, study } }, 'view')
    return decision.ok ? 'allowed' : decision.code
  }
  assert.equal(answer(), 'allowed')
  assert.equal(answer(StudyUid.parse('1.2.4')), 'organization_restricted')
  // A second restriction that says nothing of the study closes it, too.
  const { cito: _, ...without } = restriction
  orders.restrictions = [restriction, without]
  assert.equal(answer(), 'organization_restricted')
  orders.restrictions = [restriction]
  world.now = now + 600_000
  assert.equal(answer(), 'organization_restricted')
})
