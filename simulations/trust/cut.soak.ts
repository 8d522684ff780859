import assert from 'node:assert/strict'
import { test } from 'node:test'
import { part, seed } from '#protocol/volume.fixture.ts'
import { cutRepeatedly } from './cut.fixture.ts'

test('T13: five hundred grants that end while their study is streaming', async (t) => {
  const figures = await cutRepeatedly(part(500), seed)
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.deepEqual(figures.wrong, [])
  assert.ok(figures.instancesAfterMax <= 1)
  // The machine is quiet: what is promised is a second.
  assert.ok(figures.msMax <= 1000, `${figures.msMax} ms`)
})
