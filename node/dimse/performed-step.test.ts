import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { openTestArchive, sendSlice, temporaryFolder } from '../archive/archive.fixture.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { silentLog } from '../log.ts'
import { openProcedureSteps } from '../store/procedure-steps.ts'
import { openRecords } from '../store/records.ts'
import { openReferrals, type NewReferral } from '../store/referrals.ts'
import {
  answering,
  beginning,
  ending,
  made,
  openModality,
  state,
  value,
} from './performed-step.fixture.ts'
import { createPerformedStep } from './performed-step.ts'
import { startScp } from './scp.fixture.ts'
import { until } from './units.fixture.ts'

async function startNode(fail: () => void = () => undefined) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const archiveFolder = stack.use(await temporaryFolder())
  const archive = stack.use(await openTestArchive(archiveFolder.path))
  const records = stack.use(await openRecords(folder.path))
  const referrals = await openReferrals({ records, clock: Date.now, random: randomBytes })
  const steps = await openProcedureSteps(records)
  const audited: AuditEntry[] = []
  const failing: typeof referrals = {
    ...referrals,
    async progress(id, step) {
      fail()
      return referrals.progress(id, step)
    },
  }
  const deps = { steps, referrals: failing, archive, organization: '1.2.643.1', log: silentLog }
  const audit = async (entry: AuditEntry) => {
    fail()
    audited.push(entry)
  }
  const rest = { audit, clock: Date.now, random: randomBytes }
  const service = stack.use(createPerformedStep({ ...deps, ...rest }))
  const devices = ['STORESCU', 'OTHER'].map((aeTitle) => ({
    id: aeTitle.toLowerCase(),
    aeTitle,
    addresses: ['127.0.0.1'],
    modality: 'CT',
    startDate: '2020-01-01',
  }))
  const scp = stack.use(await startScp({ archive, services: [service], devices }))
  const owned = stack.move()
  return {
    archive,
    records,
    referrals,
    steps,
    audited,
    port: scp.port,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const referral = {
  accessionNumber: 'A-1',
  patient: { id: '17', name: 'Иванов^Пётр' },
  steps: [{ id: 'S1', modality: 'CT', startDate: '20261201' }],
} as NewReferral

test('a step stands and is answered, also when its referral cannot be read', async () => {
  await using node = await startNode()
  const { id } = await node.referrals.create(referral, 'x')
  await using modality = await openModality(node.port)
  const item = { '00080050': value('SH', 'A-1'), '0020000D': value('UI', '1.2.3') }
  const begun = { ...beginning, ...answering(item) }
  for (const sop of ['1.8', '1.9']) assert.equal((await modality.create(sop, begun)).status, 0)
  await modality.set('1.8', { ...ending('COMPLETED'), ...made('1.2.3.4') })
  await node.records.put('referral-closed', id, { of: 'a later version' })
  const end = { ...ending('COMPLETED'), ...made('1.2.3.5') }
  assert.equal((await modality.set('1.9', end)).status, 0)
  assert.equal((await node.steps.get('1.9')).state, 'completed')
  assert.equal(node.audited.at(-1)?.detail, 'performed step completed, without referral')
  // Said twice it is refused as what may change no longer, not as what the device should try again.
  assert.match((await modality.set('1.9', end)).comment, /may no longer be updated/)
  assert.equal((await modality.create('1.10', begun)).status, 0)
  assert.equal((await node.steps.get('1.10')).scheduled, undefined)
})

test('a step that begins and ends moves its referral on, and completes the study at once', async () => {
  await using node = await startNode()
  const { id } = await node.referrals.create(referral, 'x')
  await using modality = await openModality(node.port)
  const item = { '00080050': value('SH', 'A-1'), '0020000D': value('UI', '1.2.3') }
  const created = await modality.create('1.9', { ...beginning, ...answering(item) })
  assert.deepEqual([created.status, created.sopUid], [0, '1.9'])
  assert.equal((await node.referrals.get(id)).state, 'in-progress')
  await sendSlice(node.archive, { study: '1.2.3', series: '1.2.3.1', sop: '1.2.3.4' })
  const ended = await modality.set('1.9', { ...ending('COMPLETED'), ...made('1.2.3.4', '1.2.3.5') })
  assert.equal(ended.status, 0)
  const { state: end, steps } = await node.referrals.get(id)
  assert.deepEqual([end, steps[0]?.performed], ['completed', ['1.9']])
  const study = async () => (await node.archive.record('1.2.3' as StudyUid))?.state
  assert.equal(await study(), 'open')
  await sendSlice(node.archive, { study: '1.2.3', series: '1.2.3.1', sop: '1.2.3.5' })
  await until(() => node.steps.awaiting().length === 0)
  assert.equal(await study(), 'complete')
  assert.deepEqual(
    node.audited.map(({ event, detail }) => [event, detail]),
    [
      ['procedure-record', 'performed step in-progress'],
      ['procedure-record', 'performed step completed'],
    ],
  )
})

test('a step begins in progress, ends once, and belongs to its device', async () => {
  await using node = await startNode()
  await using modality = await openModality(node.port)
  await using other = await openModality(node.port, { ae: 'OTHER' })
  const over = { ...beginning, ...ending('COMPLETED') }
  assert.equal((await modality.create('1.9', over)).status, 0x0106)
  assert.equal((await modality.create('1.9', beginning)).status, 0)
  assert.equal((await modality.create('1.9', beginning)).status, 0x0111)
  assert.equal((await modality.set('1.8', ending('COMPLETED'))).status, 0x0112)
  assert.equal((await modality.set('1.9', ending('FINISHED'))).status, 0x0106)
  assert.equal((await other.set('1.9', ending('COMPLETED'))).status, 0x0124)
  assert.equal((await modality.set('1.9', { '00400254': value('LO', 'КТ') })).status, 0)
  assert.equal((await modality.set('1.9', ending('DISCONTINUED'))).status, 0)
  const late = await modality.set('1.9', ending('COMPLETED'))
  assert.equal(late.status, 0x0110)
  const step = await node.steps.get('1.9')
  assert.deepEqual(
    [step.state, step.device, step.scheduled],
    ['discontinued', 'storescu', undefined],
  )
  assert.deepEqual(step.attributes['00400254'], value('LO', 'КТ'))
})

test('a step that does not say what it must when it begins is refused, and told what it is', async () => {
  await using node = await startNode()
  await using modality = await openModality(node.port)
  const without = (tag: string) =>
    Object.fromEntries(Object.entries<DicomJson[string]>(beginning).filter(([one]) => one !== tag))
  for (const tag of Object.keys(beginning)) {
    const { status, attributes } = await modality.create('1.9', without(tag))
    assert.deepEqual([status, attributes], [0x0120, [Number.parseInt(tag, 16)]])
  }
  const asked = await modality.create('1.9', state('IN PROGRESS'))
  assert.equal(asked.attributes?.length, Object.keys(beginning).length - 1)
  assert.match(asked.comment, /^missing: Modality/)
  for (const tag of Object.keys(beginning)) {
    const { vr = '' } = (beginning as DicomJson)[tag] ?? {}
    const { status, attributes } = await modality.create('1.9', { ...beginning, [tag]: { vr } })
    assert.deepEqual([status, attributes], [0x0121, [Number.parseInt(tag, 16)]])
  }
  const ofNoStudy = { ...beginning, ...answering({ '00080050': value('SH', 'A-1') }) }
  const { status, attributes } = await modality.create('1.9', ofNoStudy)
  assert.deepEqual([status, attributes], [0x0120, [0x0020000d]])
  await assert.rejects(node.steps.get('1.9'))
})

test('a step ends with its date and time, said then or before', async () => {
  await using node = await startNode()
  await using modality = await openModality(node.port)
  await modality.create('1.9', beginning)
  for (const text of ['COMPLETED', 'DISCONTINUED']) {
    const { status, attributes } = await modality.set('1.9', state(text))
    assert.deepEqual([status, attributes], [0x0120, [0x00400250, 0x00400251]])
  }
  const timeless = await modality.set('1.9', { ...ending('COMPLETED'), '00400251': { vr: 'TM' } })
  assert.deepEqual([timeless.status, timeless.attributes], [0x0121, [0x00400251]])
  assert.equal((await node.steps.get('1.9')).state, 'in-progress')
  const { '00400250': date, '00400251': time } = ending('COMPLETED')
  assert.equal((await modality.set('1.9', { '00400250': date, '00400251': time })).status, 0)
  assert.equal((await modality.set('1.9', state('COMPLETED'))).status, 0)
})

test('a step without a UID gets one, and one without a number finds its referral by the study', async () => {
  await using node = await startNode()
  const { id, study } = await node.referrals.create(referral, 'x')
  await using modality = await openModality(node.port)
  const item = { '0020000D': value('UI', study), '00400009': value('SH', 'S1') }
  const { sopUid } = await modality.create('', { ...beginning, ...answering(item) })
  assert.match(sopUid, /^2\.25\.\d+$/)
  assert.deepEqual((await node.steps.get(sopUid)).scheduled, { referral: id, step: 'S1' })
  await modality.set(sopUid, ending('DISCONTINUED'))
  assert.equal((await node.referrals.get(id)).state, 'discontinued')
})

test('what was said at the beginning stays, whatever a device says at the end', async () => {
  await using node = await startNode()
  await using modality = await openModality(node.port)
  const item = (study: string) => answering({ '0020000D': value('UI', study) })
  const begun = { '00100020': value('LO', '17'), '00400253': value('SH', 'P1'), ...item('1.2.3') }
  await modality.create('1.9', { ...beginning, ...begun })
  // Another patient's study, which is complete only when its own device says so.
  await sendSlice(node.archive, { study: '1.2.7', series: '1.2.7.1', sop: '1.2.7.4' })
  const ended = await modality.set('1.9', {
    ...ending('COMPLETED'),
    ...made('1.2.7.4'),
    ...item('1.2.7'),
    '00100020': value('LO', '18'),
    '00380010': value('LO', 'A'),
    '00400253': value('SH', 'P2'),
    '00400254': value('LO', 'CT'),
  })
  assert.equal(ended.status, 0)
  const { attributes, made: instances } = await node.steps.get('1.9')
  const { '00100020': patient, '00400253': id, '00400254': description } = attributes
  assert.deepEqual([patient, id], [begun['00100020'], begun['00400253']])
  assert.deepEqual(attributes['00400270'], item('1.2.3')['00400270'])
  assert.equal('00380010' in attributes, false)
  assert.deepEqual(description, value('LO', 'CT'))
  assert.deepEqual(instances, [{ study: '1.2.3', sop: '1.2.7.4' }])
  assert.equal((await node.archive.record('1.2.7' as StudyUid))?.state, 'open')
})

test('a step that is completed without a series ends its referral, is noticed, and completes no study', async () => {
  await using node = await startNode()
  const { id, study } = await node.referrals.create(referral, 'x')
  await using modality = await openModality(node.port)
  const item = { '0020000D': value('UI', study) }
  await modality.create('1.9', { ...beginning, ...answering(item) })
  await sendSlice(node.archive, { study, series: '1.2.3.1', sop: '1.2.3.4' })
  assert.equal((await modality.set('1.9', ending('COMPLETED'))).status, 0)
  assert.equal((await node.referrals.get(id)).state, 'completed')
  assert.equal((await node.archive.record(study))?.state, 'open')
  assert.equal(node.audited.at(-1)?.detail, 'performed step completed, without series')
})

test('a step whose end was written but not answered completes its study, and its referral when it is said again', async () => {
  let isBroken = false
  await using node = await startNode(() => {
    if (isBroken) throw new ProtocolError('storage_failed', 'the disk is full')
  })
  const { study } = await node.referrals.create(referral, 'anna')
  await using ct = await openModality(node.port)
  const item = { '00080050': value('SH', 'A-1'), '0020000D': value('UI', study) }
  await ct.create('1.2.7.1', { ...beginning, ...answering(item) })
  const slice = { study, series: '1.2.3.1', sop: '1.2.3.4' }
  await sendSlice(node.archive, slice)
  isBroken = true
  const end = { ...ending('COMPLETED'), ...made('1.2.3.4') }
  assert.notEqual((await ct.set('1.2.7.1', end)).status, 0)
  isBroken = false
  await until(() => node.steps.awaiting().length === 0)
  const [open] = node.referrals.open()
  assert.equal(open?.state, 'in-progress')
  assert.equal((await ct.set('1.2.7.1', end)).status, 0x0110)
  assert.deepEqual(node.referrals.open(), [])
  assert.equal((await node.referrals.find('A-1'))?.state, 'completed')
})
