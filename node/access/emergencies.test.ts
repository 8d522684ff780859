import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { Assertion } from '#protocol/assertion.ts'
import { verifyAssertion } from '#protocol/assertion.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { credentialFacts } from '#protocol/credential.ts'
import { epochFacts } from '#protocol/epoch.ts'
import { createFederation, now, study, studyFacts } from '#protocol/federation.fixture.ts'
import { ulid, UserId } from '#protocol/ids.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { openEmergencies } from './emergencies.ts'
import type { Member } from './members.ts'
import { createPeerGate } from './peer-gate.ts'
import { openReadingRate } from './reading-rate.ts'
import type { SessionUser } from './session-user.ts'

const region = await createFederation()
const { holder, grantee, claims } = region
const hour = 3_600_000
const reason = 'Пациент без сознания, нужна прежняя КТ'

const head: SessionUser = {
  uid: UserId.parse(`${holder.oid}#01KB000000000000000000000H`),
  organization: holder.oid,
  roles: ['head_of_mo'],
  enabled: true,
  authTime: now,
  amr: ['pwd'],
  login: 'head',
  name: '',
  position: '',
  department: '',
  workstation: '',
  address: '127.0.0.1',
  session: 'ab'.repeat(32),
  expiresAt: now + hour,
}

