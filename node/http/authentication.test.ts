import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import Koa from 'koa'
import { createAuthentication, type State } from './authentication.ts'
import { openTestNode, organization, password, type TestNode } from './http.fixture.ts'

let node: TestNode
before(async () => {
  node = await openTestNode()
})
after(() => node[Symbol.asyncDispose]())

test('the browser gets an HttpOnly cookie that works like the token', async () => {
  const answer = await node.post('/api/session', { login: 'radiologist.okb', password })
  const [cookie = ''] = answer.headers.getSetCookie()
  const { token, expiresAt } = (await answer.json()) as { token: string; expiresAt: number }
  assert.equal(cookie, `cami-okb=${token}; Path=/; HttpOnly; SameSite=Lax`)
  assert.equal(expiresAt, node.time.now + 12 * 3_600_000)
  const session = await node.get('/api/session', { cookie: cookie.split(';')[0] ?? '' })
  const { user, ...rest } = (await session.json()) as { user: Record<string, unknown> }
  const secondFactor = { state: 'off', isNeeded: false, recoveryCodes: 0 }
  assert.deepEqual(rest, { organization, demo: true, secondFactor, expiresAt })
  assert.deepEqual(user, {
    id: node.accounts.userId(node.accounts.find('radiologist.okb') ?? { id: '' }),
    login: 'radiologist.okb',
    name: 'radiologist',
    roles: ['radiologist'],
    position: '',
    department: '',
  })
})

test('a sign-in ends the session that the browser had: no secret from before is valid after', async () => {
  const old = await node.cookie()
  const answer = await node.post(
    '/api/session',
    { login: 'mo_admin.okb', password },
    { cookie: old, 'x-cami': '1', 'sec-fetch-site': 'same-origin' },
  )
  assert.equal(answer.status, 200)
  assert.notEqual(answer.headers.getSetCookie()[0]?.split(';')[0], old)
  assert.equal((await node.get('/api/session', { cookie: old })).status, 401)
  const planted = 'cami-okb=chosen-by-somebody-else'
  const signed = await node.raw({
    method: 'POST',
    path: '/api/session',
    headers: {
      'content-type': 'application/json',
      cookie: planted,
      'x-cami': '1',
      'sec-fetch-site': 'same-origin',
    },
    body: JSON.stringify({ login: 'radiologist.okb', password }),
  })
  assert.equal(signed.status, 200)
  assert.equal((await node.get('/api/session', { cookie: planted })).status, 401)
})

test('signing out ends the session on the server too', async () => {
  const cookie = await node.cookie()
  const headers = { cookie, 'x-cami': '1', 'sec-fetch-site': 'same-origin' }
  const answer = await fetch(`${node.url}/api/session`, { method: 'DELETE', headers })
  assert.equal(answer.status, 204)
  assert.match(answer.headers.getSetCookie()[0] ?? '', /^cami-okb=; .*Max-Age=0/)
  assert.equal((await node.get('/api/session', { cookie })).status, 401)
})

