import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ApiError } from '../api/http.ts'
import { DecodeError } from '../imaging/decoder-pool.ts'
import { isPermanent } from './open-study.ts'

test('a refusal and a bad image stay so; a link and a busy server do not', () => {
  for (const status of [400, 401, 403, 404, 406]) {
    assert.equal(isPermanent(new ApiError(status, 'x')), true, String(status))
  }
  for (const status of [0, 408, 429, 500, 503, 504]) {
    assert.equal(isPermanent(new ApiError(status, 'x')), false, String(status))
  }
  assert.equal(isPermanent(new DecodeError('frame is cut')), true)
  assert.equal(isPermanent(new TypeError('network')), false)
  assert.equal(isPermanent(undefined), false)
})
