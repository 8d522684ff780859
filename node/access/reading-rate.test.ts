import { mkdtempDisposable } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { z } from 'zod'
import { OrganizationOid, StudyUid, ulid, UserId } from '#protocol/ids.ts'
import { readingLimits } from '#protocol/limits.ts'
import { openRecords } from '../store/records.ts'
import { openReadingRate } from './reading-rate.ts'

const organization = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9002')
const user = UserId.parse(`${organization}#${ulid(1, new Uint8Array(10))}`)
const reading = (number: number) => ({
  user,
  organization,
  study: StudyUid.parse(`1.2.3.${number}`),
})
const hour = 60 * 60 * 1000
const begin = 1_800_000_000_000

test('what was read before a restart counts after it', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-reading-'))
  const limit = readingLimits.studiesPerUserHour
  {
    await using records = await openRecords(folder.path)
    const rate = await openReadingRate(records, begin)
    for (let number = 0; number < limit; number++) await rate.count(reading(number), begin)
    assert.ok(rate.isExceeded(reading(limit), begin))
  }
  await using records = await openRecords(folder.path)
  const rate = await openReadingRate(records, begin)
  assert.ok(rate.isExceeded(reading(limit), begin + hour - 1))
  assert.ok(
    !rate.isExceeded(reading(0), begin + hour - 1),
    'what is open already is no other study',
  )
  assert.ok(!rate.isExceeded(reading(limit), begin + hour))
})

test('nothing is kept for longer than a day', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-reading-'))
  await using records = await openRecords(folder.path)
  const rate = await openReadingRate(records, begin)
  const kept = async () => {
    const keys: string[] = []
    for await (const { key } of records.list('reading', z.unknown())) keys.push(key)
    return keys
  }
  await rate.count(reading(1), begin)
  await rate.count(reading(2), begin + 24 * hour)
  assert.deepEqual(await kept(), [`${user}/1.2.3.2`, `${organization}/1.2.3.2`])
  await openReadingRate(records, begin + 48 * hour)
  assert.deepEqual(await kept(), [])
})

test('what was read while the time was ahead is no limit when it is mended', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-reading-'))
  await using records = await openRecords(folder.path)
  const rate = await openReadingRate(records, begin)
  const limit = readingLimits.studiesPerUserHour
  const ahead = begin + 400 * 24 * hour
  for (let number = 0; number < limit; number++) await rate.count(reading(number), ahead)
  assert.ok(rate.isExceeded(reading(limit), ahead - hour + 1), 'a small step back forgives nothing')
  assert.ok(!rate.isExceeded(reading(limit), begin))
  await rate.count(reading(0), begin)
  for (const one of [rate, await openReadingRate(records, begin)]) {
    assert.ok(!one.isExceeded(reading(limit), begin))
  }
  const kept: string[] = []
  for await (const { key } of records.list('reading', z.unknown())) kept.push(key)
  assert.deepEqual(kept, [`${user}/1.2.3.0`, `${organization}/1.2.3.0`])
})
