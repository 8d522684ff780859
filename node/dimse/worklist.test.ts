import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { textOf } from '../archive/attribute-levels.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { readPart10File } from '../dicom/part10.ts'
import { openRecords } from '../store/records.ts'
import { openReferrals, type NewReferral, type Referrals } from '../store/referrals.ts'
import { readIdentifier } from './identifier.ts'
import { itemsOf } from './items.ts'
import { createMemoryIngest, hasDcmtk, startScp } from './scp.fixture.ts'
import type { Scp } from './scp.ts'
import { createWorklist } from './worklist.ts'

const skip = (await hasDcmtk()) ? false : 'dcmtk is not installed'
const run = promisify(execFile)

const stack = new AsyncDisposableStack()
let scp: Scp & { audited: AuditEntry[] }
let referrals: Referrals
let dir: string

const step = (change: object) => ({ id: 'S1', modality: 'CT', startDate: '20261201', ...change })

before(async () => {
  const folder = await temporaryFolder()
  const records = await openRecords(folder.path)
  dir = await mkdtemp(path.join(folder.path, 'answers-'))
  referrals = await openReferrals({ records, clock: Date.now, random: randomBytes })
  const audited: AuditEntry[] = []
  const audit = async (entry: AuditEntry) => void audited.push(entry)
  const worklist = createWorklist({ referrals, organization: '1.2.643.1', audit })
  const devices = ['STORESCU', 'OLD', 'QUERY'].map((aeTitle) => ({
    id: aeTitle.toLowerCase(),
    aeTitle,
    addresses: ['127.0.0.1'],
    modality: 'CT',
    startDate: '2020-01-01',
    ...(aeTitle === 'OLD' && { characterSet: 'ISO_IR 144' }),
    ...(aeTitle === 'QUERY' && { services: ['query' as const] }),
  }))
  const subnets = ['127.0.0.0/8']
  const server = await startScp({
    ...createMemoryIngest(),
    services: [worklist],
    devices,
    quarantineSubnets: subnets,
  })
  scp = Object.assign(server, { audited })
  stack.defer(() => rm(folder.path, { recursive: true, force: true }))
  stack.use(records)
  stack.use(server)
  const make = async (given: object) => referrals.create(given as NewReferral, 'x')
  await make({
    accessionNumber: 'A-1',
    patient: { id: '17', name: 'Иванов^Пётр', birthDate: '19700102', sex: 'M' },
    urgency: 'emergency',
    procedure: { id: 'P1', description: 'КТ органов грудной клетки' },
    steps: [step({ stationAe: 'CT1', startTime: '101500', description: 'КТ ОГК' })],
  })
  await make({
    accessionNumber: 'A-2',
    patient: { id: '18', name: 'Сидорова^Анна' },
    steps: [
      step({ id: 'S1', startTime: '090000', stationAe: 'CT2' }),
      step({ id: 'S2', modality: 'US', startDate: '20261203' }),
    ],
  })
  const cancelled = await make({
    accessionNumber: 'A-3',
    patient: { id: '19', name: 'X' },
    steps: [step({})],
  })
  await referrals.cancel(cancelled.id)
})
after(() => stack.disposeAsync())

const scheduled = (name: string) => `ScheduledProcedureStepSequence[0].${name}`

/** Asks with findscu; the answers as they came, and what they say. */
async function find(keys: readonly string[], ae = 'STORESCU') {
  const to = await mkdtemp(path.join(dir, 'q-'))
  const args = ['-d', '-W', '-X', '-od', to, '-aet', ae, '-aec', 'CAMI', '127.0.0.1', `${scp.port}`]
  const all = ['AccessionNumber', 'PatientName', scheduled('ScheduledProcedureStepID'), ...keys]
  const env = { ...process.env, TCP_NODELAY: '1' }
  const { stdout, stderr } = await run('findscu', [...all.flatMap((key) => ['-k', key]), ...args], {
    env,
  }).catch((error: { stdout: string; stderr: string }) => error)
  const answers: { bytes: Uint8Array; keys: DicomJson; characterSet: string[] }[] = []
  for (const name of (await readdir(to)).sort()) {
    const file = readPart10File(await readFile(path.join(to, name)))
    const bytes = Buffer.from(file.dataSet)
    answers.push({ bytes, ...(await readIdentifier(bytes, file.transferSyntax)) })
  }
  return { answers, output: stdout + stderr }
}

/** `number step` of each answer. */
async function found(...keys: string[]): Promise<string[]> {
  const { answers } = await find(keys)
  return answers.map(({ keys }) => {
    const [item = {}] = itemsOf(keys, '00400100')
    return `${textOf(keys, '00080050')} ${textOf(item, '00400009')}`
  })
}

