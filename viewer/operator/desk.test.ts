import { mock, test } from 'node:test'
import assert from 'node:assert/strict'
import { get, type Session } from './api.ts'
import { createDesk } from './desk.ts'

const session = (login: string): Session => ({
  account: login,
  login,
  name: { last: login, first: login },
  roles: ['cami_operator'],
  secondFactor: 'optional',
  reviewDays: 90,
})

test('a late answer to the session of one person does not sign out the next', async () => {
  const desk = createDesk({ getItem: () => null, setItem: () => undefined }, () => 0)
  const answers = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()]
  let asked = 0
  mock.method(globalThis, 'fetch', () => answers[asked++]?.promise)
  const failureOf = (asking: Promise<unknown>) => asking.catch((error: unknown) => error)
  const refused = () => new Response(null, { status: 401 })

  desk.session.value = session('ivanova')
  const before = failureOf(get('/api/notices'))
  desk.session.value = 'none'
  desk.session.value = session('sidorov')
  const own = failureOf(get('/api/notices'))
  answers[0]?.resolve(refused())
  desk.failed(await before)
  assert.equal(typeof desk.session.value, 'object')
  assert.equal(desk.isOver.value, false)
  answers[1]?.resolve(refused())
  desk.failed(await own)
  mock.restoreAll()
  assert.equal(desk.session.value, 'none')
  assert.equal(desk.isOver.value, true)
})
