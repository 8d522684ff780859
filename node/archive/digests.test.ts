import { test } from 'node:test'
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'
import { noise } from './archive.fixture.ts'
import { createChunkHasher, cutChunks } from './chunk-hasher.ts'
import { createDigests } from './digests.ts'
import { createLanes } from './sha256-lanes.ts'

const { chunkBytes } = storageLimits
const expected = (bytes: Uint8Array): Buffer =>
  Buffer.concat(cutChunks(bytes).map((chunk) => hash('sha256', chunk, 'buffer')))
const own = (bytes: number, seed: number): Buffer => {
  const memory = Buffer.allocUnsafeSlow(bytes)
  noise(bytes, seed).copy(memory)
  return memory
}

test('bytes come back as they were with the digest of each chunk, however many wait', async () => {
  await using digests = createDigests()
  const lengths = [0, 10, 65_536, chunkBytes, chunkBytes + 1, 2 * chunkBytes + 300, 4 * chunkBytes]
  const all = [...lengths, ...lengths, ...lengths].map((length, seed) => own(length, seed))
  const copies = all.map((bytes) => Buffer.from(bytes))
  const answers = await Promise.all(all.map((bytes) => digests.of(bytes)))
  for (const [index, { bytes, digests }] of answers.entries()) {
    assert.deepEqual(bytes, copies[index])
    assert.deepEqual(Buffer.from(digests), expected(bytes))
  }
})

test('when the thread has ended the digests are made here', async () => {
  const digests = createDigests()
  await digests.of(own(chunkBytes, 1))
  const lost = digests.of(own(chunkBytes, 2))
  await Promise.all([assert.rejects(lost, { code: 'aborted' }), digests[Symbol.asyncDispose]()])
  const bytes = own(chunkBytes + 5, 3)
  assert.deepEqual((await digests.of(bytes)).digests, expected(bytes))
})

test('both ways of hashing are tried, the faster is kept, and all digests are right', () => {
  const lanes = createLanes(chunkBytes)
  let beside = 0
  const hashChunks = createChunkHasher((messages) => {
    beside++
    return lanes(messages)
  })
  const groups = [1, 2, 3, 4, 5, 7, 8].map((count) => own(count * chunkBytes + 100, count))
  for (let round = 0; round < 8; round++) {
    for (const bytes of groups) {
      assert.deepEqual(Buffer.concat(hashChunks(cutChunks(bytes))), expected(bytes))
    }
  }
  assert.ok(beside > 0)
})
