import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { generateSync } from 'otplib'
import { httpLimits } from '#protocol/limits.ts'
import { createRegion, officers } from '../region.fixture.ts'
import { clientOf, signIn } from './client.fixture.ts'

const totpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

describe('sessions at the registry', () => {
  test('five wrong passwords close a login for fifteen minutes, and the audit says so', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const open = clientOf(registry.url)
    const wrong = { login: 'ivanova', password: 'не тот пароль' }
    const statuses: number[] = []
    for (let at = 0; at < 6; at++) statuses.push((await open.refused('/api/session', wrong)).status)
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429])
    const right = { login: 'ivanova', password: officers[0]?.password }
    assert.equal((await open.refused('/api/session', right)).status, 429)
    region.clock.advance(15 * 60_000)
    await signIn(registry.url, 'ivanova')
    const chief = await signIn(registry.url, 'zuev')
    const { records } = await chief.get<{ records: { action: string; outcome: string }[] }>(
      '/api/audit',
    )
    assert.equal(
      records.filter(({ action, outcome }) => action === 'login' && outcome === 'denied').length,
      7,
    )
  })

  test('where the policy asks for it, a second factor is needed, and one code works once', async () => {
    await using region = await createRegion({ office: true, secondFactor: 'required' })
    const people = officers.map((officer) => ({ ...officer, totpSecret }))
    await writeFile(region.config.accountsFile ?? '', JSON.stringify(people), { mode: 0o600 })
    await using registry = await region.start()
    const open = clientOf(registry.url)
    const { login, password } = officers[0] ?? { login: '', password: '' }
    const without = await open.refused('/api/session', { login, password })
    assert.deepEqual([without.status, without.code], [401, 'second_factor_required'])
    const epoch = Math.floor(region.clock.now() / 1000)
    const code = generateSync({ secret: totpSecret, epoch })
    const { amr } = await open.post<{ amr: string[] }>('/api/session', { login, password, code })
    assert.deepEqual(amr, ['pwd', 'otp'])
    assert.equal((await open.refused('/api/session', { login, password, code })).status, 401)
    const old = generateSync({ secret: totpSecret, epoch: epoch - 300 })
    assert.equal((await open.refused('/api/session', { login, password, code: old })).status, 401)
  })

  test('the cookie is not enough from another site’s page, and ends with the session', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const { login, password } = officers[0] ?? { login: '', password: '' }
    const answer = await fetch(`${registry.url}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login, password }),
    })
    const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';')
    assert.match(answer.headers.get('set-cookie') ?? '', /HttpOnly; SameSite=Lax; Secure/)
    const send = (method: string, headers: Record<string, string>) =>
      fetch(`${registry.url}/api/session`, { method, headers: { cookie, ...headers } })
    assert.equal((await send('GET', {})).status, 200)
    assert.equal((await send('GET', { 'sec-fetch-site': 'cross-site' })).status, 403)
    assert.equal((await send('DELETE', { 'sec-fetch-site': 'same-origin' })).status, 403)
    const own = { 'sec-fetch-site': 'same-origin', 'x-cami': '1' }
    assert.equal((await send('DELETE', own)).status, 204)
    assert.equal((await send('GET', {})).status, 401)
    const again = await signIn(registry.url, login)
    region.clock.advance(15 * 60_000)
    assert.equal((await again.send('GET', '/api/session')).status, 401)
  })

  test('one person has so many sessions, and the longest unused makes room for the next', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const other = await signIn(registry.url, 'orlov')
    const clients = []
    for (let at = 0; at < httpLimits.sessionsPerAccount; at++) {
      clients.push(await signIn(registry.url, 'ivanova'))
      region.clock.advance(1000)
    }
    const [first, second] = clients
    const isIn = async (client: typeof other | undefined) =>
      (await client?.send('GET', '/api/session'))?.status === 200
    assert.ok(await isIn(first))
    const next = await signIn(registry.url, 'ivanova')
    assert.deepEqual(await Promise.all([second, first, next, other].map(isIn)), [
      false,
      true,
      true,
      true,
    ])
  })

  test('a dismissed operator is out at once, also of sessions that are open', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const chief = await signIn(registry.url, 'zuev')
    const { accounts } = await chief.get<{ accounts: { id: string; login: string }[] }>(
      '/api/accounts',
    )
    const id = accounts.find(({ login }) => login === 'ivanova')?.id
    await chief.post(`/api/accounts/${id}/state`, { enabled: false })
    assert.equal((await operator.send('GET', '/api/session')).status, 401)
  })
})

test('every route lets in the roles that it names and nobody else', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  const open = clientOf(registry.url)
  type Operation = { 'x-roles'?: string[]; security?: unknown[] }
  const { paths } = await open.get<{ paths: Record<string, Record<string, Operation>> }>(
    '/api/openapi.json',
  )
  const people = { cami_operator: 'ivanova', cami_admin: 'zuev', ministry_observer: 'observer' }
  const chief = await signIn(registry.url, 'zuev')
  const whole = {
    name: 'Петров Пётр Сергеевич',
    position: 'инженер',
    email: 'p@crb.kuzdrav.ru',
    phone: '83844721540',
  }
  const { login, secret } = await chief.post<{ login: string; secret: string }>('/api/accounts', {
    ...whole,
    roles: ['mo_admin'],
    organization: region.holder.oid,
  })
  const password = 'длинный пароль администратора'
  await open.post('/api/activation', { secret, password })
  const clients = new Map([['mo_admin', await signIn(registry.url, login, password)]])
  for (const [role, name] of Object.entries(people))
    clients.set(role, await signIn(registry.url, name))
  let routes = 0
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { security, 'x-roles': roles }] of Object.entries(operations)) {
      if (security === undefined) continue
      const place = path.replaceAll(/\{\w+\}/g, '01ARZ3NDEKTSV4RRFFQ69G5FAV')
      const ask = (client: typeof open) => client.send(method.toUpperCase(), place)
      assert.equal((await ask(open)).status, 401, `${method} ${path} without a session`)
      if (roles === undefined) continue
      routes++
      for (const [role, client] of clients) {
        const isRefused = (await ask(client)).status === 403
        assert.equal(isRefused, !roles.includes(role), `${method} ${path} as ${role}`)
      }
    }
  }
  assert.ok(routes > 40)
})

test('an organization’s people see and move their own forms only', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  const operator = await signIn(registry.url, 'ivanova')
  const chief = await signIn(registry.url, 'zuev')
  const { id } = await operator.post<{ id: string }>('/api/device-notices', {
    content: { organization: region.grantee.oid },
  })
  const person = {
    name: 'Петров Пётр Сергеевич',
    position: 'инженер',
    email: 'p@crb.kuzdrav.ru',
    phone: '83844721540',
  }
  const { login, secret } = await chief.post<{ login: string; secret: string }>('/api/accounts', {
    ...person,
    roles: ['mo_admin'],
    organization: region.holder.oid,
  })
  const twice = { ...person, roles: ['mo_admin'], organization: region.holder.oid }
  assert.equal((await chief.refused('/api/accounts', twice)).status, 409)
  const mixed = {
    ...person,
    email: 'q@crb.kuzdrav.ru',
    roles: ['mo_admin', 'cami_operator'],
    organization: region.holder.oid,
  }
  assert.equal((await chief.refused('/api/accounts', mixed)).status, 400)
  const password = 'длинный пароль администратора'
  await clientOf(registry.url).post('/api/activation', { secret, password })
  const admin = await signIn(registry.url, login, password)
  assert.equal((await admin.refused(`/api/device-notices/${id}`, undefined, 'GET')).status, 404)
  assert.equal(
    (await admin.refused(`/api/device-notices/${id}/actions`, { type: 'submit' })).status,
    404,
  )
  assert.equal(
    (await admin.refused(`/api/organizations/${region.grantee.oid}`, undefined, 'GET')).status,
    404,
  )
  const own = await admin.post<{ organization: string }>('/api/device-notices', {
    content: { organization: region.grantee.oid },
  })
  assert.equal(own.organization, region.holder.oid)
})
