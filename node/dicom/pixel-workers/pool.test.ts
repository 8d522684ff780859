import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pixelLimits } from '#protocol/limits.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import { corpusFile, noCorpus } from '../data-set.fixture.ts'
import { readPart10File } from '../part10.ts'
import type { PixelJob } from './jobs.ts'
import { createPixelPool } from './pool.ts'

const grey: PixelFormat = {
  rows: 8,
  columns: 8,
  samples: 1,
  bitsAllocated: 16,
  bitsStored: 16,
  signed: false,
  planar: false,
  photometric: 'MONOCHROME2',
}

const native = (bytes = new Uint8Array(128), format: PixelFormat = grey): PixelJob => ({
  kind: 'native',
  frame: { bytes, transferSyntax: '1.2.840.10008.1.2.1', format },
})

test('more frames than threads are decoded one after the other', async () => {
  await using pool = createPixelPool({ threads: 2 })
  const frames = Array.from({ length: 7 }, (_, at) => new Uint8Array(128).fill(at))
  const results = await Promise.all(frames.map((bytes) => pool.run(native(bytes.slice()))))
  assert.deepEqual(
    results.map(({ bytes }) => bytes),
    frames,
  )
})

test('a frame that cannot be decoded fails alone', async () => {
  await using pool = createPixelPool({ threads: 1 })
  const bad = (transferSyntax: string): PixelJob => ({
    kind: 'native',
    frame: { bytes: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), transferSyntax, format: grey },
  })
  const family = '1.2.840.10008.1.2'
  for (const end of ['.2', '.5', '.4.50', '.4.70', '.4.201', '.9']) {
    await assert.rejects(pool.run(bad(`${family}${end}`)), { code: 'instance_malformed' }, end)
  }
  assert.equal((await pool.run(native())).bytes.length, 128)
})

test(
  'a codestream that states another size than its image takes no memory',
  { skip: noCorpus },
  async () => {
    await using pool = createPixelPool({ threads: 1 })
    const { dataSet } = readPart10File(
      corpusFile('transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_j2k_lossless_90.dcm'),
    )
    const start = Buffer.from(dataSet).indexOf('ff4fff51', 'hex')
    const bytes = Uint8Array.from(dataSet.subarray(start))
    const lying = bytes.slice()
    new DataView(lying.buffer).setUint32(8, 60_000)
    const format = { ...grey, rows: 512, columns: 512 }
    const job = (frame: Uint8Array<ArrayBuffer>): PixelJob => ({
      kind: 'native',
      frame: { bytes: frame, transferSyntax: '1.2.840.10008.1.2.4.90', format },
    })
    await assert.rejects(pool.run(job(lying)), { code: 'instance_malformed' })
    assert.equal((await pool.run(job(bytes.slice()))).bytes.length, 512 * 512 * 2)
  },
)

test('a codec that wants more memory than it may have fails', async () => {
  await using pool = createPixelPool({ threads: 1, memoryBytes: 64 * 1024 * 1024 })
  const format = { ...grey, rows: 6000, columns: 6000 }
  const frame = { ...native(new Uint8Array(6000 * 6000 * 2), format).frame }
  await assert.rejects(pool.run({ kind: 'htj2k', frame }), { code: 'instance_malformed' })
  const small = await pool.run({ kind: 'htj2k', frame: native().frame })
  assert.ok(small.bytes.length > 0)
})

test('a frame above the limit is refused, one that takes too long is given up', async () => {
  await using pool = createPixelPool({ threads: 1, deadlineMs: 1 })
  const huge = { ...grey, rows: 60_000, columns: 60_000 }
  await assert.rejects(pool.run(native(new Uint8Array(8), huge)), { code: 'too_large' })
  await assert.rejects(pool.run(native()), { code: 'timeout' })
})

test('who goes away is not waited for, and a queue that is full says so', async () => {
  await using pool = createPixelPool({ threads: 1 })
  const gone = new AbortController()
  const left = pool.run(native(), gone.signal)
  const others = Array.from({ length: pixelLimits.waitingMax }, () => pool.run(native()))
  await assert.rejects(pool.run(native()), { code: 'unavailable' })
  gone.abort()
  await assert.rejects(left, { code: 'aborted' })
  assert.equal((await Promise.all(others)).length, pixelLimits.waitingMax)
})