test('with a cookie, what changes something must come from our own page', async () => {
  const cookie = await node.cookie('mo_admin.okb')
  const own = node.url
  const cases: [Record<string, string>, number][] = [
    [{ 'x-cami': '1', 'sec-fetch-site': 'same-origin' }, 404],
    [{ 'x-cami': '1', origin: own }, 404],
    [{ 'x-cami': '1' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 403],
    [{ 'x-cami': '1', 'sec-fetch-site': 'same-site' }, 403],
    [{ 'x-cami': '1', 'sec-fetch-site': 'cross-site', origin: own }, 403],
    [{ 'x-cami': '1', 'sec-fetch-site': 'none' }, 403],
    [{ 'x-cami': '1', origin: 'https://evil.example' }, 403],
    [{ 'x-cami': '1', origin: 'null' }, 403],
    [{ origin: own }, 403],
  ]
  for (const [headers, expected] of cases) {
    const { status } = await node.raw({
      method: 'DELETE',
      path: '/api/grants/01J0000000000000000000000B',
      headers: { cookie, ...headers },
    })
    assert.equal(status, expected, JSON.stringify(headers))
  }
  const read = (headers: Record<string, string>) =>
    node.raw({ path: '/dicom-web/studies', headers: { cookie, ...headers } })
  assert.equal((await read({ 'sec-fetch-site': 'none' })).status, 200)
  assert.equal((await read({ 'sec-fetch-site': 'same-origin' })).status, 200)
  assert.equal((await read({ 'sec-fetch-site': 'cross-site' })).status, 403)
  const login = await node.raw({
    method: 'POST',
    path: '/api/session',
    headers: { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' },
    body: JSON.stringify({ login: 'mo_admin.okb', password }),
  })
  assert.equal(login.status, 403, "another site's page cannot sign its victim in")
})

test('an unknown Host header is not answered', async () => {
  const ask = (host: string) => node.raw({ path: '/health', headers: { host } })
  assert.equal((await ask(`127.0.0.1:${node.port}`)).status, 200)
  assert.equal((await ask(`localhost:${node.port}`)).status, 200)
  for (const host of ['evil.example', `evil.example:${node.port}`, '127.0.0.1', `127.0.0.1:1`]) {
    assert.equal((await ask(host)).status, 400, host)
  }
})

test('wrong passwords lock, and the answer says for how long', async () => {
  const guess = () => node.post('/api/session', { login: 'somebody', password: 'guess' })
  for (let n = 0; n < 5; n++) assert.equal((await guess()).status, 401)
  const locked = await guess()
  assert.equal(locked.status, 429)
  assert.equal(locked.headers.get('retry-after'), '900')
})

test('a session ends by itself, and what the page polls does not prolong it', async () => {
  const cookie = await node.cookie()
  const start = node.time.now
  for (let n = 0; n < 14; n++) {
    node.time.now += 60_000
    assert.equal((await node.get('/api/region', { cookie })).status, 200)
  }
  node.time.now += 60_000
  assert.equal((await node.get('/api/region', { cookie })).status, 401)
  node.time.now = start
})

test('behind a proxy that speaks HTTPS: its host name, a secure cookie, strict transport', async () => {
  await using node = await openTestNode({
    cookieName: '__Host-cami',
    secureCookie: true,
    allowedHosts: ['cami.okb.example'],
  })
  const ask = (host: string) =>
    node.raw({
      method: 'POST',
      path: '/api/session',
      headers: { host, 'content-type': 'application/json' },
      body: JSON.stringify({ login: 'radiologist.okb', password }),
    })
  const { status, headers, text } = await ask('CAMI.okb.example')
  assert.equal(status, 200)
  const { token } = JSON.parse(text) as { token: string }
  assert.deepEqual(headers['set-cookie'], [
    `__Host-cami=${token}; Path=/; HttpOnly; SameSite=Lax; Secure`,
  ])
  assert.equal(headers['strict-transport-security'], 'max-age=31536000')
  assert.equal((await ask('cami.okb.example.evil.example')).status, 400)
})

test('a bearer token that is malformed or unknown is no session; scheme names are in any case', async () => {
  const { authorization } = node.as('radiologist')
  const ask = async (value: string) =>
    (await node.get('/api/session', { authorization: value })).status
  assert.equal(await ask(authorization), 200)
  assert.equal(await ask(authorization.replace('Bearer', 'bearer')), 200)
  for (const wrong of [
    'Bearer',
    'Bearer x',
    `${authorization}x`,
    'Basic YTpi',
    `${authorization}, x`,
  ]) {
    assert.equal(await ask(wrong), 401, wrong)
  }
})

test('an answer under way is cut when the session is over, and not before', async () => {
  const [, token = ''] = (await node.cookie()).split('=')
  const app = new Koa<State>()
  app.silent = true
  const isPassive = () => false
  const cookie = { cookieName: 'cami-okb', secureCookie: false }
  app.use(createAuthentication({ sessions: node.sessions, cookie, isPassive, checkMs: 5 }))
  app.use((ctx) => {
    ctx.body = Readable.from(endlessly())
  })
  const handle = app.callback()
  await using server = createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`http://127.0.0.1:${port}/`, { headers })
  const reader = answer.body?.getReader()
  for (let pieces = 0; pieces < 50; pieces++) assert.equal((await reader?.read())?.done, false)
  await node.sessions.signOut(token)
  await assert.rejects(async () => {
    for (;;) await reader?.read()
  })
})

async function* endlessly() {
  for (;;) {
    yield 'more'
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
