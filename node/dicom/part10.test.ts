import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ProtocolError } from '#protocol/errors.ts'
import { corpusFile, element, image, noCorpus } from './data-set.fixture.ts'
import { createPart10Header, openPart10, readPart10File } from './part10.ts'

const meta = {
  sopClass: '1.2.840.10008.5.1.4.1.1.2',
  sopUid: '1.2.3.4',
  transferSyntax: '1.2.840.10008.1.2.1',
}
const data = image()
const file = Buffer.concat([createPart10Header(meta), data])

test('a header that was written is read back, and its preamble is empty', () => {
  const { dataSet, ...rest } = readPart10File(file)
  assert.deepEqual(rest, meta)
  assert.ok(Buffer.from(dataSet).equals(data))
  assert.ok(file.subarray(0, 128).every((byte) => byte === 0))
})

test('what a file leaves out is taken from its data set', () => {
  for (const [name, bytes] of [
    ['no preamble', file.subarray(132)],
    ['no meta header', data],
    [
      'no class and instance',
      Buffer.concat([file.subarray(0, 132), element('00020010', 'UI', meta.transferSyntax), data]),
    ],
    [
      'only the class',
      Buffer.concat([file.subarray(0, 132), element('00020002', 'UI', meta.sopClass), data]),
    ],
  ] as const) {
    const { dataSet, ...rest } = readPart10File(bytes)
    assert.deepEqual(rest, meta, name)
    assert.ok(Buffer.from(dataSet).equals(data), name)
  }
})

test(
  'real files without preamble, meta header or group length are read',
  { skip: noCorpus },
  () => {
    for (const [path, transferSyntax] of [
      ['pydicom/ExplVR_BigEndNoMeta.dcm', '1.2.840.10008.1.2.2'],
      ['pydicom/ExplVR_LitEndNoMeta.dcm', '1.2.840.10008.1.2.1'],
      ['pydicom/rtstruct.dcm', '1.2.840.10008.1.2'],
      ['pydicom/no_meta_group_length.dcm', '1.2.840.10008.1.2'],
      ['pydicom/meta_missing_tsyntax.dcm', '1.2.840.10008.1.2'],
      ['pydicom-data/JLSL_RGB_ILV0.dcm', '1.2.840.10008.1.2.4.80'],
      ['pydicom-data/OT-PAL-8-face.dcm', '1.2.840.10008.1.2'],
      ['synthetic/wrong_meta_group_length.dcm', '1.2.840.10008.1.2.1'],
    ] as const) {
      assert.equal(
        readPart10File(corpusFile(`malformed/${path}`)).transferSyntax,
        transferSyntax,
        path,
      )
    }
  },
)

test('what is no DICOM file is refused', () => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('plain text that is long enough to be looked at'),
    Buffer.alloc(200),
    file.subarray(0, 132),
    file.subarray(0, 200),
    Buffer.concat([file.subarray(0, 132), element('00020001', 'OB', [], { length: 0x7fff_ffff })]),
    Buffer.concat([file.subarray(0, 132), element('00020010', 'UI', '1.2\r\nX: 1'), data]),
  ]) {
    assert.throws(() => readPart10File(bytes), { code: 'instance_malformed' })
  }
})

test('damaged headers end in an error of the instance', () => {
  fc.assert(
    fc.property(fc.nat(420), fc.nat(255), fc.nat(file.length), (at, byte, length) => {
      const bad = Buffer.from(file.subarray(0, length))
      bad[at] = byte
      try {
        readPart10File(bad)
      } catch (error) {
        assert.ok(
          error instanceof ProtocolError && error.code.startsWith('instance_'),
          String(error),
        )
      }
    }),
    { numRuns: 3000, seed: 13 },
  )
})

test('a large file is opened by its beginning', async () => {
  const reads: number[] = []
  const big = Buffer.concat([file, Buffer.alloc(300_000)])
  const opened = await openPart10({
    bytes: big.length,
    async read(offset, length) {
      reads.push(length)
      return big.subarray(offset, offset + length)
    },
  })
  assert.equal(opened.sopUid, meta.sopUid)
  assert.equal(opened.dataSet.bytes, big.length - opened.dataSetOffset)
  assert.ok(Buffer.from(await opened.dataSet.read(0, data.length)).equals(data))
  assert.ok((reads[0] ?? 0) <= 65_536)
})
