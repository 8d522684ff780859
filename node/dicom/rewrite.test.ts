import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KnownText } from './charsets.ts'
import {
  corpusFile,
  corpusFiles,
  element,
  explicitLittle,
  image,
  noCorpus,
  openSequence,
  item,
} from './data-set.fixture.ts'
import type { DicomJson } from './dicom-json.ts'
import { readHeader } from './header.ts'
import { readPart10File } from './part10.ts'
import { readRewritten, rewriteDataSet, type Modification } from './rewrite.ts'
import { transferSyntaxes } from './transfer-syntax.ts'
import { createWalker } from './walker.ts'

const memory = (bytes: Uint8Array) => ({
  bytes: bytes.byteLength,
  read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
})

const renamed: Modification = {
  set: {
    '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Петрова^Анна' }] },
    '00100020': { vr: 'LO', Value: ['77'] },
    '00081030': { vr: 'LO', Value: ['Лёгкие'] },
  },
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  system: 'CAMI',
  source: '',
  reason: 'CORRECT',
}

async function rewrite(
  bytes: Uint8Array,
  syntax: string,
  modifications: Modification[],
  known?: KnownText,
) {
  const before = walk(bytes, syntax)
  const facts = { transferSyntax: syntax, headerBytes: before.headerBytes }
  const rewritten = await rewriteDataSet(memory(bytes), facts, modifications, known)
  const parts: Uint8Array[] = []
  for await (const part of readRewritten(rewritten)) parts.push(Buffer.from(part))
  const after = Buffer.concat(parts)
  assert.equal(after.byteLength, rewritten.bytes)
  return {
    before,
    bytes: after,
    syntax: rewritten.transferSyntax,
    after: walk(after, rewritten.transferSyntax),
  }
}

function walk(bytes: Uint8Array, syntax: string) {
  const walker = createWalker(syntax)
  walker.write(bytes)
  return walker.end()
}

const headerOf = (bytes: Uint8Array, syntax: string, known?: KnownText): Promise<DicomJson> =>
  readHeader(memory(bytes), syntax, walk(bytes, syntax).headerBytes, known)
const nameIn = (header: DicomJson | undefined): unknown =>
  (header?.['00100010']?.Value?.[0] as { Alphabetic?: string } | undefined)?.Alphabetic

const little = transferSyntaxes.explicitLittleEndian

