import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import type { RandomAccess } from './data-set.ts'
import {
  corpusFile,
  element,
  fragments,
  image,
  item,
  noCorpus,
  openSequence,
} from './data-set.fixture.ts'
import { openFrames } from './frames.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

const explicitLittle = '1.2.840.10008.1.2.1'
const deflated = '1.2.840.10008.1.2.1.99'
const jpegLossless = '1.2.840.10008.1.2.4.70'
const rle = '1.2.840.10008.1.2.5'
const mpeg4 = '1.2.840.10008.1.2.4.102'

/** An opened image whose frames come as bytes, and how much was read to find them. */
async function open(dataSet: Uint8Array, transferSyntax: string) {
  const walker = createWalker(transferSyntax)
  walker.write(dataSet)
  const { headerBytes, attributes } = walker.end()
  const counted = { bytes: 0 }
  const data: RandomAccess = {
    bytes: dataSet.length,
    async read(offset, length) {
      counted.bytes += length
      return dataSet.subarray(offset, offset + length)
    },
  }
  const frames = await openFrames({ data, transferSyntax, headerBytes, attributes })
  return {
    counted,
    count: frames.count,
    async frame(number: number): Promise<Buffer> {
      const parts = (await frames.frame(number, data)).map((part) =>
        'bytes' in part ? part.bytes : dataSet.subarray(part.offset, part.offset + part.length),
      )
      return Buffer.concat(parts)
    },
  }
}

const header = (frames: number): Buffer => image({ frames }).subarray(0, -12 - frames * 128)
const encapsulated = (frames: number, parts: (Buffer | number[])[]): Buffer =>
  Buffer.concat([header(frames), fragments(parts)])
const offsets = (...values: number[]): Buffer => {
  const table = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => table.writeUInt32LE(value, index * 4))
  return table
}

test('plain frames lie one behind the other, also in a deflated data set', async () => {
  const data = image({ frames: 3 })
  const pixels = data.subarray(-3 * 128)
  for (const [bytes, transferSyntax] of [
    [data, explicitLittle],
    [deflateRawSync(data), deflated],
  ] as const) {
    const { count, frame } = await open(bytes, transferSyntax)
    assert.equal(count, 3)
    for (let n = 1; n <= 3; n++) {
      assert.deepEqual(await frame(n), pixels.subarray((n - 1) * 128, n * 128), transferSyntax)
    }
    await assert.rejects(frame(0), { code: 'not_found' })
    await assert.rejects(frame(4), { code: 'not_found' })
  }
})

test('frames of single bits begin within bytes and are shifted to their start', async () => {
  const data = Buffer.concat([
    element('00280002', 'US', [1, 0]),
    element('00280008', 'IS', '3'),
    element('00280010', 'US', [3, 0]),
    element('00280011', 'US', [3, 0]),
    element('00280100', 'US', [1, 0]),
    element('00280101', 'US', [1, 0]),
    element('00280102', 'US', [0, 0]),
    // Nine bits each: all set, none set, all set.
    element('7FE00010', 'OB', [0xff, 0x01, 0xfc, 0x07]),
  ])
  const { frame } = await open(data, explicitLittle)
  const bits = (bytes: Buffer) =>
    Array.from({ length: 9 }, (_, at) => ((bytes[at >> 3] ?? 0) >> (at & 7)) & 1)
  assert.deepEqual(bits(await frame(1)), Array(9).fill(1))
  assert.deepEqual(bits(await frame(2)), Array(9).fill(0))
  assert.deepEqual(bits(await frame(3)), Array(9).fill(1))
})

test('a frame that the pixels do not reach is refused, those before it are given', async () => {
  const short = Buffer.concat([header(3), element('7FE00010', 'OW', Buffer.alloc(300, 7))])
  const { frame } = await open(short, explicitLittle)
  assert.equal((await frame(2)).length, 128)
  await assert.rejects(frame(3), { code: 'instance_malformed' })
})

