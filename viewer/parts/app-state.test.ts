import { mock, test } from 'node:test'
import assert from 'node:assert/strict'
import { ApiError, request } from '../api/http.ts'
import type { Session } from '../api/session.ts'
import { createTranslation } from '../i18n/i18n.ts'
import { createAppState, errorText } from './app-state.ts'

const session = (login: string): Session => ({
  user: { id: login, login, name: login, roles: ['radiologist'], position: '' },
  organization: { oid: '1.1', name: 'ОКБ' },
  demo: true,
})

function setUp(stored: Record<string, string> = {}) {
  const items = new Map(Object.entries(stored))
  const storage = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  }
  const decoders = {
    decode: () => new Promise<never>(() => undefined),
    [Symbol.dispose]: () => undefined,
  }
  return { state: createAppState({ decoders, storage, idleMs: () => 0 }), items }
}

test('Russian comes first, another language is remembered', () => {
  const { state, items } = setUp()
  assert.equal(state.translation.value.t('signIn'), 'Войти')
  state.language.value = 'en'
  assert.equal(state.translation.value.t('signIn'), 'Sign in')
  assert.deepEqual([...items], [['cami-language', 'en']])
  assert.equal(setUp({ 'cami-language': 'en' }).state.language.value, 'en')
  assert.equal(setUp({ 'cami-language': 'xx' }).state.language.value, 'ru')
})

test('an ended session leads to the sign-in page and says why', () => {
  const { state } = setUp()
  state.signedIn(session('ivanova'))
  assert.equal(state.failed(new ApiError(403, 'forbidden')), false)
  assert.equal(state.failed(new Error('x')), false)
  assert.equal(state.failed(new ApiError(401, 'unauthenticated')), true)
  assert.equal(state.session.value, 'none')
  assert.equal(state.notice.value, 'sessionOver')
})

test('an answer to the old session takes away no codes that are shown once, and is heard of when they are kept', () => {
  const { state } = setUp()
  state.signedIn(session('ivanova'))
  state.isAccountOpen.value = true
  state.isAccountHeld.value = true
  assert.equal(state.failed(new ApiError(401, 'unauthenticated')), true)
  assert.equal(typeof state.session.value, 'object')
  assert.equal(state.isAccountOpen.value, true)
  state.isAccountHeld.value = false
  assert.equal(state.failed(new ApiError(401, 'unauthenticated')), true)
  assert.equal(state.session.value, 'none')
  assert.equal(state.isAccountOpen.value, false, 'whoever signs in next did not open it')
})

test('a late answer to the session of one person does not sign out the next', async () => {
  const { state, items } = setUp()
  const answer = Promise.withResolvers<Response>()
  mock.method(globalThis, 'fetch', () => answer.promise)
  state.signedIn(session('ivanova'))
  const asking = request('/api/desk')
  state.signedOut()
  state.signedIn(session('sidorov'))
  answer.resolve(new Response(null, { status: 401 }))
  const late: unknown = await asking.catch((error: unknown) => error)
  mock.restoreAll()
  assert.equal(state.failed(late), false)
  assert.equal(typeof state.session.value, 'object')
  assert.equal(items.get('cami-signed-in'), 'yes')
  assert.equal(state.failed(new ApiError(401, 'unauthenticated')), true, 'her own is heard')
})

test('the same reader finds her search again after signing in, another does not', () => {
  const { state } = setUp()
  state.signedIn(session('ivanova'))
  state.searchText.value = 'петров'
  state.failed(new ApiError(401, 'unauthenticated'))
  state.signedIn(session('ivanova'))
  assert.equal(state.searchText.value, 'петров')
  state.failed(new ApiError(401, 'unauthenticated'))
  state.signedIn(session('sidorov'))
  assert.equal(state.searchText.value, '')
})

test('signing out forgets what was looked for', () => {
  const { state } = setUp()
  state.signedIn(session('ivanova'))
  state.searchText.value = 'петров'
  state.lastStudy.value = '1.2.3'
  state.listAddress.value = '/?modality=CT'
  state.signedOut()
  assert.equal(state.session.value, 'none')
  assert.deepEqual(
    [state.searchText.value, state.lastStudy.value, state.listAddress.value],
    ['', '', '/'],
  )
})

test('a browser in which nobody signed in is not asked for its session', () => {
  const { state } = setUp()
  assert.equal(state.mayBeSignedIn(), false)
  state.signedIn(session('ivanova'))
  assert.equal(state.mayBeSignedIn(), true)
  state.failed(new ApiError(401, 'unauthenticated'))
  assert.equal(state.mayBeSignedIn(), false)
  state.signedIn(session('ivanova'))
  state.signedOut()
  assert.equal(state.mayBeSignedIn(), false)
})

test('errors are sentences that say what to do', () => {
  const ru = createTranslation('ru')
  assert.match(errorText(new ApiError(0, 'unreachable'), ru), /Проверьте сеть/)
  assert.match(errorText(new ApiError(403, 'something'), ru), /Нет доступа/)
  assert.match(errorText(new ApiError(500, 'odd'), ru), /сообщите администратору/)
  assert.match(errorText(new ApiError(418, 'teapot'), ru), /teapot/)
  assert.match(errorText(new Error('x'), ru), /Ошибка/)
})
