import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accessFrom } from './reading.ts'

test('an open study closes only when the node says so, with the reason that it gives', () => {
  assert.equal(accessFrom({ open: true }), 'open')
  const holder = '1.2.643.5.1.13.13.12.2.42.9002'
  const closed = { because: 'grant_inactive', holder }
  assert.deepEqual(accessFrom({ open: false, ...closed }), closed)
  const limited = { because: 'organization_restricted', sentence: 'Вход закрыт.' }
  assert.deepEqual(accessFrom({ open: false, ...limited }), limited)
  for (const strange of [undefined, 'no', {}, { open: false }, { open: 0, because: 'x' }]) {
    assert.equal(accessFrom(strange), 'unknown')
  }
})
