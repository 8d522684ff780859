import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSamples, flips, refusalOf } from './tokens.fixture.ts'

for (const sample of await createSamples()) {
  test(`${sample.typ}: no changed bit is accepted`, async () => {
    for (const token of flips(sample.token, 1)) {
      assert.match(await refusalOf(sample, token), /^(token_\w+|too_large|grant_mismatch)$/)
    }
  })

  test(`${sample.typ}: no shortened or lengthened token is accepted`, async () => {
    for (let at = 0; at < sample.token.length; at++) {
      const [before, after] = [sample.token.slice(0, at), sample.token.slice(at)]
      for (const token of [before, before + after.slice(1), `${before}A${after}`]) {
        assert.notEqual(await refusalOf(sample, token), 'accepted')
      }
    }
  })
}
