import { test } from 'node:test'
import assert from 'node:assert/strict'
import { totpStep } from './totp.ts'

/** RFC 6238, appendix B: SHA-1, the ASCII secret 12345678901234567890, the last six of its eight digits. */
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const at = (seconds: number, used = 0) => ({ now: seconds * 1000, used })

test('codes are those of RFC 6238', () => {
  assert.equal(totpStep(secret, '287082', at(59)), 1)
  assert.equal(totpStep(secret, '081804', at(1_111_111_109)), 37_037_036)
  assert.equal(totpStep(secret, '050471', at(1_111_111_111)), 37_037_037)
  assert.equal(totpStep(secret, '005924', at(1_234_567_890)), 41_152_263)
})

test('a code may be typed in two groups, as applications show it', () => {
  assert.equal(totpStep(secret, '287 082', at(59)), 1)
})

test('a code counts one step to either side, and no further', () => {
  const step = 37_037_036
  const [begin, code] = [step * 30, '081804']
  assert.equal(totpStep(secret, code, at(begin - 30)), step)
  assert.equal(totpStep(secret, code, at(begin + 59)), step)
  assert.equal(totpStep(secret, code, at(begin - 31)), undefined)
  assert.equal(totpStep(secret, code, at(begin + 60)), undefined)
})

test('a step that was used is worth nothing, nor is what is no code', () => {
  assert.equal(totpStep(secret, '287082', at(59, 1)), undefined)
  for (const text of ['', '28708', '2870822', '28708a', '٢٨٧٠٨٢']) {
    assert.equal(totpStep(secret, text, at(59)), undefined)
  }
})
