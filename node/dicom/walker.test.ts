import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Walk } from './data-set.ts'
import {
  corpusFile,
  element,
  fragments,
  image,
  item,
  noCorpus,
  openItem,
  openSequence,
  randomFrom,
  sequence,
  undefinedLength,
} from './data-set.fixture.ts'
import { createElementParser } from './element-parser.ts'
import { readPart10File } from './part10.ts'
import { encodingOf } from './transfer-syntax.ts'
import { createWalker } from './walker.ts'

const explicitLittle = '1.2.840.10008.1.2.1'
const implicitLittle = '1.2.840.10008.1.2'
const deflated = '1.2.840.10008.1.2.1.99'
const jpegLossless = '1.2.840.10008.1.2.4.70'

/** Walks pieces out of one buffer that is used again and again, as a socket's is. */
function walk(
  data: Uint8Array,
  transferSyntax = explicitLittle,
  cuts: readonly number[] = [],
): Walk {
  const walker = createWalker(transferSyntax)
  const buffer = Buffer.alloc(data.length)
  const write = (piece: Uint8Array) => {
    buffer.set(piece)
    walker.write(buffer.subarray(0, piece.length))
    buffer.fill(0xff, 0, piece.length)
  }
  let at = 0
  for (const cut of cuts) {
    write(data.subarray(at, at + cut))
    at += cut
  }
  write(data.subarray(at))
  return walker.end()
}

const refused = (data: Uint8Array, code: string, transferSyntax = explicitLittle) =>
  assert.throws(() => walk(data, transferSyntax), { code })

const patient = element('00100020', 'LO', '42')

