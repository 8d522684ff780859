import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { bulkValue } from './bulk.ts'
import type { RandomAccess } from './data-set.ts'
import {
  corpusFile,
  corpusPath,
  element,
  image,
  item,
  noCorpus,
  openItem,
  openSequence,
  sequence,
} from './data-set.fixture.ts'
import type { DicomJson, DicomJsonElement } from './dicom-json.ts'
import { readHeader } from './header.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

const explicitLittle = '1.2.840.10008.1.2.1'
const explicitBig = '1.2.840.10008.1.2.2'
const implicitLittle = '1.2.840.10008.1.2'
const deflated = '1.2.840.10008.1.2.1.99'

const access = (data: Uint8Array): RandomAccess => ({
  bytes: data.length,
  read: async (offset, length) => data.subarray(offset, offset + length),
})

async function header(data: Uint8Array, transferSyntax = explicitLittle): Promise<DicomJson> {
  const walker = createWalker(transferSyntax)
  walker.write(data)
  return readHeader(access(data), transferSyntax, walker.end().headerBytes)
}

test('values take the form of their representation', async () => {
  const data = Buffer.concat([
    element('00080008', 'CS', 'ORIGINAL\\PRIMARY\\'),
    element('00080020', 'DA', ''),
    element('00080090', 'PN', 'A^B=C^D=E^^^^'),
    element('00081030', 'LO', '  both \\ sides '),
    element('00090010', 'LO', 'VENDOR'),
    element('00091001', 'UN', [1, 2, 3]),
    element('00101010', 'AS', '012Y'),
    element('00104000', 'LT', ' kept \\ whole '),
    element('00181164', 'DS', '0.5\\1e-2\\none'),
    element('00200013', 'IS', ' 12 '),
    element('00201208', 'IS', '1A'),
    element('00189087', 'FD', new Uint8Array(new Float64Array([0.25, Number.NaN]).buffer)),
    element('00280009', 'AT', [0x54, 0, 0, 0x10]),
    element('00280106', 'SS', [0xff, 0xff]),
    element('00282000', 'OB', [1, 2, 3, 4]),
    element('7FE00001', 'OV', []),
    element('00720082', 'SV', new Uint8Array(new BigInt64Array([-5n, 2n ** 60n + 1n]).buffer)),
  ])
  assert.deepEqual(await header(data), {
    '00080008': { vr: 'CS', Value: ['ORIGINAL', 'PRIMARY', null] },
    '00080020': { vr: 'DA' },
    '00080090': { vr: 'PN', Value: [{ Alphabetic: 'A^B', Ideographic: 'C^D', Phonetic: 'E' }] },
    '00081030': { vr: 'LO', Value: ['both', 'sides'] },
    '00090010': { vr: 'LO', Value: ['VENDOR'] },
    '00091001': { vr: 'UN', InlineBinary: 'AQID' },
    '00101010': { vr: 'AS', Value: ['012Y'] },
    '00104000': { vr: 'LT', Value: [' kept \\ whole'] },
    '00181164': { vr: 'DS', Value: [0.5, 0.01, 'none'] },
    '00200013': { vr: 'IS', Value: [12] },
    '00201208': { vr: 'IS', Value: ['1A'] },
    '00189087': { vr: 'FD', Value: [0.25, 'NaN'] },
    '00280009': { vr: 'AT', Value: ['00541000'] },
    '00280106': { vr: 'SS', Value: [-1] },
    '00282000': { vr: 'OB', InlineBinary: 'AQIDBA==' },
    '7FE00001': { vr: 'OV' },
    '00720082': { vr: 'SV', Value: [-5, '1152921504606846977'] },
  })
})

test('sequences nest, and each item may have its own character set', async () => {
  const russian = Buffer.from([0xb8, 0xd2, 0xd0, 0xdd])
  const inner = Buffer.concat([
    element('00080005', 'CS', 'ISO_IR 144'),
    element('00100010', 'PN', russian),
  ])
  const inherited = element('00100010', 'PN', Buffer.from([0xe9, 0x41]))
  const data = Buffer.concat([
    element('00080005', 'CS', 'ISO_IR 100'),
    sequence('00081140', [item(inner), openItem(inherited)]),
    openSequence('00400275', [item(Buffer.alloc(0)), item(sequence('00081115', []))]),
  ])
  const latin1 = [{ Alphabetic: 'éA' }]
  assert.deepEqual(await header(data), {
    '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
    '00081140': {
      vr: 'SQ',
      Value: [
        {
          '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
          '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Иван' }] },
        },
        { '00100010': { vr: 'PN', Value: latin1 } },
      ],
    },
    '00400275': { vr: 'SQ', Value: [{}, { '00081115': { vr: 'SQ' } }] },
  })
})