/** A holder's gate with real records, no grant at all, and an epoch of long ago. */
async function createHolder() {
  await using stack = new AsyncDisposableStack()
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-emergencies-'))
  stack.defer(() => rm(dir, { recursive: true, force: true }))
  const records = stack.use(await openRecords(dir))
  const epoch = epochFacts(claims.epoch([]), 0)
  const world = {
    now,
    audit: [] as AuditEntry[],
    auditFails: false,
    epoch: { ...epoch, freshAt: now - 30 * 24 * hour },
  }
  const audit = {
    append(entry: AuditEntry) {
      if (world.auditFails) return Promise.reject(new Error('disk full'))
      world.audit.push(entry)
      return Promise.resolve()
    },
  }
  const member: Member = {
    oid: grantee.oid,
    name: '',
    peer: grantee.peerId,
    kid: grantee.kid,
    jwk: grantee.jwk,
    facts: await credentialFacts(claims.credential(grantee)),
    credential: await region.sign.credential(grantee),
    lineage: [],
    earlier: [],
    addresses: [],
    online: true,
    seenAt: 0,
  }
  const common = { self: holder.oid, audit, log: silentLog }
  const open = () => openEmergencies({ ...common, records, now: () => world.now })
  const emergencies = await open()
  const gate = createPeerGate({
    ...common,
    rate: await openReadingRate(records, world.now),
    federation: {
      memberByPeer: (peer) => (peer === grantee.peerId ? member : undefined),
      policy: () => ({ ...claims.trustList().policy, secondFactor: 'optional' }),
      selfKids: () => new Set([holder.kid]),
      epochFacts: () => world.epoch,
      heldGrant: () => undefined,
      now: () => world.now,
    },
    archive: { facts: () => Promise.resolve(studyFacts(holder.oid)) },
    emergencies,
  })
  let number = 100
  const ask = async (grant: string, over: Partial<Assertion> = {}) => {
    const seconds = Math.floor(world.now / 1000)
    return region.sign.assertion({
      jti: ulid(world.now, new Uint8Array(10).fill(number++ % 256)),
      iat: seconds,
      exp: seconds + 300,
      auth_time: seconds,
      amr: ['pwd'],
      purp: 'ETREAT',
      reason,
      grant,
      ...over,
    })
  }
  const admit = async (grant: string, over: Partial<Assertion> = {}) =>
    gate.admit(grantee.peerId, await ask(grant, over), study)
  const owned = stack.move()
  return { world, emergencies, open, ask, admit, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const id = (n: number): string => ulid(now, new Uint8Array(10).fill(n))
const events = (audit: readonly AuditEntry[]): string[] =>
  audit.map(({ event, outcome, code, detail }) => [event, outcome, code ?? detail ?? ''].join(' '))

test('nobody is let in without a grant until the head has said so', async () => {
  await using place = await createHolder()
  await assert.rejects(place.admit(id(1)), { code: 'forbidden' })
  assert.deepEqual(events(place.world.audit), ['begin-transferring denied emergency_not_offered'])
  assert.deepEqual(place.emergencies.list(), [])
})

test('an emergency opens one study past a stale epoch, is told at once, and ends after four hours', async () => {
  await using place = await createHolder()
  const { world, emergencies, admit } = place
  await emergencies.offer(true, head)
  const admission = await admit(id(1))
  assert.equal(admission.grant.basis, 'emergency')
  assert.equal(admission.grant.expiresAt, now + 4 * hour)
  assert.deepEqual(events(world.audit), [
    'configuration success emergency access is offered',
    'emergency-started success ETREAT',
    'begin-transferring success ETREAT',
  ])
  assert.ok(world.audit.every((entry) => !JSON.stringify(entry).includes(reason)))
  const [row] = emergencies.list()
  assert.deepEqual(
    [row?.user, row?.organization, row?.study, row?.reason, row?.isOver],
    [region.user, grantee.oid, study, reason, false],
  )
  // Within its time each request has an assertion of its own, and no step-up.
  world.now += 4 * hour - 1
  const seconds = Math.floor(now / 1000)
  await admit(id(1), { auth_time: seconds })
  await admission.recheck()
  assert.equal(emergencies.list().length, 1)
  world.now += 1
  await assert.rejects(admission.recheck(), { code: 'forbidden' })
  await assert.rejects(admit(id(1), { auth_time: seconds }), { code: 'forbidden' })
  assert.equal(world.audit.at(-1)?.code, 'emergency_over')
  await emergencies.tick()
  await emergencies.tick()
  assert.equal(events(world.audit).filter((one) => one.startsWith('emergency-stopped')).length, 1)
})

test('suspension, the administrator, and the head who takes the offer back end it at once', async () => {
  await using place = await createHolder()
  const { world, emergencies, admit } = place
  await emergencies.offer(true, head)
  const first = await admit(id(1))
  const { epoch } = world
  world.epoch = { ...epoch, organizationsOff: new Set([grantee.oid]) }
  await assert.rejects(first.recheck(), { code: 'forbidden' })
  await assert.rejects(admit(id(2)), { code: 'forbidden' })
  assert.equal(world.audit.at(-1)?.code, 'peer_suspended')
  world.epoch = { ...epoch, kidsOff: new Set([grantee.kid]) }
  await assert.rejects(first.recheck(), { code: 'forbidden' })
  world.epoch = epoch
  await first.recheck()
  await emergencies.stop(id(1), head)
  await assert.rejects(first.recheck(), { code: 'forbidden' })
  await assert.rejects(emergencies.stop(id(1), head), { code: 'conflict' })
  const second = await admit(id(2))
  await emergencies.offer(false, head)
  await assert.rejects(second.recheck(), { code: 'forbidden' })
  assert.ok(emergencies.list().every(({ isOver }) => isOver))
})

test('what cannot be audited is taken away all the same, and its end is told when there is room again', async () => {
  await using place = await createHolder()
  const { world, emergencies, admit } = place
  await emergencies.offer(true, head)
  const running = [await admit(id(1)), await admit(id(2)), await admit(id(3))]
  world.auditFails = true
  await assert.rejects(emergencies.stop(id(1), head), { message: 'disk full' })
  await assert.rejects(running[0]?.recheck() ?? Promise.resolve(), { code: 'forbidden' })
  await running[1]?.recheck()
  await assert.rejects(emergencies.offer(false, head), { message: 'disk full' })
  for (const one of running) await assert.rejects(one.recheck(), { code: 'forbidden' })
  world.auditFails = false
  const again = await place.open()
  assert.equal(again.isOffered(), false)
  // What was cut does not come back with a later offer.
  await emergencies.offer(true, head)
  for (const one of running) await assert.rejects(one.recheck(), { code: 'forbidden' })
  await again.tick()
  await again.tick()
  assert.deepEqual(
    world.audit.filter(({ event }) => event === 'emergency-stopped').map(({ detail }) => detail),
    Array(3).fill('ended before its time'),
  )
  assert.ok(again.list().every(({ isOver }) => isOver))
})

test('the sixth of a user in a day is refused, also when they come together, and the limit outlives a restart', async () => {
  await using place = await createHolder()
  const { emergencies, admit, world } = place
  await emergencies.offer(true, head)
  const asked = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map((n) => admit(id(n))))
  assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 5)
  assert.equal(emergencies.list().length, 5)
  const again = await place.open()
  const token = await place.ask(id(8))
  const expected = { jwk: grantee.jwk, kid: grantee.kid, audience: holder.urn, now: world.now }
  const assertion = await verifyAssertion(token, expected)
  await assert.rejects(again.begin(assertion, ''), { code: 'rate_limited' })
  world.now += 24 * hour
  assert.equal(again.facts(assertion.claims)?.byUser, 0)
})

