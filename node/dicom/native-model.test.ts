import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { corpusFile, corpusPath, noCorpus } from './data-set.fixture.ts'
import { readHeader } from './header.ts'
import { nativeModel } from './native-model.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

const noDcmtk = existsSync('/usr/bin/dcm2xml') ? noCorpus : 'dcm2xml of dcmtk is absent'

test('real files give the XML that dcmtk gives', { skip: noDcmtk }, async () => {
  for (const file of [
    'modalities/CT/pydicom_CT_small.dcm',
    'modalities/MR/pydicom_emri_small_10frames.dcm',
    'modalities/KO/kos_synthetic_ct_phantom_3_images.dcm',
    'modalities/PR/weasis_prLUTs.dcm',
  ]) {
    const { dataSet, transferSyntax } = readPart10File(corpusFile(file))
    const walker = createWalker(transferSyntax)
    walker.write(dataSet)
    const { headerBytes } = walker.end()
    const data = {
      bytes: dataSet.length,
      read: async (offset: number, length: number) => dataSet.subarray(offset, offset + length),
    }
    const json = await readHeader(data, transferSyntax, headerBytes)
    const theirs = execFileSync('dcm2xml', ['-nat', '+Xn', corpusPath(file)], { maxBuffer: 1e9 })
    const ours = comparable([...nativeModel(json)].join(''))
    const others = comparable(theirs.toString())
    assert.ok(ours.length >= 30, `${ours.length}`)
    for (const [index, { keyword, ...other }] of others.entries()) {
      const { keyword: ourKeyword, ...our } = ours[index] ?? {}
      assert.deepEqual(our, other, file)
      // dcmtk knows no keywords of what is retired.
      assert.equal(ourKeyword, keyword ?? ourKeyword)
    }
    assert.equal(ours.length, others.length)
  }
})

type Shown = Partial<Record<'tag' | 'vr' | 'keyword' | 'privateCreator', string>> & {
  shown: unknown[]
}

/** Each element's beginning and values; dcmtk names no bulk values and writes binary numbers and ours their own way. */
function comparable(xml: string): Shown[] {
  const elements = xml.replaceAll(/>\s+</g, '><').split(/(?=<DicomAttribute )/)
  return elements.slice(1).flatMap((element) => {
    const [, attributes = '', content = ''] = /^<DicomAttribute ([^>]*)>(.*)$/s.exec(element) ?? []
    const named = Object.fromEntries(
      [...attributes.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    )
    const { tag = '', vr = '', keyword, privateCreator } = named
    if (tag === '00080005' || tag >= '7FE00010') return []
    const isBinary = /^(O[BDFLVW]|UN|F[DL]|DS|IS|SV|UV)$/.test(vr)
    const values = [...content.matchAll(/<(\w+)(?: number="(\d+)")?>([^<]+)/g)]
    const shown = isBinary
      ? []
      : values.map(([, name, number, text]) => [name, number, text?.trim()])
    return [{ tag, vr, keyword, privateCreator, shown }]
  })
}

test('what is no XML is written as XML can hold it', () => {
  const xml = [
    ...nativeModel({
      '00080000': { vr: 'UL', Value: [4] },
      '00081030': { vr: 'LO', Value: ['a<b & "c">\r\n\u001b\ud800', null, ']]>'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'A^B^^^E', Phonetic: '^y' }, {}] },
      '00290010': { vr: 'LO', Value: ['VENDOR "X"'] },
      '00291001': { vr: 'UN', InlineBinary: 'AQI=' },
      '00295001': { vr: 'UN' },
    }),
  ].join('')
  assert.deepEqual(xml.split(/(?=<DicomAttribute )/).slice(1), [
    '<DicomAttribute tag="00081030" keyword="StudyDescription" vr="LO">' +
      '<Value number="1">a&lt;b &amp; &quot;c&quot;&gt;&#13;&#10;\ufffd\ufffd</Value>' +
      '<Value number="3">]]&gt;</Value></DicomAttribute>',
    '<DicomAttribute tag="00100010" keyword="PatientName" vr="PN"><PersonName number="1">' +
      '<Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName><NameSuffix>E</NameSuffix>' +
      '</Alphabetic><Phonetic><GivenName>y</GivenName></Phonetic></PersonName>' +
      '<PersonName number="2"></PersonName></DicomAttribute>',
    '<DicomAttribute tag="00290010" vr="LO"><Value number="1">VENDOR &quot;X&quot;</Value></DicomAttribute>',
    '<DicomAttribute tag="00290001" privateCreator="VENDOR &quot;X&quot;" vr="UN">' +
      '<InlineBinary>AQI=</InlineBinary></DicomAttribute>',
    '<DicomAttribute tag="00295001" vr="UN"></DicomAttribute></NativeDicomModel>\n',
  ])
})

test('a large data set is written in pieces', () => {
  const item = { '00080100': { vr: 'SH', Value: ['T-A0100'] } }
  const pieces = [
    ...nativeModel({ '00081032': { vr: 'SQ', Value: Array.from({ length: 3000 }, () => item) } }),
  ]
  assert.ok(pieces.length > 3)
  assert.equal(pieces.join('').match(/<Item number="/g)?.length, 3000)
})