test('long values are referred to and found again, in every encoding', async () => {
  const table = Buffer.from(Array.from({ length: 2000 }, (_, at) => at % 256))
  const big = { as: { explicit: true, bigEndian: true } }
  const swapped = Buffer.from(table).swap16()
  const nested = (value: Buffer) =>
    Buffer.concat([
      sequence('00283000', [item(Buffer.alloc(0)), item(element('00283006', 'OW', value))]),
      element('54001010', 'OW', value),
      image().subarray(-140),
    ])
  const inBig = element('54001010', 'OW', swapped, big)
  for (const [transferSyntax, data, paths] of [
    [explicitLittle, nested(table), ['54001010', '00283000/1/00283006']],
    [deflated, deflateRawSync(nested(table)), ['54001010', '00283000/1/00283006']],
    [explicitBig, inBig, ['54001010']],
  ] as const) {
    const json = await header(data, transferSyntax)
    assert.equal(json['54001010']?.BulkDataURI, 'bulk/54001010')
    for (const path of paths) {
      const value = await bulkValue(access(data), transferSyntax, path)
      const found =
        'bytes' in value ? value.bytes : data.subarray(value.offset, value.offset + value.length)
      assert.ok(Buffer.from(found).equals(table), `${transferSyntax} ${path}`)
    }
    await assert.rejects(bulkValue(access(data), transferSyntax, '00091001'), { code: 'not_found' })
    await assert.rejects(bulkValue(access(data), transferSyntax, '00283000/7/00283006'), {
      code: 'not_found',
    })
  }
})

test('values nobody asked for are not read', async () => {
  const data = Buffer.concat([
    element('00420011', 'OB', Buffer.alloc(4_000_000)),
    element('00420012', 'LO', 'after'),
  ])
  const reads: number[] = []
  const counted: RandomAccess = {
    bytes: data.length,
    async read(offset, length) {
      reads.push(length)
      return data.subarray(offset, offset + length)
    },
  }
  const json = await readHeader(counted, explicitLittle, data.length)
  assert.deepEqual(json['00420012'], { vr: 'LO', Value: ['after'] })
  assert.ok(reads.reduce((sum, length) => sum + length, 0) < 600_000)
})

test('without written representations the dictionary and the sign of pixels decide', async () => {
  const as = { as: { explicit: false, bigEndian: false } }
  const data = Buffer.concat([
    element('00100010', 'PN', 'A^B ', as),
    element('00280103', 'US', [1, 0], as),
    element('00280106', 'US', [0xff, 0xff], as),
    element('00281101', 'US', [0xff, 0xff, 0, 0, 16, 0], as),
    element('00290010', 'LO', 'VENDOR', as),
    element('00291001', 'UN', [1, 2], as),
  ])
  assert.deepEqual(await header(data, implicitLittle), {
    '00100010': { vr: 'PN', Value: [{ Alphabetic: 'A^B' }] },
    '00280103': { vr: 'US', Value: [1] },
    '00280106': { vr: 'SS', Value: [-1] },
    '00281101': { vr: 'SS', Value: [-1, 0, 16] },
    '00290010': { vr: 'LO', Value: ['VENDOR'] },
    '00291001': { vr: 'UN', InlineBinary: 'AQI=' },
  })
})

const noDcmtk = existsSync('/usr/bin/dcm2json') ? noCorpus : 'dcm2json of dcmtk is absent'

test('real files give the JSON that dcmtk gives', { skip: noDcmtk }, async () => {
  for (const file of [
    'modalities/CT/pydicom_CT_small.dcm',
    'modalities/MR/pydicom_emri_small_10frames.dcm',
    'modalities/KO/kos_synthetic_ct_phantom_3_images.dcm',
    'modalities/RTDOSE/pydicom_rtdose.dcm',
    'modalities/ECG/pydicom_waveform_ecg_12lead.dcm',
    'modalities/PR/weasis_prLUTs.dcm',
    'transfer-syntaxes/small/pydicom_MR_small_bigendian.dcm',
    'transfer-syntaxes/small/pydicom_image_dfl.dcm',
    'charsets/clunie-via-pydicom/chrX2.dcm',
    'malformed/pydicom/UN_sequence.dcm',
  ]) {
    const { dataSet, transferSyntax } = readPart10File(corpusFile(file))
    const ours = await header(dataSet, transferSyntax)
    const theirs = JSON.parse(
      execFileSync('dcm2json', ['-ee', corpusPath(file)], { maxBuffer: 1e9 }).toString(),
    ) as DicomJson
    compare(ours, theirs, file)
  }
})

/** dcmtk names no bulk values, writes numbers of single precision shorter, and leaves out group lengths. */
function compare(ours: DicomJson, theirs: DicomJson, where: string): void {
  const skipped = (tag: string) => tag.endsWith('0000') || tag === '00080005' || tag >= '7FE00010'
  const tags = (json: DicomJson) => Object.keys(json).filter((tag) => !skipped(tag))
  assert.deepEqual(tags(ours), tags(theirs), where)
  for (const tag of tags(ours)) {
    const one = ours[tag]
    const other = theirs[tag]
    if (one === undefined || other === undefined || one.BulkDataURI !== undefined) continue
    if (one.vr === 'SQ') {
      assert.equal(one.Value?.length, other.Value?.length, `${where} ${tag}`)
      one.Value?.forEach((inner, index) => {
        compare(inner as DicomJson, other.Value?.[index] as DicomJson, `${where} ${tag}`)
      })
    } else {
      assert.deepEqual(comparable(one), comparable(other), `${where} ${tag}`)
    }
  }
}

function comparable({ vr, Value, InlineBinary }: DicomJsonElement): unknown {
  const empty = Value?.every((value) => JSON.stringify(value) === '{"Alphabetic":"^^^^"}')
  const values = empty === true ? undefined : Value?.map((value) => rounded(value))
  return { vr, values, InlineBinary }
}

function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Number(Math.fround(value).toPrecision(6))
  return typeof value === 'string' ? value.trim() : value
}
