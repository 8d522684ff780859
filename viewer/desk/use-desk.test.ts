import { test } from 'node:test'
import assert from 'node:assert/strict'
import { AppContext } from '../parts/app-context.ts'
import { createAppState } from '../parts/app-state.ts'
import { mountHook } from '../parts/hook.fixture.ts'
import { useLoad } from './use-desk.ts'

const state = () =>
  createAppState({
    decoders: { decode: () => new Promise<never>(() => undefined), [Symbol.dispose]() {} },
    storage: { getItem: () => null, setItem: () => undefined, removeItem: () => undefined },
    idleMs: () => 0,
  })

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !isSo(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(isSo(), 'it did not come about')
}

test('a page asks again as often as it is told to, also by who kept the way to ask from before', async (t) => {
  let asked = 0
  const ask = () => Promise.resolve(++asked)
  const page = mountHook(() => useLoad(ask), undefined, { context: AppContext, value: state() })
  t.after(page.unmount)
  await until(() => page.latest().data === 1)
  const { reload } = page.latest()
  reload()
  await until(() => page.latest().data === 2)
  reload()
  await until(() => page.latest().data === 3)
})
