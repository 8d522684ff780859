import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { openTestNode, type TestNode, type TestRole } from '../http.fixture.ts'

let node: TestNode
before(async () => {
  node = await openTestNode()
})
after(() => node[Symbol.asyncDispose]())

const referral = {
  patient: { id: '17', name: 'Иванов^Иван', birthDate: '19700102', sex: 'M' },
  steps: [{ id: 'S1', modality: 'CT', stationAe: 'CT1', startDate: '20261201' }],
}

type Body = {
  id: string
  state: string
  accessionNumber: string
  referrals: Body[]
  devices: { id: string }[]
}

async function call(as: TestRole, method: string, path: string, body?: unknown) {
  const answer = await fetch(node.url + path, {
    method,
    headers: { ...node.as(as), 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

test('a radiographer makes, changes and cancels a referral, and all of it is audited', async () => {
  const made = await call('radiographer', 'POST', '/api/referrals', referral)
  assert.deepEqual([made.status, made.body.state], [200, 'scheduled'])
  const path = `/api/referrals/${made.body.id}`
  const changed = await call('radiographer', 'PUT', path, { ...referral, accessionNumber: 'A-7' })
  assert.equal(changed.body.accessionNumber, 'A-7')
  const list = await call('mo_admin', 'GET', '/api/referrals')
  assert.deepEqual(list.body.referrals, [changed.body])
  const performed = await call('mo_admin', 'GET', `${path}/performed`)
  assert.deepEqual(performed.body, { performed: [] })
  const cancelled = await call('radiographer', 'POST', `${path}/cancel`)
  assert.equal(cancelled.body.state, 'cancelled')
  assert.equal((await call('radiographer', 'POST', `${path}/cancel`)).status, 409)
  const closed = await call('mo_admin', 'GET', '/api/referrals?state=closed&limit=5')
  assert.equal(closed.body.referrals[0]?.id, made.body.id)
  const { events } = (await (await node.get('/api/audit', node.as('security_auditor'))).json()) as {
    events: { event: string; detail?: string }[]
  }
  const details = events.filter(({ event }) => event === 'order-record').map(({ detail }) => detail)
  assert.ok(details.includes(`made referral ${made.body.id}`))
  assert.ok(details.includes(`cancelled referral ${made.body.id}`))
  assert.doesNotMatch(JSON.stringify(events), /Иванов/)
})

test('nobody else sees or makes referrals, and a wrong one is refused', async () => {
  for (const role of ['radiologist', 'head_of_mo', 'security_auditor'] as const) {
    assert.equal((await call(role, 'GET', '/api/referrals')).status, 403)
    assert.equal((await call(role, 'POST', '/api/referrals', referral)).status, 403)
  }
  const wrong = { ...referral, steps: [] }
  assert.equal((await call('radiographer', 'POST', '/api/referrals', wrong)).status, 400)
  const unknown = '/api/referrals/01J0000000000000000000000A'
  assert.equal((await call('radiographer', 'GET', unknown)).status, 404)
})

test('the administrator registers an apparatus, checked and audited', async () => {
  const device = {
    id: 'ct-1',
    aeTitle: 'CT1',
    addresses: ['10.0.0.7'],
    modality: 'CT',
    startDate: '2026-01-01',
    port: 104,
    certificate: `${'AB:'.repeat(31)}AB`,
  }
  const put = await call('mo_admin', 'PUT', '/api/devices/ct-1', device)
  assert.deepEqual([put.status, put.body], [200, { ...device, certificate: 'ab'.repeat(32) }])
  assert.equal((await call('mo_admin', 'GET', '/api/devices')).body.devices.length, 1)
  assert.equal((await call('radiographer', 'PUT', '/api/devices/ct-1', device)).status, 403)
  assert.equal((await call('mo_admin', 'PUT', '/api/devices/ct-2', device)).status, 400)
  const twin = { ...device, id: 'ct-2' }
  assert.equal((await call('mo_admin', 'PUT', '/api/devices/ct-2', twin)).status, 409)
  const nowhere = { ...device, addresses: ['ward 3'] }
  assert.equal((await call('mo_admin', 'PUT', '/api/devices/ct-1', nowhere)).status, 400)
})
