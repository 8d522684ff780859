import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SopUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import {
  dataSet,
  declare,
  fetch,
  noise,
  openTestArchive,
  send,
  studyProof,
  temporaryFolder,
} from './archive.fixture.ts'
import { giveBack } from './loans.ts'
import { createRecentWindows } from './recent-windows.ts'

const { recentBytes, recentInstanceBytes, windowBytes } = storageLimits

test('what was read last is kept, up to a limit, and the longest unread goes first', () => {
  const recent = createRecentWindows()
  const count = recentBytes / windowBytes
  const bytes = Buffer.allocUnsafeSlow(windowBytes)
  for (let n = 0; n < count; n++) assert.ok(recent.keep(`a${n}`, 0, bytes, windowBytes))
  assert.equal(recent.get('a0', 0), bytes)
  assert.ok(recent.keep('b', 0, bytes, windowBytes))
  assert.equal(recent.get('a1', 0), undefined)
  assert.equal(recent.get('a0', 0), bytes)
  assert.equal(recent.get('a0', 4), undefined, 'another part of it')
  assert.equal(recent.keep('c', 0, bytes, recentInstanceBytes + 1), false)
})

test('the same window kept twice counts once', () => {
  const recent = createRecentWindows()
  const count = recentBytes / windowBytes
  const bytes = Buffer.allocUnsafeSlow(windowBytes)
  for (let n = 0; n < 3 * count; n++) recent.keep('a', 0, bytes, windowBytes)
  for (let n = 1; n < count; n++) recent.keep(`b${n}`, 0, bytes, windowBytes)
  assert.equal(recent.get('a', 0), bytes)
})

test('what is read twice is the same, whole and in part, and nobody can end its use for others', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const pixels = noise(3_000_000, 1)
  const bytes = dataSet({ study: '1.2', series: '1.2.1', sop: '1.2.1.1', pixels })
  await send(archive, bytes, declare('1.2.1.1'))
  for (let time = 0; time < 3; time++) {
    assert.ok((await fetch(archive, '1.2', '1.2.1.1')).equals(bytes))
    await using reader = await archive.open(studyProof('1.2'))
    for (const [offset, length] of [
      [0, 10],
      [700_000, 900_000],
      [2_999_000, bytes.byteLength - 2_999_000],
    ] as const) {
      const parts: Uint8Array[] = []
      for await (const part of reader.read('1.2.1.1' as SopUid, { offset, length })) {
        parts.push(Buffer.from(part))
        giveBack(part)
      }
      assert.ok(Buffer.concat(parts).equals(bytes.subarray(offset, offset + length)))
    }
  }
})
