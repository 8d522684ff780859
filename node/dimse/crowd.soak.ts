import { test } from 'node:test'
import assert from 'node:assert/strict'
import { crowd } from './crowd.fixture.ts'

test('T14: five hundred idle and five hundred dripping sockets take little from an honest sender for half an hour', async (t) => {
  const figures = await crowd({ idle: 500, dripping: 500, seconds: 1800, sendingSeconds: 180 })
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.crowded >= 0.8 * figures.alone)
  assert.ok(figures.slowestCloseMs <= 30_000)
})
