import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Transfer } from './api/transfer.ts'
import {
  grantId,
  holder,
  openTestNode,
  ownStudy,
  remoteStudy,
  type TestNode,
  type TestRole,
} from './http.fixture.ts'

let node: TestNode
before(async () => {
  node = await openTestNode()
})
after(() => node[Symbol.asyncDispose]())

const forbidden = '{"error":{"code":"forbidden"}}'

const importId = '6f1f1c38-8d9e-4f0c-9a54-0d1e0e3c6f11'

test('every resource answers exactly the roles that may use it', async () => {
  const grant = {
    grantee: holder,
    users: [{ uid: `${holder}#01J0000000000000000000000B`, pos: '', dep: '', room: '' }],
    scope: { mode: 'all', devices: ['*'], mod: ['*'], from: null, to: null },
    act: ['search', 'view'],
  }
  const table: [string, string, Record<'nobody' | TestRole, number>, unknown?][] = [
    ['GET', '/health', row(200, 200, 200, 200, 200, 200)],
    ['GET', '/api/openapi.json', row(200, 200, 200, 200, 200, 200)],
    ['GET', '/api/session', row(401, 200, 200, 200, 200, 200)],
    ['GET', '/api/region', row(401, 200, 200, 200, 200, 200)],
    ['GET', `/api/studies/${ownStudy}/transfer`, row(401, 200, 403, 403, 403, 403)],
    ['GET', `/api/studies/${remoteStudy}/transfer`, row(401, 200, 403, 403, 403, 403)],
    ['GET', '/api/studies/9.9/transfer', row(401, 403, 403, 403, 403, 403)],
    ['GET', `/api/studies/${remoteStudy}/access`, row(401, 200, 200, 200, 200, 200)],
    ['GET', '/api/quarantine', row(401, 403, 200, 403, 403, 403)],
    ['GET', '/api/audit', row(401, 403, 200, 403, 200, 403)],
    ['GET', '/api/reconciliation', row(401, 403, 200, 403, 200, 403)],
    [
      'POST',
      '/api/grants/renewals',
      row(401, 403, 403, 403, 403, 403),
      { grantee: holder, kid: 'A'.repeat(43), password: 'wrong' },
    ],
    ['GET', '/api/restrictions', row(401, 403, 200, 200, 403, 403)],
    ['GET', '/api/devices', row(401, 403, 200, 403, 403, 403)],
    ['PUT', '/api/devices/ct-1', row(401, 403, 400, 403, 403, 403), { id: 'ct-1' }],
    ['GET', '/api/sending', row(401, 403, 200, 403, 403, 403)],
    ['POST', `/api/sending/${grantId}/retry`, row(401, 403, 404, 403, 403, 403)],
    ['POST', `/api/sending/${grantId}/cancel`, row(401, 403, 404, 403, 403, 403)],
    ['GET', '/api/referrals', row(401, 403, 200, 403, 403, 200)],
    ['POST', '/api/referrals', row(401, 403, 400, 403, 403, 400), {}],
    ['GET', `/api/referrals/${grantId}`, row(401, 403, 404, 403, 403, 404)],
    ['PUT', `/api/referrals/${grantId}`, row(401, 403, 400, 403, 403, 400), {}],
    ['POST', `/api/referrals/${grantId}/cancel`, row(401, 403, 404, 403, 403, 404)],
    [
      'POST',
      `/api/referrals/${grantId}/close`,
      row(401, 403, 404, 403, 403, 404),
      { outcome: 'completed' },
    ],
    ['GET', `/api/referrals/${grantId}/performed`, row(401, 403, 404, 403, 403, 404)],
    ['GET', '/api/accounts/users', row(401, 403, 200, 403, 403, 403)],
    ['POST', '/api/accounts/users', row(401, 403, 400, 403, 403, 403), { login: 'x' }],
    ['POST', `/api/accounts/${grantId}/disable`, row(401, 403, 404, 403, 403, 403)],
    [
      'POST',
      `/api/accounts/${grantId}/dismissal`,
      row(401, 403, 404, 403, 403, 403),
      { basis: 'приказ' },
    ],
    ['POST', `/api/accounts/${grantId}/enable`, row(401, 403, 404, 403, 403, 403)],
    [
      'POST',
      `/api/accounts/${grantId}/password`,
      row(401, 403, 404, 403, 403, 403),
      { password: 'a password of some length' },
    ],
    [
      'POST',
      '/api/session/password',
      row(401, 403, 403, 403, 403, 403),
      { current: 'wrong', password: 'a password of some length' },
    ],
    [
      'POST',
      `/api/accounts/${grantId}/second-factor/reset`,
      row(401, 403, 404, 403, 403, 403),
      { basis: 'записка' },
    ],
    [
      'POST',
      '/api/session/second-factor',
      row(401, 403, 403, 403, 403, 403),
      { password: 'wrong' },
    ],
    [
      'POST',
      '/api/session/second-factor/confirmation',
      row(401, 409, 409, 409, 409, 409),
      { code: '000000' },
    ],
    ['GET', '/api/grants', row(401, 403, 200, 200, 403, 403)],
    ['POST', '/api/grants', row(401, 403, 200, 403, 403, 403), grant],
    ['DELETE', `/api/grants/${grantId}`, row(401, 403, 204, 403, 403, 403)],
    ['DELETE', '/api/grants/01J0000000000000000000000B', row(401, 403, 404, 403, 403, 403)],
    ['GET', '/api/emergencies', row(401, 403, 200, 200, 200, 403)],
    [
      'PUT',
      '/api/emergencies/policy',
      row(401, 403, 403, 403, 403, 403),
      { offered: true, password: 'wrong' },
    ],
    ['POST', `/api/emergencies/${grantId}/stop`, row(401, 403, 404, 404, 403, 403)],
    [
      'POST',
      `/api/emergencies/${grantId}/review`,
      row(401, 403, 404, 404, 403, 403),
      { comment: 'проверено', isJustified: true },
    ],
    ['GET', `/api/holders/${holder}/emergency`, row(401, 200, 403, 403, 403, 403)],
    [
      'POST',
      `/api/studies/${remoteStudy}/emergency`,
      row(401, 403, 403, 403, 403, 403),
      { holder, reason: 'Пациент без сознания, нужна прежняя КТ', password: 'wrong' },
    ],
    ['GET', '/api/quality', row(401, 403, 200, 403, 403, 200)],
    ['GET', `/api/studies/${ownStudy}/quality`, row(401, 403, 404, 403, 403, 404)],
    [
      'POST',
      `/api/studies/${ownStudy}/encoding`,
      row(401, 403, 404, 403, 403, 403),
      { encoding: 'koi8-r', pin: false },
    ],
    ['GET', '/api/encodings', row(401, 403, 200, 403, 403, 403)],
    ['DELETE', '/api/encodings/ct-1', row(401, 403, 204, 403, 403, 403)],
    ['GET', '/api/patients/duplicates', row(401, 403, 200, 403, 403, 200)],
    ['POST', '/api/media', row(401, 403, 415, 403, 403, 415)],
    ['POST', '/api/media/folders', row(401, 403, 503, 403, 403, 503), { folder: 'cd' }],
    ['GET', '/api/media', row(401, 403, 200, 403, 403, 200)],
    ['GET', `/api/media/${importId}`, row(401, 403, 404, 403, 403, 404)],
    ['GET', `/api/media/${importId}/files`, row(401, 403, 404, 403, 403, 404)],
    ['DELETE', `/api/media/${importId}`, row(401, 403, 404, 403, 403, 404)],
    ['GET', '/api/archives', row(401, 403, 200, 403, 403, 200)],
    ['POST', '/api/archives/old/echo', row(401, 403, 404, 403, 403, 404), {}],
    ['POST', '/api/archives/old/find', row(401, 403, 404, 403, 403, 404), {}],
    ['POST', '/api/archives/old/moves', row(401, 403, 404, 403, 403, 404), { study: '1.2' }],
    ['GET', '/api/moves', row(401, 403, 200, 403, 403, 200)],
    ['DELETE', `/api/moves/${grantId}`, row(401, 403, 404, 403, 403, 404)],
    ['GET', '/api/access-requests', row(401, 403, 503, 503, 403, 403)],
    ['POST', `/api/access-requests/${grantId}/confirmation`, row(401, 403, 503, 403, 403, 403)],
    ['POST', `/api/access-requests/${grantId}/signature`, row(401, 403, 503, 503, 403, 403)],
    ['GET', '/api/corrections', row(401, 403, 200, 403, 200, 200)],
    ['POST', '/api/corrections', row(401, 403, 400, 403, 403, 400), {}],
    ['POST', '/api/corrections/1/revert', row(401, 403, 400, 403, 403, 400), {}],
    ['POST', '/api/patient-merges', row(401, 403, 400, 403, 403, 403), {}],
    ['POST', '/api/rejections', row(401, 403, 400, 403, 403, 403), {}],
    ['POST', '/api/quarantine/release', row(401, 403, 400, 403, 403, 403), {}],
    ['GET', '/api/nothing', row(404, 404, 404, 404, 404, 404)],
    ['GET', '/dicom-web/studies', row(401, 200, 200, 200, 200, 200)],
    ['GET', '/dicom-web/studies/1.2', row(401, 403, 403, 403, 403, 403)],
    ['GET', '/dicom-web/nothing', row(401, 404, 404, 404, 404, 404)],
  ]
  for (const [method, path, expected, body] of table) {
    for (const [who, status] of Object.entries(expected)) {
      const answer = await fetch(node.url + path, {
        method,
        headers: {
          ...(who === 'nobody' ? {} : node.as(who as TestRole)),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      assert.equal(answer.status, status, `${method} ${path} as ${who}: ${text}`)
      if (status === 403) assert.equal(text, forbidden)
      if (status === 401) assert.equal(text, '{"error":{"code":"unauthenticated"}}')
    }
  }
  const covered = new Set(table.map(([method, path]) => `${method} ${path}`))
  const described = (await (await node.get('/api/openapi.json')).json()) as {
    paths: Record<string, object>
  }
  for (const [path, methods] of Object.entries(described.paths)) {
    if (path === '/api/session') continue
    for (const method of Object.keys(methods)) {
      const pattern = new RegExp(
        `^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`,
      )
      assert.ok(
        [...covered].some((line) => pattern.test(line)),
        `${method} ${path} is not tested`,
      )
    }
  }
})

function row(...statuses: number[]): Record<'nobody' | TestRole, number> {
  const names = [
    'nobody',
    'radiologist',
    'mo_admin',
    'head_of_mo',
    'security_auditor',
    'radiographer',
  ]
  return Object.fromEntries(names.map((name, index) => [name, statuses[index]])) as never
}

test('a path in other letters is another path: no door beside the one that asks who comes', async () => {
  const places = [
    '/DICOM-WEB/studies',
    '/Dicom-Web/studies/1.2',
    '/dicom-web%2fstudies',
    '//dicom-web/studies',
  ]
  for (const path of [...places, '/API/session', '/Api/quarantine', '/./api/../API/audit']) {
    for (const headers of [{}, node.as('mo_admin'), node.as('radiologist')]) {
      const { status } = await node.raw({ path, headers })
      assert.equal(status, 404, path)
    }
  }
  const { status } = await node.raw({ method: 'POST', path: '/API/session', body: '{}' })
  assert.equal(status, 404)
})

test('a role that is missing is audited with the resource that was asked', async () => {
  const before = node.audit.count()
  await node.get('/api/quarantine', node.as('radiologist'))
  const [event] = await node.audit.list({ after: before, filter: { event: 'security-alert' } })
  assert.equal(event?.outcome, 'denied')
  assert.equal(event?.code, 'role_missing')
  assert.equal(event?.detail, 'GET /api/quarantine')
})

test('reading the audit is audited', async () => {
  const before = node.audit.count()
  const answer = await node.get(
    `/api/audit?study=1.2.3&after=${before}`,
    node.as('security_auditor'),
  )
  const { events } = (await answer.json()) as { events: { detail: string; study: string }[] }
  assert.deepEqual(
    events.map(({ detail, study }) => ({ detail, study })),
    [{ detail: 'audit log', study: '1.2.3' }],
  )
  for (const query of ['limit=0', 'limit=1001', 'after=-1', 'study=../x', 'unknown=1', 'event=x']) {
    assert.equal((await node.get(`/api/audit?${query}`, node.as('mo_admin'))).status, 400, query)
  }
})

test('progress of a transfer is told as JSON, and as events until it is complete', async () => {
  const count = (done: number) => ({ done, total: 2 })
  const weight = (done: number) => ({ ...count(done), received: done })
  node.transfer.progress = { state: 'fetching', instances: count(0), bytes: weight(0) }
  const path = `/api/studies/${remoteStudy}/transfer`
  assert.deepEqual(
    await (await node.get(path, node.as('radiologist'))).json(),
    node.transfer.progress,
  )
  assert.equal(node.openReaders.size, 0)
  const own = await node.get(`/api/studies/${ownStudy}/transfer`, node.as('radiologist'))
  assert.deepEqual(await own.json(), {
    state: 'complete',
    instances: { done: 2, total: 2 },
    bytes: { done: 300, total: 300, received: 0 },
  })

  const answer = await node.get(path, { ...node.as('radiologist'), accept: 'text/event-stream' })
  assert.equal(answer.headers.get('content-type')?.split(';')[0], 'text/event-stream')
  assert.ok(answer.body)
  const events = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  const next = async () => JSON.parse((await events.read()).value?.replace(/^data: /, '') ?? 'null')
  assert.deepEqual(await next(), node.transfer.progress)
  assert.equal(node.openReaders.size, 1, 'the study stays open while the page listens')
  const half: Transfer = { ...node.transfer.progress, instances: count(1) }
  for (const listener of node.transfer.listeners) listener(half)
  assert.deepEqual(await next(), half)
  const whole: Transfer = { state: 'complete', instances: count(2), bytes: weight(2) }
  for (const listener of node.transfer.listeners) listener(whole)
  assert.deepEqual(await next(), whole)
  assert.equal((await events.read()).done, true)
  assert.equal(node.openReaders.size, 0)
  assert.equal(node.transfer.listeners.size, 0)
})

test('a page that goes away closes the study it followed', async () => {
  node.transfer.progress = {
    state: 'fetching',
    instances: { done: 0, total: 2 },
    bytes: { done: 0, total: 2, received: 0 },
  }
  const leave = new AbortController()
  const answer = await fetch(`${node.url}/api/studies/${remoteStudy}/transfer`, {
    headers: { ...node.as('radiologist'), accept: 'text/event-stream' },
    signal: leave.signal,
  })
  await answer.body?.getReader().read()
  assert.equal(node.openReaders.size, 1)
  leave.abort()
  for (let n = 0; n < 100 && node.openReaders.size > 0; n++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.equal(node.openReaders.size, 0)
  assert.equal(node.transfer.listeners.size, 0)
})

test('the description names every resource, with its schemas and roles', async () => {
  const answer = (await (await node.get('/api/openapi.json')).json()) as {
    openapi: string
    paths: Record<string, Record<string, Record<string, unknown>>>
  }
  assert.equal(answer.openapi, '3.1.0')
  assert.deepEqual(answer.paths['/api/quarantine']?.['get']?.['x-roles'], ['mo_admin'])
  const parameters = answer.paths['/api/audit']?.['get']?.['parameters'] as { name: string }[]
  assert.deepEqual(
    parameters.map(({ name }) => name),
    ['study', 'user', 'event', 'outcome', 'after', 'limit'],
  )
  assert.match(JSON.stringify(answer.paths['/api/grants']?.['post']), /"grantee"/)
})

test('the administrator makes an account, gives a new password, and ends it; each is audited', async () => {
  const admin = node.as('mo_admin')
  const before = node.audit.count()
  const login = 'novikova.okb'
  const given = { login, password: 'нулевая медведица 7', name: 'Новикова', roles: ['radiologist'] }
  const person = { ...given, position: 'врач-рентгенолог', department: 'КТ' }
  const made = await node.post('/api/accounts/users', person, admin)
  assert.equal(made.status, 200)
  const { account } = (await made.json()) as { account: string }
  assert.equal((await node.post('/api/accounts/users', person, admin)).status, 409)

  const signIn = async (password: string) => {
    const answer = await node.post('/api/session', { login, password })
    const { token = '' } = (await answer.json()) as { token?: string }
    const isIn = async () =>
      (await node.get('/api/session', { authorization: `Bearer ${token}` })).status === 200
    return { status: answer.status, token, isIn }
  }
  const first = await signIn(given.password)
  assert.equal(await first.isIn(), true)
  node.time.now += 1
  const own = { authorization: `Bearer ${first.token}` }
  const change = { current: given.password, password: 'первая медведица 77' }
  assert.equal((await node.post('/api/session/password', change, own)).status, 204)
  assert.equal(await first.isIn(), false)
  assert.equal((await signIn(given.password)).status, 401)
  const second = await signIn(change.password)
  assert.equal(await second.isIn(), true)
  node.time.now += 1
  const password = 'вторая медведица 777'
  const reset = await node.post(`/api/accounts/${account}/password`, { password }, admin)
  assert.equal(reset.status, 204)
  assert.equal(await second.isIn(), false)
  const third = await signIn(password)
  assert.equal((await node.post(`/api/accounts/${account}/disable`, undefined, admin)).status, 204)
  assert.equal(await third.isIn(), false)
  assert.equal((await signIn(password)).status, 401)
  const events = await node.audit.list({ after: before, filter: { event: 'configuration' } })
  assert.deepEqual(
    events.map(({ detail }) => detail?.replace(account, 'it')),
    [
      'created account it as radiologist',
      'new password for account it',
      'new password for account it',
      'disabled account it',
    ],
  )
  const text = await (await node.get('/api/accounts/users', admin)).text()
  assert.match(text, /novikova/)
  assert.doesNotMatch(text, /argon2|passwordHash/)
})
