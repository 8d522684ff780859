import { test } from 'node:test'
import assert from 'node:assert/strict'
import { watchActivity } from './activity.ts'

test('the time since the last touch begins anew with every touch', () => {
  const target = new EventTarget()
  let now = 1000
  const idleMs = watchActivity(target, () => now)
  now = 4000
  assert.equal(idleMs(), 3000)
  target.dispatchEvent(new Event('keydown'))
  assert.equal(idleMs(), 0)
  now = 4500
  target.dispatchEvent(new Event('focus'))
  assert.equal(idleMs(), 500)
})