suite('a data set whose attributes were corrected', () => {
  test('says the new values, keeps the old ones in Original Attributes Sequence, and the pixels', async () => {
    const source = image({ frames: 2 })
    const { bytes, before, after } = await rewrite(source, little, [renamed])
    const header = await headerOf(bytes, little)
    assert.deepEqual(header['00100010']?.Value, [{ Alphabetic: 'Петрова^Анна' }])
    assert.deepEqual(header['00100020']?.Value, ['77'])
    const [original] = (header['04000561']?.Value ?? []) as DicomJson[]
    assert.deepEqual(original?.['04000562']?.Value, ['20260102030405+0000'])
    assert.deepEqual(original?.['04000563']?.Value, ['CAMI'])
    assert.deepEqual(original?.['04000565']?.Value, ['CORRECT'])
    const [modified] = (original?.['04000550']?.Value ?? []) as DicomJson[]
    assert.deepEqual(modified?.['00100010']?.Value, [{ Alphabetic: 'Иванов^Пётр' }])
    assert.deepEqual(modified?.['00100020']?.Value, ['42'])
    assert.deepEqual(modified?.['00081030'], { vr: 'LO' })
    assert.deepEqual(bytes.subarray(after.headerBytes), source.subarray(before.headerBytes))
  })

  test('keeps every other element byte for byte, private and nested ones too', async () => {
    const source = Buffer.concat([
      element('00080018', 'UI', '1.2.3.4'),
      openSequence('00081115', [item(element('0020000E', 'UI', '1.2.3.1'))]),
      element('00090010', 'LO', 'GEMS_IDEN_01'),
      element('00091001', 'OB', [1, 2, 3, 4]),
      element('00100020', 'LO', '42'),
    ])
    const ascii = { ...renamed, set: { '00100020': { vr: 'LO', Value: ['77'] } } }
    const { bytes } = await rewrite(source, little, [ascii])
    const [was, is] = [await headerOf(source, little), await headerOf(bytes, little)]
    const { '04000561': _, '00100020': __, ...rest } = is
    const { '00100020': ___, ...expected } = was
    assert.deepEqual(rest, expected)
    assert.equal(is['00080005'], undefined)
  })

  test('turns all text to UTF-8 when a new value needs it', async () => {
    const source = Buffer.concat([
      element('00080005', 'CS', 'ISO_IR 144'),
      element('00081030', 'LO', Buffer.from('b8b2b0bdbeb2', 'hex')),
      element('00100010', 'PN', Buffer.from('b8b2b0bdbeb25ebff1e2e0', 'hex')),
    ])
    const { bytes } = await rewrite(source, little, [
      { ...renamed, set: { '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Врач' }] } } },
    ])
    const header = await headerOf(bytes, little)
    assert.deepEqual(header['00081030']?.Value, ['ИВАНОВ'])
    assert.deepEqual(header['00100010']?.Value, [{ Alphabetic: 'ИВАНОВ^Пётр' }])
  })

  // КИМ^ЛИ and ЦРБ in KOI8-R: too few letters, and KOI8-R is never concluded.
  const kim = Buffer.from('ebe9ed5eece920', 'hex')
  const clinic = Buffer.from('e3f2e220', 'hex')
  const unclear = (declared: string | undefined): Buffer =>
    Buffer.concat([
      ...(declared === undefined ? [] : [element('00080005', 'CS', declared)]),
      element('00080080', 'LO', clinic),
      element('00090010', 'LO', 'MAKER'),
      element('00091001', 'LO', clinic),
      element('00100010', 'PN', Buffer.concat([kim, Buffer.from(' ')])),
      element('00180015', 'CS', clinic),
      openSequence('00400275', [
        item(element('00400007', 'LO', clinic)),
        item(openSequence('00400008', [item(element('00080104', 'LO', clinic))])),
        item(
          Buffer.concat([element('00080005', 'CS', 'ISO_IR 192'), element('00400007', 'LO', 'КТ')]),
        ),
        item(element('00400007', 'LO', 'plain')),
      ]),
    ])
  const petrova: Modification = {
    ...renamed,
    set: { '00100010': renamed.set['00100010'] ?? { vr: 'PN' } },
  }
  const itemsOf = (header: DicomJson | undefined, tag: string): DicomJson[] =>
    (header?.[tag]?.Value ?? []) as DicomJson[]
  const replacedIn = (header: DicomJson): (DicomJson | undefined)[] =>
    itemsOf(header, '04000561').map((one) => itemsOf(one, '04000550')[0])
  const count = (bytes: Buffer, part: Buffer): number =>
    bytes.toString('latin1').split(part.toString('latin1')).length - 1
  const display = /<[0-9A-F]{2,}>/

  test('keeps text that nobody can read as it is where its set has room for the new value', async () => {
    for (const declared of ['ISO_IR 144', 'ISO_IR 192']) {
      const source = unclear(declared)
      const { bytes } = await rewrite(source, little, [petrova])
      const header = await headerOf(bytes, little, {
        source: 'declared',
        confidence: 1,
        declared: [declared],
      })
      assert.deepEqual(nameIn(header), 'Петрова^Анна', declared)
      assert.equal(count(bytes, clinic), count(source, clinic), declared)
      assert.equal(count(bytes, kim), 1, declared)
      assert.doesNotMatch(bytes.toString('latin1'), display)
    }
  })

  test('keeps the bytes of text that nobody can read, and their set, where the new value needs UTF-8', async () => {
    for (const declared of [undefined, 'ISO_IR 100']) {
      const source = unclear(declared)
      const { bytes } = await rewrite(source, little, [petrova])
      const known = { source: 'pinned', encoding: 'koi8-r', confidence: 1 } as const
      const stated = declared ?? 'ISO 2022 IR 6'
      const header = await headerOf(bytes, little, { ...known, declared: [stated] })
      assert.equal(nameIn(header), 'Петрова^Анна')
      assert.equal(bytes.subarray(8, 18).toString(), 'ISO_IR 192')
      assert.equal(count(bytes, clinic), count(source, clinic))
      assert.equal(count(bytes, kim), 1)
      assert.doesNotMatch(bytes.toString('latin1'), display)
      // What is not UTF-8 is in items that say so: who knows the encoding reads all of it.
      const [corrected, emptied] = replacedIn(header)
      assert.equal(nameIn(corrected), 'КИМ^ЛИ')
      for (const tag of ['00080080', '00091001', '00180015']) {
        assert.equal(header[tag]?.Value, undefined, tag)
        assert.deepEqual(emptied?.[tag]?.Value, ['ЦРБ'], tag)
      }
      assert.deepEqual(emptied?.['00090010']?.Value, ['MAKER'])
      const [direct, deep, own, ascii] = itemsOf(header, '00400275')
      assert.deepEqual(direct?.['00400007']?.Value, ['ЦРБ'])
      assert.deepEqual(itemsOf(deep, '00400008')[0]?.['00080104']?.Value, ['ЦРБ'])
      assert.deepEqual([own?.['00400007']?.Value, ascii?.['00400007']?.Value], [['КТ'], ['plain']])
      // The same can be done to what came out.
      const again = await rewrite(bytes, little, [
        { ...petrova, set: { '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Ли' }] } } },
      ])
      assert.equal(count(again.bytes, clinic), count(source, clinic))
    }
  })

  test('turns text to UTF-8 by what is known of it, whatever it declares, in items too', async () => {
    for (const declared of [undefined, 'ISO_IR 100', 'ISO_IR 144']) {
      const terms = declared === undefined ? [] : [declared]
      const known = {
        source: 'pinned',
        encoding: 'koi8-r',
        confidence: 1,
        declared: terms,
      } as const
      const { bytes } = await rewrite(unclear(declared), little, [petrova], known)
      const header = await headerOf(bytes, little)
      assert.equal(nameIn(header), 'Петрова^Анна')
      for (const tag of ['00080080', '00091001', '00180015']) {
        assert.deepEqual(header[tag]?.Value, ['ЦРБ'], tag)
      }
      const [direct, deep, own] = itemsOf(header, '00400275')
      assert.deepEqual(direct?.['00400007']?.Value, ['ЦРБ'])
      assert.deepEqual(itemsOf(deep, '00400008')[0]?.['00080104']?.Value, ['ЦРБ'])
      assert.deepEqual(own?.['00400007']?.Value, ['КТ'])
      assert.deepEqual(replacedIn(header).map(nameIn), ['КИМ^ЛИ'])
      assert.equal(count(bytes, clinic), 0)
    }
  })

  test('keeps what earlier systems changed', async () => {
    const first = await rewrite(image(), little, [renamed])
    const { bytes } = await rewrite(first.bytes, little, [{ ...renamed, reason: 'COERCE' }])
    const header = await headerOf(bytes, little)
    const items = (header['04000561']?.Value ?? []) as DicomJson[]
    assert.deepEqual(
      items.map((one) => one['04000565']?.Value),
      [['CORRECT'], ['COERCE']],
    )
  })

  for (const [name, as, syntax] of [
    ['Implicit VR', { explicit: false, bigEndian: false }, transferSyntaxes.implicitLittleEndian],
    ['big-endian', { explicit: true, bigEndian: true }, transferSyntaxes.explicitBigEndian],
    ['little-endian', explicitLittle, little],
  ] as const) {
    test(`keeps the encoding: ${name}`, async () => {
      const source = Buffer.concat([
        element('00080005', 'CS', 'ISO_IR 192', { as }),
        element('00100010', 'PN', 'Иванов', { as }),
        element('00280010', 'US', as.bigEndian ? [0, 8] : [8, 0], { as }),
        element('7FE00010', 'OW', Buffer.alloc(8), { as }),
      ])
      const { bytes, syntax: written } = await rewrite(source, syntax, [renamed])
      assert.equal(written, syntax)
      const header = await headerOf(bytes, syntax)
      assert.deepEqual(header['00100010']?.Value, [{ Alphabetic: 'Петрова^Анна' }])
      assert.deepEqual(header['00280010']?.Value, [8])
    })
  }

  test(
    'real files stay whole, and nothing but the corrected attributes changes',
    { skip: noCorpus },
    async () => {
      let count = 0
      for (const file of corpusFiles().filter((_, index) => index % 9 === 0)) {
        const part10 = part10Of(file)
        if (part10 === undefined) continue
        const { dataSet, transferSyntax } = part10
        if (dataSet.byteLength > 3_000_000) continue
        const { bytes, syntax } = await rewrite(dataSet, transferSyntax, [renamed])
        const [was, is] = [await headerOf(dataSet, transferSyntax), await headerOf(bytes, syntax)]
        for (const tag of ['04000561', '00080005', ...Object.keys(renamed.set)]) {
          delete was[tag]
          delete is[tag]
        }
        assert.deepEqual(withoutBulk(is), withoutBulk(was), file)
        count++
      }
      assert.ok(count > 5)
    },
  )
})

/** Where a long value lies changes; that there is one does not. */
const withoutBulk = (header: DicomJson): unknown => JSON.parse(JSON.stringify(header))

function part10Of(file: string) {
  try {
    const part10 = readPart10File(corpusFile(file))
    walk(part10.dataSet, part10.transferSyntax)
    return part10
  } catch {
    return undefined
  }
}