test('encapsulated frames are found by a table, by their number, and by where images begin', async () => {
  const soi = [0xff, 0xd8, 0xff, 0xe0]
  const [a, b, c] = [
    [...soi, 1, 1],
    [2, 2, 2, 2],
    [...soi, 3, 3],
  ]
  const expected = [Buffer.from([...a, ...b]), Buffer.from(c)]
  // From the first fragment: 8 + 6, 8 + 4.
  for (const [name, table] of [
    ['a table', offsets(0, 26)],
    ['no table', offsets()],
    ['a table of wrong length', offsets(0)],
    ['a table that goes back', offsets(26, 0)],
    ['a table that points nowhere', offsets(0, 25)],
  ] as const) {
    const { frame } = await open(encapsulated(2, [table, a, b, c]), jpegLossless)
    assert.deepEqual(await frame(2), expected[1], name)
    if (!name.includes('nowhere')) assert.deepEqual(await frame(1), expected[0], name)
  }
  const each = await open(encapsulated(2, [[], [1, 2], [3, 4]]), rle)
  assert.deepEqual(await each.frame(2), Buffer.from([3, 4]))
  const whole = await open(encapsulated(1, [[], a, b, c]), jpegLossless)
  assert.equal((await whole.frame(1)).length, 16)
  const video = await open(encapsulated(30, [[], a, b]), mpeg4)
  assert.equal(video.count, 1)
  assert.equal((await video.frame(1)).length, 10)
  const mixed = await open(encapsulated(2, [[], [1, 2], [3, 4], [5, 6]]), jpegLossless)
  await assert.rejects(mixed.frame(1), { code: 'instance_malformed' })
})

test('an extended offset table gives the exact length, without padding', async () => {
  const numbers = (...values: bigint[]): Uint8Array =>
    new Uint8Array(new BigUint64Array(values).buffer)
  const data = Buffer.concat([
    header(2),
    element('7FE00001', 'OV', numbers(0n, 12n)),
    element('7FE00002', 'OV', numbers(3n, 5n)),
    fragments([[], [1, 2, 3, 0], [4, 5, 6, 7, 8, 0]]),
  ])
  const { frame } = await open(data, jpegLossless)
  assert.deepEqual(await frame(1), Buffer.from([1, 2, 3]))
  assert.deepEqual(await frame(2), Buffer.from([4, 5, 6, 7, 8]))
})

test('with a table only the wanted frame is read', async () => {
  const frame = Buffer.alloc(1_000_000, 5)
  const starts = Array.from({ length: 10 }, (_, index) => index * (frame.length + 8))
  const opened = await open(encapsulated(10, [offsets(...starts), ...starts.map(() => frame)]), rle)
  assert.equal((await opened.frame(7)).length, frame.length)
  assert.ok(opened.counted.bytes < 1_500_000, String(opened.counted.bytes))
})

test('an instance without pixels has no frames', async () => {
  await assert.rejects(open(header(1), explicitLittle), { code: 'not_found' })
  const icon = openSequence('00880200', [item(element('7FE00010', 'OB', [1, 2]))])
  await assert.rejects(open(Buffer.concat([header(1), icon]), explicitLittle), {
    code: 'not_found',
  })
})

test('one image in different fragments gives the same frames', { skip: noCorpus }, async () => {
  const digests = async (name: string) => {
    const folder = 'transfer-syntaxes/fragments-and-offset-tables'
    const { dataSet, transferSyntax } = readPart10File(corpusFile(`${folder}/CT0012.${name}.dcm`))
    const { frame } = await open(dataSet, transferSyntax)
    const both = [await frame(1), await frame(2)]
    return both.map((bytes) => createHash('sha256').update(bytes).digest('hex'))
  }
  assert.deepEqual(
    await digests('fragmented_no_bot_jpeg_ls.80'),
    await digests('not_fragmented_bot_jpeg_ls.80'),
  )
  assert.deepEqual(
    await digests('not_fragmented_no_bot_rle'),
    await digests('not_fragmented_bot_rle'),
  )
})
