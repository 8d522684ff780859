import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createContext } from 'preact'
import { mountHook } from '../parts/hook.fixture.ts'
import { useStateOf } from './state-of.ts'

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !isSo(); turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(isSo(), 'it did not come about')
}

test('what belongs to one form is not shown at another, whenever it comes', async (t) => {
  const nothing = { context: createContext(undefined), value: undefined }
  const page = mountHook((form: string) => useStateOf(form, ''), 'enrollments/1', nothing)
  t.after(page.unmount)
  const [, setOfFirst] = page.latest()
  setOfFirst('secret')
  await until(() => page.latest()[0] === 'secret')
  page.rerender('enrollments/2')
  assert.equal(page.latest()[0], '')
  const before = page.latest()
  setOfFirst('late secret')
  await until(() => page.latest() !== before)
  assert.equal(page.latest()[0], '')
})
