import { test } from 'node:test'
import assert from 'node:assert/strict'
import { verifyEpoch } from '#protocol/epoch.ts'
import { clientOf, signIn } from './http/client.fixture.ts'
import { createRegion, join } from './region.fixture.ts'

const weekMs = 7 * 24 * 3600 * 1000

test('an epoch made while the clock was ahead is followed, when it is set right, by one that holders can take', async () => {
  await using region = await createRegion()
  await using registry = await region.start()
  await using holder = await join(region, region.holder, registry)
  region.clock.advance(weekMs)
  await holder.request('grant.submit', { request: await region.sign.grantRequest() })
  region.clock.advance(-weekMs)
  const { epoch } = await holder.request('epoch.get', {})
  const { claims } = await verifyEpoch(epoch, {
    trust: region.claims.trustList(),
    audience: region.holder.urn,
    now: region.clock.now(),
  })
  assert.equal(claims.grants.length, 1)
})

test('who activated an account while the clock was ahead can sign in and work when it is set right', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  region.clock.advance(weekMs)
  const chief = await signIn(registry.url, 'zuev')
  const { login, secret } = await chief.post<{ login: string; secret: string }>('/api/accounts', {
    name: 'Петров Пётр Сергеевич',
    position: 'инженер',
    email: 'p@crb.kuzdrav.ru',
    phone: '83844721540',
    roles: ['mo_admin'],
    organization: region.holder.oid,
  })
  const password = 'длинный пароль администратора'
  await clientOf(registry.url).post('/api/activation', { secret, password })
  region.clock.advance(-weekMs)
  const admin = await signIn(registry.url, login, password)
  assert.equal((await admin.send('GET', '/api/session')).status, 200)
  // What began in that time would otherwise last a week longer.
  assert.equal((await chief.send('GET', '/api/session')).status, 401)
})
