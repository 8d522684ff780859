import { test } from 'node:test'
import assert from 'node:assert/strict'
import { codecs } from './codecs.fixture.ts'
import { answerOf, CodecError, loaded } from './decode-answer.ts'
import type { DecodeJob } from './decode.ts'

const job = (transferSyntax: string, bytes: Uint8Array<ArrayBuffer>): DecodeJob => ({
  bytes,
  transferSyntax,
  format: {
    rows: 1,
    columns: 2,
    samples: 1,
    bitsAllocated: 8,
    bitsStored: 8,
    signed: false,
    planar: false,
    photometric: 'MONOCHROME2',
  },
})

const plain = '1.2.840.10008.1.2.1'
const jpegLs = '1.2.840.10008.1.2.4.80'

test('a bad frame is answered with what is wrong with it', async () => {
  const good = await answerOf({ id: 1, job: job(plain, Uint8Array.of(3, 7)) }, codecs)
  assert.deepEqual(good, { id: 1, frame: { samples: Uint8Array.of(3, 7), min: 3, max: 7 } })
  const cut = await answerOf({ id: 2, job: job(plain, Uint8Array.of(3)) }, codecs)
  assert.deepEqual(cut, { id: 2, failure: 'frame is cut' })
  const spoilt = await answerOf({ id: 3, job: job(jpegLs, Uint8Array.of(1, 2, 3)) }, codecs)
  assert.ok('failure' in spoilt)
})

test('a codec that did not come is not the fault of the frame', async () => {
  const broken = { ...codecs, jpegLs: () => loaded(Promise.reject(new TypeError('network'))) }
  const asked = answerOf({ id: 1, job: job(jpegLs, Uint8Array.of(1)) }, broken)
  await assert.rejects(asked, CodecError)
})
