import { test } from 'node:test'
import assert from 'node:assert/strict'
import { turmoil } from './turmoil.fixture.ts'

for (const seed of [1, 2, 3]) {
  test(`amid cuts, lies, revocations and restarts only true bytes are read (seed ${seed})`, async () => {
    const { reads, failed } = await turmoil(seed, 60)
    assert.ok(reads > 0, `${failed} failed`)
  })
}
