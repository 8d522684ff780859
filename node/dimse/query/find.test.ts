import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { correctionProof, declare, send, sendSlice } from '../../archive/archive.fixture.ts'
import type { DicomJson } from '../../dicom/dicom-json.ts'
import { encodeDataSet } from '../data-set-writer.ts'
import { hasDcmtk } from '../scp.fixture.ts'
import { utf8Encoder } from '../../dicom/text-encoder.ts'
import { device, startTestNode, tool, type TestNode } from '../query-retrieve.fixture.ts'

const skip = (await hasDcmtk()) ? false : 'dcmtk is not installed'

let node: TestNode
before(async () => {
  node = await startTestNode([
    device('FINDSCU'),
    device('STORESCU', { services: ['store'] }),
    device('OLD', { characterSet: 'ISO_IR 144' }),
  ])
  for (const [index, [name, id, modality, date]] of [
    ['Иванов^Пётр^Сергеевич', 'P1', 'CT', '20260102'],
    ['ИВАНОВА^АННА', 'P2', 'MR', '20260110'],
    ['Sidorov^Ivan=シドロフ', 'P3', 'CT', '20260201'],
    ['Петров — Водкин^Кузьма', 'P4', 'CR', '20250301'],
  ].entries()) {
    for (const number of [1, 2, 3]) {
      await sendSlice(node.archive, {
        study: `1.2.${index}`,
        series: `1.2.${index}.${number % 2}`,
        sop: `1.2.${index}.9.${number}`,
        number,
        name: name ?? '',
        patientId: id ?? '',
        modality: modality ?? '',
        date: date ?? '',
        accession: `A${index}`,
        institution: 'QMC',
      })
    }
  }
})
after(async () => node[Symbol.asyncDispose]())