test('what cannot be audited is not opened', async () => {
  await using place = await createHolder()
  await place.emergencies.offer(true, head)
  place.world.auditFails = true
  await assert.rejects(place.admit(id(1)), { code: 'forbidden' })
  assert.deepEqual(place.emergencies.list(), [])
})

test('each one is reviewed after its end, once, and is overdue until then', async () => {
  await using place = await createHolder()
  const { emergencies, admit, world } = place
  await emergencies.offer(true, head)
  await admit(id(1))
  await admit(id(2))
  const review = { comment: 'Подтверждено дежурным врачом', isJustified: true }
  await assert.rejects(emergencies.review(id(1), review, head), { code: 'conflict' })
  world.now += 4 * hour
  await emergencies.tick()
  await emergencies.review(id(1), review, head)
  await assert.rejects(emergencies.review(id(1), review, head), { code: 'conflict' })
  // What waits comes first.
  assert.deepEqual(
    emergencies.list().map((row) => [row.id, row.review?.isJustified]),
    [
      [id(2), undefined],
      [id(1), true],
    ],
  )
  assert.equal(events(world.audit).at(-1), 'emergency-reviewed success justified')
  world.now += 400 * 24 * hour
  await emergencies.tick()
  assert.deepEqual(
    emergencies.list().map((row) => row.id),
    [id(2)],
  )
})

test('the transparency log gets one notice of each, when the registry is back', async () => {
  await using place = await createHolder()
  const { emergencies, admit } = place
  await emergencies.offer(true, head)
  await admit(id(1))
  const sent: unknown[] = []
  let isAway = true
  const request = ((method: string, params: unknown) => {
    if (isAway) return Promise.reject(new Error('away'))
    sent.push([method, params])
    return Promise.resolve({})
  }) as Connection['request']
  await assert.rejects(emergencies.submit(request))
  isAway = false
  await emergencies.submit(request)
  await emergencies.submit(request)
  const [row] = emergencies.list()
  const notice = { kind: 'emergency', grantee: grantee.oid, assertion: row?.assertion }
  assert.deepEqual(sent, [['log.submit', { entries: [notice] }]])
  assert.ok(emergencies.hasOpened(row?.assertion ?? ''))
})

test('an emergency that began while the time was ahead is over when it is mended, and hinders no other', async () => {
  await using place = await createHolder()
  const { world, emergencies, admit } = place
  await emergencies.offer(true, head)
  world.now += 40 * 24 * hour
  const admissions = []
  for (let n = 1; n <= 5; n++) admissions.push(await admit(id(n)))
  world.now = now
  for (const admission of admissions) {
    await assert.rejects(admission.recheck(), { code: 'forbidden' })
  }
  await assert.rejects(admit(id(1)), { code: 'forbidden' })
  assert.equal(world.audit.at(-1)?.code, 'emergency_over')
  await emergencies.tick()
  assert.ok(emergencies.list().every(({ isOver }) => isOver))
  const other = await admit(id(6))
  assert.equal(other.grant.expiresAt, now + 4 * hour)
})

test('what has ended stays so when the clock is set back', async () => {
  await using place = await createHolder()
  const { world, emergencies, admit } = place
  await emergencies.offer(true, head)
  const stopped = await admit(id(1))
  const cut = await admit(id(2))
  world.now += hour
  await emergencies.stop(id(1), head)
  world.auditFails = true
  await assert.rejects(emergencies.stop(id(2), head), { message: 'disk full' })
  world.auditFails = false
  const running = await admit(id(3))
  world.now += 4 * hour
  await emergencies.tick()
  for (const back of [world.now - 2 * hour, now + 1000]) {
    world.now = back
    for (const one of [stopped, cut, running]) {
      await assert.rejects(one.recheck(), { code: 'forbidden' })
    }
    for (const n of [1, 2, 3]) {
      await assert.rejects(admit(id(n)), { code: 'forbidden' })
      assert.equal(world.audit.at(-1)?.code, 'emergency_over')
    }
  }
})