test('steps are found by station, modality, date, patient and number', { skip }, async () => {
  assert.deepEqual(await found(), ['A-2 S1', 'A-1 S1', 'A-2 S2'])
  assert.deepEqual(await found('PatientID=17'), ['A-1 S1'])
  assert.deepEqual(await found('AccessionNumber=A-2'), ['A-2 S1', 'A-2 S2'])
  assert.deepEqual(await found(scheduled('Modality=US')), ['A-2 S2'])
  // The ultrasound is for whatever apparatus asks.
  assert.deepEqual(await found(scheduled('ScheduledStationAETitle=CT1')), ['A-1 S1', 'A-2 S2'])
  assert.deepEqual(await found(scheduled('ScheduledProcedureStepStartDate=20261203')), ['A-2 S2'])
  assert.deepEqual(await found(scheduled('ScheduledProcedureStepStartDate=-20261202')), [
    'A-2 S1',
    'A-1 S1',
  ])
})

test('a range of dates and one of times are one range', { skip }, async () => {
  const between = async (date: string, time: string) =>
    found(
      scheduled(`ScheduledProcedureStepStartDate=${date}`),
      scheduled(`ScheduledProcedureStepStartTime=${time}`),
    )
  assert.deepEqual(await between('20261201-20261203', '1000-1100'), ['A-1 S1', 'A-2 S2'])
  assert.deepEqual(await between('20261201', '1000-1100'), ['A-1 S1'])
  // A range without ends is any time.
  assert.deepEqual(await between('-', '-'), await between('', ''))
  assert.deepEqual(await between('20261201', '-'), await between('20261201', ''))
})

test('a key that is not matched on makes the answers say so', { skip }, async () => {
  const statuses = async (...keys: string[]) => {
    const { output } = await find(keys)
    return [...output.matchAll(/DIMSE Status\s*:\s*0x([0-9a-f]+)/g)].map(([, code]) => code)
  }
  assert.deepEqual(await statuses('PatientID=17'), ['ff00', '0000'])
  assert.deepEqual(await statuses('PatientID=17', 'PatientWeight', '0040,1008'), ['ff00', '0000'])
  for (const key of [
    '0040,1008=XX',
    scheduled('ScheduledProtocolCodeSequence[0].CodeValue=CT'),
    'ReferencedStudySequence[0].ReferencedSOPInstanceUID=1.2',
  ]) {
    assert.deepEqual(await statuses('PatientID=17', key), ['ff01', '0000'], key)
  }
})

test('a key that means nothing is refused with A900', { skip }, async () => {
  for (const key of [
    scheduled('ScheduledProcedureStepStartDate=foo'),
    scheduled('ScheduledProcedureStepStartTime=noon'),
    'StudyInstanceUID=1.2.*',
  ]) {
    const { answers, output } = await find([key])
    assert.equal(answers.length, 0)
    assert.match(output, /DIMSE Status\s*:\s*0xa900/, key)
  }
})

test('a name is found in any case and script of its device', { skip }, async () => {
  const keys = ['SpecificCharacterSet=ISO_IR 192', 'PatientName=ИВАНОВ*']
  const { answers } = await find(keys)
  assert.equal(answers.length, 1)
  assert.equal(textOf(answers[0]?.keys ?? {}, '00100010'), 'Иванов^Пётр')
  assert.deepEqual(answers[0]?.characterSet, ['ISO_IR 192'])
  const old = await find(['SpecificCharacterSet=ISO_IR 192', 'PatientID=17'], 'OLD')
  assert.deepEqual(old.answers[0]?.characterSet, ['ISO_IR 144'])
  assert.equal(textOf(old.answers[0]?.keys ?? {}, '00100010'), 'Иванов^Пётр')
})

test('an answer has what was asked for and nothing else', { skip }, async () => {
  const { answers } = await find([
    'PatientID=17',
    'RequestedProcedurePriority',
    'StudyInstanceUID',
    'PatientWeight',
    'ReferencedStudySequence',
    scheduled('ScheduledProcedureStepStatus'),
  ])
  const { keys = {} } = answers[0] ?? {}
  assert.deepEqual(Object.keys(keys).sort(), [
    '00080005',
    '00080050',
    '00081110',
    '00100010',
    '00100020',
    '00101030',
    '0020000D',
    '00400100',
    '00401003',
  ])
  assert.equal(textOf(keys, '00401003'), 'STAT')
  const [item = {}] = itemsOf(keys, '00400100')
  assert.deepEqual(Object.keys(item).sort(), ['00400009', '00400020'])
  assert.equal(textOf(item, '00400020'), 'SCHEDULED')
})

test(
  'only registered devices that may have it get the worklist, and it is audited',
  { skip },
  async () => {
    for (const ae of ['STRANGER', 'QUERY']) {
      const { answers, output } = await find([], ae)
      assert.equal(answers.length, 0)
      assert.match(output, /No Acceptable Presentation Contexts/i)
    }
    await find(['PatientID=17'])
    const last = scp.audited.at(-1)
    assert.deepEqual([last?.event, last?.detail, last?.role], ['query', 'worklist: 1', 'device'])
  },
)
