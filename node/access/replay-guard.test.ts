import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Assertion } from '#protocol/assertion.ts'
import { OrganizationOid, ulid, urnOf } from '#protocol/ids.ts'
import { streamLimits } from '#protocol/limits.ts'
import { createReplayGuard } from './replay-guard.ts'

const begin = 1_800_000_000_000
const year = 365 * 24 * 3_600_000
const claimsOf = (
  at: number,
  number = 0,
  organization = 1,
): Pick<Assertion, 'iss' | 'jti' | 'iat'> => ({
  iss: urnOf(OrganizationOid.parse(`1.2.643.5.1.13.13.12.2.42.900${organization}`)),
  jti: ulid(number, new Uint8Array(10)),
  iat: Math.floor(at / 1000),
})

test('after a start while the time was ahead, what is made when it is mended works, once', () => {
  let now = begin + year
  const guard = createReplayGuard({ now: () => now })
  for (let number = 0; number < 3; number++) assert.ok(guard.isFirst(claimsOf(now, number)))
  now = begin
  assert.ok(!guard.isFirst(claimsOf(begin - 1000, 4)), 'made before the time was mended')
  assert.ok(guard.isFirst(claimsOf(begin, 5)))
  assert.ok(!guard.isFirst(claimsOf(begin, 5)))
})

test('an organization that fills its memory closes it to itself alone', () => {
  let now = begin
  const guard = createReplayGuard({ now: () => now })
  for (let number = 0; number < streamLimits.replayEntriesMax; number++) {
    guard.isFirst(claimsOf(now, number))
  }
  assert.ok(!guard.isFirst(claimsOf(now, streamLimits.replayEntriesMax)))
  assert.ok(guard.isFirst(claimsOf(now, 0, 2)))
  now += streamLimits.replayWindowMs
  assert.ok(guard.isFirst(claimsOf(now, streamLimits.replayEntriesMax)))
})