test('the index attributes come decoded, with the place of the pixels', () => {
  const data = image()
  const { attributes, bytes, headerBytes, pixel, damaged } = walk(data)
  assert.equal(bytes, data.length)
  assert.equal(headerBytes, data.length - 128 - 12)
  assert.deepEqual(pixel, {
    encapsulated: false,
    tag: '7FE00010',
    offset: headerBytes + 12,
    length: 128,
  })
  assert.equal(damaged, undefined)
  assert.deepEqual(attributes['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'Иванов^Пётр' }] })
  assert.deepEqual(attributes['00280010'], { vr: 'US', Value: [8] })
})

test('a deflated data set is walked as if it were not, and counted as received', () => {
  const data = image({ frames: 40, side: 32 })
  const packed = deflateRawSync(data)
  const { attributes, pixel } = walk(data)
  const result = walk(packed, deflated)
  assert.deepEqual(
    { ...result, attributes: result.attributes },
    {
      bytes: packed.length,
      headerBytes: packed.length,
      attributes,
      pixel,
    },
  )
})

test('sequences of either length, private ones and unknown ones are walked through', () => {
  const nested = openSequence('00400275', [
    openItem(sequence('00081140', [item(patient)])),
    item(patient),
  ])
  const implicit = (tag: string, value: Uint8Array | number[], length?: number) =>
    element(tag, '', value, {
      as: { explicit: false, bigEndian: false },
      ...(length && { length }),
    })
  const unknown = openSequence('00091001', [openItem(implicit('00100020', [0x34, 0x32]))], 'UN')
  const emptyOnes = Buffer.concat([
    sequence('00081110', []),
    openSequence('00081115', [item(Buffer.alloc(0))]),
  ])
  const data = Buffer.concat([emptyOnes, unknown, patient, nested])
  const { attributes } = walk(data)
  assert.deepEqual(Object.keys(attributes), ['00100020'])
})

test('encapsulated pixels are counted in fragments behind the offset table', () => {
  const head = image().subarray(0, -140)
  const data = Buffer.concat([head, fragments([[], [1, 2, 3, 4], [5, 6]])])
  const { pixel, damaged, headerBytes } = walk(data, jpegLossless)
  assert.deepEqual(pixel, {
    encapsulated: true,
    tag: '7FE00010',
    offset: head.length + 12,
    fragments: 2,
  })
  assert.equal(headerBytes, head.length)
  assert.equal(damaged, undefined)
  assert.equal(walk(Buffer.concat([head, fragments([[]])]), jpegLossless).damaged, true)
})

test('pixels that are too short, or bits that do not fit, are accepted and marked', () => {
  const short = Buffer.concat([
    image().subarray(0, -140),
    element('7FE00010', 'OW', Buffer.alloc(126)),
  ])
  assert.equal(walk(short).damaged, true)
  const bits = image()
  bits.writeUInt16LE(16, bits.indexOf(Buffer.from([0x28, 0, 2, 1])) + 8)
  assert.equal(walk(bits).damaged, true)
})

test('of a repeated element the first counts', () => {
  const { attributes } = walk(Buffer.concat([patient, element('00100020', 'LO', 'other ')]))
  assert.deepEqual(attributes['00100020']?.Value, ['42'])
})

test('every cut within an element is truncated, and bytes behind the last are refused', () => {
  const data = Buffer.concat([openSequence('00400275', [openItem(patient)]), image()])
  const ends = new Set([0])
  createElementEnds(data, ends)
  for (let length = 1; length < data.length; length++) {
    if (ends.has(length)) assert.equal(walk(data.subarray(0, length)).bytes, length)
    else refused(data.subarray(0, length), 'instance_truncated')
  }
  refused(Buffer.concat([data, Buffer.alloc(4)]), 'instance_truncated')
  refused(Buffer.concat([data, Buffer.alloc(9)]), 'instance_malformed')
})

/** Where top-level elements of `data` begin. */
function createElementEnds(data: Uint8Array, ends: Set<number>): void {
  const note = ({ offset, depth }: { offset: number; depth: number }) => {
    if (depth === 0) ends.add(offset)
    return 'skip' as const
  }
  createElementParser(encodingOf(explicitLittle), { element: note, value: () => undefined }).write(
    data,
  )
}

test('lengths must fit what encloses them', () => {
  const tooLong = element('00100020', 'LO', '42', { length: 4 })
  refused(sequence('00400275', [item(tooLong)]), 'instance_malformed')
  refused(
    element('00400275', 'SQ', item(Buffer.concat([patient, patient])), { length: 20 }),
    'instance_malformed',
  )
  refused(element('00100020', 'UT', [], { length: 0xffff_fffe }), 'instance_too_complex')
  refused(element('00100020', 'OB', [], { length: 0xffff_fffe }), 'instance_too_complex')
  refused(element('00100020', 'UT', [], { length: undefinedLength }), 'instance_malformed')
  refused(Buffer.concat([item(patient)]), 'instance_malformed')
  refused(openSequence('00400275', [patient]), 'instance_malformed')
})

test('a transfer syntax that is no UID is refused', () => {
  refused(image(), 'instance_malformed', 'constructor')
  refused(image(), 'instance_malformed', '1.2\r\nX: 1')
})

test('what is hostile ends early and cheaply', () => {
  let deep = Buffer.alloc(0)
  const open = Buffer.concat([
    element('00400275', 'SQ', [], { length: undefinedLength }),
    Buffer.from([0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]),
  ])
  deep = Buffer.concat(Array<Buffer>(100_000).fill(open))
  const started = performance.now()
  refused(deep, 'instance_too_complex')
  const many = Buffer.concat(Array<Buffer>(2_100_000).fill(element('00090001', 'US', [])))
  refused(many, 'instance_too_complex')
  const tiny = Buffer.concat(
    Array<Buffer>(instanceLimits.elementsMax + 1).fill(
      Buffer.from([0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0]),
    ),
  )
  refused(Buffer.concat([open.subarray(0, 12), tiny]), 'instance_too_complex')
  assert.ok(performance.now() - started < 30_000)
})

test('however a data set is cut into chunks, the walk is the same', { skip: noCorpus }, () => {
  const files = [
    'transfer-syntaxes/small/pydicom_MR_small_implicit.dcm',
    'transfer-syntaxes/small/pydicom_MR_small_bigendian.dcm',
    'transfer-syntaxes/small/pydicom_image_dfl.dcm',
    'malformed/pydicom-data/bad_sequence.dcm',
    'malformed/pydicom/priv_SQ.dcm',
    'charsets/clunie-via-pydicom/chrRuss.dcm',
    'transfer-syntaxes/small/pydicom_SC_rgb_rle_16bit_2frame.dcm',
  ]
  for (const file of files) {
    const { dataSet, transferSyntax } = readPart10File(corpusFile(file))
    const whole = walk(dataSet, transferSyntax)
    const ones = Array<number>(Math.min(dataSet.length, 6000)).fill(1)
    assert.deepEqual(walk(dataSet, transferSyntax, ones), whole, file)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 }), (cuts) => {
        assert.deepEqual(walk(dataSet, transferSyntax, cuts), whole)
      }),
      { numRuns: 40, seed: 3 },
    )
  }
})

test('mutated data sets end in an error of the instance or in a walk, within bounded time', () => {
  const seeds = [
    { data: image(), transferSyntax: explicitLittle },
    { data: image(), transferSyntax: implicitLittle },
    { data: deflateRawSync(image()), transferSyntax: deflated },
    {
      data: Buffer.concat([
        openSequence('00400275', [openItem(patient), item(patient)]),
        fragments([[], [1, 2, 3, 4]]),
      ]),
      transferSyntax: jpegLossless,
    },
  ]
  const random = randomFrom(20_260_101)
  for (let run = 0; run < 20_000; run++) {
    const { data, transferSyntax } = seeds[run % seeds.length] ?? {
      data: Buffer.alloc(0),
      transferSyntax: '',
    }
    const bad = Buffer.from(data)
    const changes = 1 + Math.floor(random() * 4)
    for (let i = 0; i < changes; i++)
      bad[Math.floor(random() * bad.length)] = Math.floor(random() * 256)
    try {
      walk(
        bad.subarray(0, random() < 0.2 ? Math.floor(random() * bad.length) : bad.length),
        transferSyntax,
      )
    } catch (error) {
      assert.ok(error instanceof ProtocolError && error.code.startsWith('instance_'), String(error))
    }
  }
})
