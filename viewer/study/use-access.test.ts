import { test } from 'node:test'
import assert from 'node:assert/strict'
import { AppContext } from '../parts/app-context.ts'
import { createAppState } from '../parts/app-state.ts'
import { mountHook } from '../parts/hook.fixture.ts'
import { useAccess } from './use-access.ts'

test('a study is not called closed for the one that was on the screen before it', async (t) => {
  const answered = Promise.withResolvers<void>()
  const asked: string[] = []
  t.mock.method(globalThis, 'fetch', (path: string) => {
    asked.push(path)
    if (path.includes('/1.2/')) return Response.json({ open: false, because: 'grant_expired' })
    answered.resolve()
    // The link is down: nothing is known of this one.
    return Promise.reject(new TypeError('no network'))
  })
  const value = createAppState({
    decoders: { decode: () => new Promise<never>(() => undefined), [Symbol.dispose]() {} },
    storage: { getItem: () => null, setItem: () => undefined, removeItem: () => undefined },
    idleMs: () => 0,
  })
  const page = mountHook(useAccess, '1.2', { context: AppContext, value })
  t.after(page.unmount)
  for (let turn = 0; turn < 200 && page.latest() === undefined; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal(page.latest()?.closed.because, 'grant_expired')
  page.rerender('1.3')
  assert.equal(page.latest(), undefined)
  await answered.promise
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(page.latest(), undefined)
})