/** Runs findscu; the data sets that came back as text, and the final status. */
async function find(
  keys: readonly string[],
  { root = '-S', ae = 'FINDSCU', more = [] as readonly string[] } = {},
): Promise<{ rows: string[]; output: string }> {
  const { text } = await tool('findscu', [
    '-d',
    root,
    '-aet',
    ae,
    '-aec',
    'CAMI',
    ...more,
    ...keys.flatMap((key) => ['-k', key]),
    '127.0.0.1',
    String(node.port),
  ])
  const rows = text
    .split(/Response Identifiers|# Dicom-Data-Set/)
    .filter((part) => /\(0008,0054\) AE/.test(part))
  return { rows, output: text }
}

const valueOf = (row: string | undefined, tag: string): string =>
  new RegExp(`\\(${tag}\\) \\w\\w \\[(.*?)\\]`).exec(row ?? '')?.[1]?.trim() ?? ''

const utf8 = ['SpecificCharacterSet=ISO_IR 192']
const study = ['QueryRetrieveLevel=STUDY', 'StudyInstanceUID', 'PatientName']

test('a study is found by each kind of key', { skip }, async () => {
  for (const [key, count] of [
    ['StudyInstanceUID=1.2.0', 1],
    ['StudyInstanceUID=1.2.0\\1.2.2\\1.2.77', 2],
    ['AccessionNumber=A1', 1],
    ['PatientID=*', 4],
    ['PatientID=P?', 4],
    ['PatientName=иванов*', 2],
    ['PatientName=ИВАНОВ ПЁТР СЕРГЕЕВИЧ', 1],
    ['PatientName=Иванов^Петр*', 1],
    ['StudyDate=20260102', 1],
    ['StudyDate=20260102-20260131', 2],
    ['StudyDate=-20251231', 1],
    ['StudyTime=100000-110000', 4],
    ['StudyTime=120000-', 0],
    ['ModalitiesInStudy=CT', 2],
    ['ModalitiesInStudy=CT\\MR', 3],
    ['SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2', 4],
    ['SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.4', 0],
    ['PatientName=Sid*', 1],
    ['PatientName=*IVAN', 1],
  ] as const) {
    const { rows, output } = await find([...utf8, ...study, key])
    assert.equal(rows.length, count, `${key}\n${output.slice(-3000)}`)
    assert.match(output, /DIMSE Status\s*:\s*0x0000/)
  }
})

test(
  'the answer is in the character set of the question, else in one that can say it',
  { skip },
  async () => {
    const name = 'Иванов^Пётр^Сергеевич'
    const ask = async (declared: string | undefined, ae = 'FINDSCU') => {
      const keys = [...study, 'PatientID=P1']
      const more = declared === undefined ? [] : ['-k', `SpecificCharacterSet=${declared}`]
      return tool('findscu', [
        '-d',
        '-S',
        '-aet',
        ae,
        '-aec',
        'CAMI',
        ...more,
        ...keys.flatMap((key) => ['-k', key]),
        '127.0.0.1',
        String(node.port),
      ])
    }
    const declaredIn = (text: string) =>
      [...text.matchAll(/\(0008,0005\) CS \[(.*?)\]/g)].at(-1)?.[1]?.trim()
    for (const [asked, answered] of [
      [undefined, 'ISO_IR 144'],
      ['ISO_IR 100', 'ISO_IR 144'],
      ['ISO_IR 144', 'ISO_IR 144'],
      ['ISO_IR 192', 'ISO_IR 192'],
      ['\\ISO 2022 IR 144', '\\ISO 2022 IR 144'],
      ['ISO 2022 IR 100\\ISO 2022 IR 144', 'ISO 2022 IR 100\\ISO 2022 IR 144'],
      ['GB18030', 'ISO_IR 144'],
    ] as const) {
      const { output, text } = await ask(asked)
      assert.equal(declaredIn(text), answered, text.slice(-1500))
      const bytes = answered === 'ISO_IR 192' ? Buffer.from(name) : cyrillicOf(name)
      if (!answered.includes('2022')) assert.ok(output.includes(bytes), text.slice(-1500))
      else assert.ok(output.includes(Buffer.from([0x1b, 0x2d, 0x4c])))
    }
    assert.equal(declaredIn((await ask('ISO_IR 192', 'OLD')).text), 'ISO_IR 144')
  },
)

/** ISO 8859-5. */
const cyrillicOf = (text: string): Buffer =>
  Buffer.from(
    Array.from(text, (letter) => {
      const code = letter.codePointAt(0) ?? 0
      return code < 0x80 ? code : code - 0x0400 + 0xa0
    }),
  )

test(
  'every level answers with its keys, and with nothing for those it does not know',
  { skip },
  async () => {
    const patient = await find(
      [
        'QueryRetrieveLevel=PATIENT',
        'PatientID=P1',
        'PatientName',
        'NumberOfPatientRelatedStudies',
        'NumberOfPatientRelatedInstances',
        'StudyDate',
      ],
      { root: '-P' },
    )
    assert.equal(patient.rows.length, 1, patient.output.slice(-2000))
    assert.equal(valueOf(patient.rows[0], '0020,1200'), '1')
    assert.equal(valueOf(patient.rows[0], '0020,1204'), '3')
    assert.match(patient.rows[0] ?? '', /\(0008,0020\) DA \(no value available\)/)
    for (const root of ['-P', '-S']) {
      const { rows } = await find(
        [
          'QueryRetrieveLevel=STUDY',
          'PatientID=P1',
          'StudyInstanceUID',
          'ModalitiesInStudy',
          'SOPClassesInStudy',
          'NumberOfStudyRelatedSeries',
          'NumberOfStudyRelatedInstances',
          'InstanceAvailability',
          'StudyDescription',
          'Modality',
        ],
        { root },
      )
      const [row] = rows
      assert.equal(rows.length, 1)
      assert.equal(valueOf(row, '0008,0052'), 'STUDY')
      assert.equal(valueOf(row, '0008,0054'), 'CAMI')
      assert.equal(valueOf(row, '0008,0056'), 'ONLINE')
      assert.equal(valueOf(row, '0008,0061'), 'CT')
      assert.match(row ?? '', /\(0008,0062\) UI =CTImageStorage/)
      assert.equal(valueOf(row, '0020,1206'), '2')
      assert.equal(valueOf(row, '0020,1208'), '3')
      assert.match(row ?? '', /\(0008,1030\) LO \(no value available\)/)
      assert.match(row ?? '', /\(0008,0060\) CS \(no value available\)/)
    }
    const series = await find([
      'QueryRetrieveLevel=SERIES',
      'StudyInstanceUID=1.2.0',
      'SeriesInstanceUID',
      'Modality=CT',
      'NumberOfSeriesRelatedInstances',
      'SeriesDescription',
    ])
    assert.deepEqual(series.rows.map((row) => valueOf(row, '0020,1209')).sort(), ['1', '2'])
    const image = await find([
      'QueryRetrieveLevel=IMAGE',
      'StudyInstanceUID=1.2.0',
      'SeriesInstanceUID=1.2.0.1',
      'SOPInstanceUID',
      'InstanceNumber',
      'SOPClassUID',
      'AvailableTransferSyntaxUID',
    ])
    assert.deepEqual(image.rows.map((row) => valueOf(row, '0020,0013')).sort(), ['1', '3'])
  },
)

test(
  'a series is found by what was ordered, all of it in one item, and says it',
  { skip },
  async () => {
    const sop = '1.2.77.1.1'
    const order = (accession: string, procedure: string): DicomJson => ({
      '00080050': { vr: 'SH', Value: [accession] },
      '00400007': { vr: 'LO', Value: ['КТ лёгких'] },
      '00401001': { vr: 'SH', Value: [procedure] },
    })
    const ordered = encodeDataSet(
      {
        '00080016': { vr: 'UI', Value: [declare(sop).sopClass] },
        '00080018': { vr: 'UI', Value: [sop] },
        '00080060': { vr: 'CS', Value: ['CT'] },
        '00100020': { vr: 'LO', Value: ['P77'] },
        '0020000D': { vr: 'UI', Value: ['1.2.77'] },
        '0020000E': { vr: 'UI', Value: ['1.2.77.1'] },
        '00400275': { vr: 'SQ', Value: [order('R1', 'A'), order('R2', 'B')] },
      },
      { isExplicit: true, encoders: [utf8Encoder] },
    )
    await send(node.archive, ordered, declare(sop))
    const ask = (accession: string, procedure: string) =>
      find([
        ...utf8,
        'QueryRetrieveLevel=SERIES',
        'StudyInstanceUID',
        'SeriesInstanceUID',
        `RequestAttributesSequence[0].AccessionNumber=${accession}`,
        `RequestAttributesSequence[0].RequestedProcedureID=${procedure}`,
      ])
    for (const [accession, procedure, count] of [
      ['R1', '', 1],
      ['R*', 'B', 1],
      ['R2', 'B', 1],
      ['R1', 'B', 0],
      ['R3', '', 0],
    ] as const) {
      const { rows, output } = await ask(accession, procedure)
      assert.equal(rows.length, count, `${accession} ${procedure}\n${output.slice(-3000)}`)
      assert.doesNotMatch(output, /0xff01/)
    }
    const { output } = await ask('R1', '')
    assert.match(output, /\(0040,1001\) SH \[A ?\][^]*\(0040,1001\) SH \[B ?\]/)
    assert.doesNotMatch(output, /\(0040,0007\)/)
    const study = await find([
      'QueryRetrieveLevel=STUDY',
      'StudyInstanceUID',
      'RequestAttributesSequence[0].AccessionNumber=R2',
    ])
    assert.deepEqual(
      study.rows.map((row) => valueOf(row, '0020,000d')),
      ['1.2.77'],
    )
  },
)

test('what is counted of a patient is all that the patient has', { skip }, async () => {
  for (const [study, patientId, slices] of [
    ['1.2.80', 'P8', 1],
    ['1.2.81', 'P9', 3],
  ] as const) {
    for (let number = 1; number <= slices; number++) {
      const sop = `${study}.1.${number}`
      await sendSlice(node.archive, { study, series: `${study}.1`, sop, number, patientId })
    }
  }
  await node.archive.overlay(correctionProof('patients'), {
    kind: 'merge',
    target: { level: 'patient', id: 'P9', issuer: '' },
    survivor: { id: 'P8', issuer: '', name: '', birthDate: '', sex: '' },
  })
  const counts = [
    'NumberOfPatientRelatedStudies',
    'NumberOfPatientRelatedSeries',
    'NumberOfPatientRelatedInstances',
  ]
  for (const keys of [
    ['PatientID=P8'],
    ['PatientID=P9'],
    ['PatientID=P8', 'StudyInstanceUID=1.2.80'],
    ['PatientID=P?', 'StudyInstanceUID=1.2.81'],
  ]) {
    const asked = ['QueryRetrieveLevel=PATIENT', ...keys, ...counts]
    const { rows } = await find(asked, { root: '-P' })
    const told = rows.map((row) =>
      ['0010,0020', '0020,1200', '0020,1202', '0020,1204'].map((tag) => valueOf(row, tag)),
    )
    assert.deepEqual(told, [['P8', '2', '2', '4']], keys.join(' '))
  }
})

test('a study is answered with what it was found by in its series', { skip }, async () => {
  for (const [root, key, tag, value] of [
    ['-S', 'InstitutionName=Q*', '0008,0080', 'QMC'],
    ['-S', 'Modality=CT', '0008,0060', 'CT'],
    ['-P', 'StudyDate=2026-', '0008,0020', '20260102'],
  ] as const) {
    const level = root === '-S' ? study : ['QueryRetrieveLevel=PATIENT', 'PatientName']
    const { rows, output } = await find([...level, 'PatientID=P1', key], { root })
    assert.deepEqual(
      rows.map((row) => valueOf(row, tag)),
      [value],
    )
    assert.doesNotMatch(output, /0xff01/)
  }
})

test('a key that is not supported makes the answers say so', { skip }, async () => {
  for (const key of [
    'AdmissionID=7',
    'AdmissionID',
    'ReferencedStudySequence[0].ReferencedSOPInstanceUID=1.2',
    'Modality',
  ]) {
    const { output, rows } = await find([...study, 'PatientID=P1', key])
    assert.equal(rows.length, 1)
    assert.match(output, /0xff01/)
  }
})

test('what is no query is refused with A900, and told which key is why', { skip }, async () => {
  for (const [comment, tag, ...keys] of [
    ['not a level of this model: QueryRetrieveLevel', '0008,0052', 'QueryRetrieveLevel=PATIENT'],
    ['not a level of this model: QueryRetrieveLevel', '0008,0052', 'QueryRetrieveLevel=study'],
    ['missing: QueryRetrieveLevel', '0008,0052', 'StudyInstanceUID'],
    ['not a UID: StudyInstanceUID', '0020,000d', ...study, 'StudyInstanceUID=1.2.*'],
    ['not a date or time: StudyDate', '0008,0020', ...study, 'StudyDate=tomorrow'],
    [
      'not a UID: StudyInstanceUID',
      '0020,000d',
      ...study,
      'RequestAttributesSequence[0].StudyInstanceUID=A',
    ],
  ] as const) {
    const { output } = await find(keys)
    assert.match(output, /0xa900/, keys.join(' '))
    assert.match(output, new RegExp(`\\(0000,0901\\) AT \\(${tag}\\)`), output.slice(-1500))
    assert.match(output, new RegExp(`\\(0000,0902\\) LO \\[${comment} ?\\]`))
    assert.doesNotMatch(output, /\(0000,0902\).*tomorrow/)
  }
})

test('devices without that service and strangers may not even propose it', { skip }, async () => {
  for (const ae of ['STORESCU', 'NOBODY']) {
    const { output } = await find([...study], { ae })
    assert.match(output, /No Acceptable Presentation Contexts/i)
  }
})

test('a query that is cancelled ends with FE00, and each one is audited', { skip }, async () => {
  const { output } = await find(study, { more: ['--cancel', '1'] })
  assert.match(output, /0xfe00|0x0000/)
  const queries = node.audited.filter(({ event }) => event === 'query')
  assert.ok(
    queries.some(
      ({ user, role, outcome }) => user === 'FINDSCU' && role === 'device' && outcome === 'success',
    ),
  )
})
