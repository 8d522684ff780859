import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { silentLog } from '../log.ts'
import { damageRow } from './damage.fixture.ts'
import { openDeviceClocks } from './device-clocks.ts'
import { openDeviceRegister } from './device-register.ts'
import { openJobQueue } from './job-queue.ts'
import { takeDevices } from './noticed-devices.ts'
import { openProcedureSteps, type ProcedureStep } from './procedure-steps.ts'
import { openRecords, type Records } from './records.ts'
import { openReferrals, type NewReferral } from './referrals.ts'
import { agreeingStudies, openTextEncodings } from './text-encodings.ts'

type Row = { kind: string; key: string; value: unknown }

/** Records, and what a log heard of them, with a row of another version and a row with a flipped bit. */
async function openWith(malformed: readonly Row[], damaged: readonly Row[] = []) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  {
    await using records = await openRecords(folder.path)
    for (const { kind, key, value } of [...malformed, ...damaged]) {
      await records.put(kind, key, value)
    }
  }
  for (const { kind, key } of damaged) await damageRow(folder.path, kind, key)
  const said: unknown[] = []
  const log = { error: (about: unknown) => void said.push(about) }
  const records = stack.use(await openRecords(folder.path, { log }))
  const owned = stack.move()
  return {
    records,
    said,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const Known = z.strictObject({ name: z.string() })
const later = { of: 'a later version' }
const clock = () => 1_000_000
const onError = (error: unknown): never => {
  throw error
}
const counted = (records: Records) => Object.fromEntries(records.unreadable())

test('rows that a schema does not read are counted and told once, and keep nobody from the others', async () => {
  await using opened = await openWith(
    [
      { kind: 'thing', key: 'a', value: later },
      { kind: 'thing', key: 'b', value: { name: 'b' } },
      { kind: 'thing', key: 'd', value: { name: 'd' } },
      { kind: 'other', key: 'x', value: later },
    ],
    [{ kind: 'thing', key: 'c', value: { name: 'c' } }],
  )
  const { records, said } = opened
  const load = async () => records.load('thing', Known, { mayLogKeys: true })
  for (const { rows, unreadable } of [await load(), await load()]) {
    assert.deepEqual([...rows.values()], [{ name: 'b' }, { name: 'd' }])
    assert.deepEqual([...unreadable], ['a', 'c'])
  }
  assert.deepEqual(said, [{ kind: 'thing', rows: 2, keys: ['a', 'c'] }])
  await records.load('other', Known)
  assert.deepEqual(said.at(-1), { kind: 'other', rows: 1 }, 'no keys unless they may be told')
  assert.deepEqual(counted(records), { thing: 2, other: 1 })
  // Others that read the kind are not told that all is well.
  await assert.rejects(records.get('thing', 'c'), { code: 'storage_corrupt' })
})

test('a limit is of rows that can be read, so that a page is never short before the end', async () => {
  await using opened = await openWith([
    { kind: 'thing', key: 'a', value: later },
    { kind: 'thing', key: 'b', value: { name: 'b' } },
    { kind: 'thing', key: 'c', value: later },
    { kind: 'thing', key: 'd', value: { name: 'd' } },
    { kind: 'thing', key: 'e', value: { name: 'e' } },
  ])
  const keysOf = async (options: { after?: string; limit?: number; keys?: string[] }) => [
    ...(await opened.records.load('thing', Known, options)).rows.keys(),
  ]
  assert.deepEqual(await keysOf({ limit: 2 }), ['b', 'd'])
  assert.deepEqual(await keysOf({ after: 'b', limit: 1 }), ['d'])
  assert.deepEqual(await keysOf({ keys: ['e', 'a', 'gone'] }), ['e'])
})

test('one row that cannot be read is storage_corrupt, until another is written in its place', async () => {
  await using opened = await openWith(
    [{ kind: 'thing', key: 'a', value: later }],
    [{ kind: 'thing', key: 'b', value: { name: 'b' } }],
  )
  const { records } = opened
  const find = async (key: string) => records.find('thing', key, Known)
  await assert.rejects(find('a'), { code: 'storage_corrupt' })
  await assert.rejects(find('b'), { code: 'storage_corrupt' })
  assert.equal(await find('c'), undefined)
  assert.deepEqual(counted(records), { thing: 2 })
  await records.put('thing', 'a', { name: 'a' })
  assert.deepEqual(await find('a'), { name: 'a' })
  assert.deepEqual(counted(records), { thing: 1 })
  await records.del('thing', 'b')
  assert.deepEqual(counted(records), { thing: 0 })
})

test('a device that cannot be read is unknown, whatever configuration and operator say of it', async () => {
  const device = (id: string) => ({
    id,
    aeTitle: id.toUpperCase(),
    addresses: ['10.0.0.1'],
    modality: 'CT',
    startDate: '2026-01-01',
  })
  await using opened = await openWith(
    [
      { kind: 'device', key: 'a', value: { ...device('a'), services: ['telepathy'] } },
      { kind: 'device', key: 'c', value: device('c') },
    ],
    [{ kind: 'device', key: 'b', value: device('b') }],
  )
  const { records } = opened
  const before = await records.load('device', z.unknown())
  const register = await openDeviceRegister({ records, seeds: ['a', 'b', 'd'].map(device) })
  const listed = () => register.list().map(({ id }) => id)
  assert.deepEqual(listed(), ['d', 'c'])
  const notices = ['a', 'b', 'e'].map((id) => ({ ...device(id), status: 'scheduled' as const }))
  await takeDevices(register, notices, silentLog)
  assert.deepEqual(listed(), ['d', 'c', 'e'])
  assert.equal(register.get('a'), undefined)
  assert.deepEqual((await records.load('device', z.unknown())).rows.get('a'), before.rows.get('a'))
  assert.deepEqual(counted(records), { device: 2 })
  // The administrator says anew what it is.
  await register.put(device('b'))
  assert.ok(register.get('b'))
  await takeDevices(register, notices, silentLog)
  assert.deepEqual(listed(), ['d', 'c', 'e', 'b'])
  assert.deepEqual(counted(records), { device: 1 })
})

test('an encoding that cannot be read is asked for again, and nothing that is learned takes its place', async () => {
  await using opened = await openWith(
    [
      { kind: 'text-encoding', key: 'ct', value: { device: 'ct', encoding: 'cp-2000' } },
      { kind: 'text-learning', key: 'mr', value: later },
    ],
    [{ kind: 'text-encoding', key: 'us', value: later }],
  )
  const { records } = opened
  const open = async () => openTextEncodings({ records, clock, onError })
  const encodings = await open()
  assert.deepEqual(encodings.list(), [])
  for (const device of ['ct', 'us', 'mr']) {
    for (let study = 0; study < agreeingStudies; study++) {
      encodings.learn(device, `1.2.${study}`, 'koi8-r')
    }
  }
  // Changes are made in turn: what was learned is written before what a person says.
  await encodings.pin('dx', 'utf-8', 'ivanova')
  assert.deepEqual(
    encodings.list().map(({ device }) => device),
    ['mr', 'dx'],
  )
  assert.deepEqual(counted(records), { 'text-encoding': 2, 'text-learning': 0 })
  await encodings.pin('ct', 'utf-8', 'ivanova')
  await encodings.unpin('us')
  assert.deepEqual(counted(records), { 'text-encoding': 0, 'text-learning': 0 })
  encodings.learn('us', '1.2.9', 'koi8-r')
  await encodings.pin('dx', 'utf-8', 'ivanova')
  assert.ok(await records.get('text-learning', 'us'))
  assert.equal((await open()).get('ct')?.encoding, 'utf-8')
})

test('what a clock showed and cannot be read is learned anew', async () => {
  await using opened = await openWith(
    [{ kind: 'device-clock', key: 'ct', value: later }],
    [{ kind: 'device-clock', key: 'us', value: later }],
  )
  const { records } = opened
  const clocks = await openDeviceClocks({ records, onError })
  assert.deepEqual(
    clocks.suggestions(() => 0),
    [],
  )
  for (const study of ['1.1', '1.2', '1.3']) clocks.learn('ct', study, 60)
  assert.deepEqual(
    clocks.suggestions(() => 0),
    [{ device: 'ct', aheadMinutes: 60, studies: 3 }],
  )
  const isKept = async (): Promise<boolean> =>
    JSON.stringify(await records.get('device-clock', 'ct')).includes('1.3')
  while (!(await isKept())) continue
  assert.deepEqual(counted(records), { 'device-clock': 1 })
})

const ids = ['A1', 'A2', 'A3'].map((last) => `01J000000000000000000000${last}`)

test('a job that cannot be read is not run, and the others are', async () => {
  const [first = '', second = '', third = ''] = ids
  const times = { dueAt: 0, createdAt: 0, changedAt: 0 }
  const job = (id: string) => ({ id, state: 'waiting', attempts: 0, work: { name: id }, ...times })
  const row = (id: string, value: unknown): Row => ({ kind: 'send', key: id, value })
  await using opened = await openWith(
    [row(first, { ...job(first), work: later }), row(second, job(second))],
    [row(third, job(third))],
  )
  const { records } = opened
  const deps = { records, kind: 'send', work: Known, clock, random: randomBytes }
  const queue = await openJobQueue(deps)
  assert.deepEqual(
    queue.ahead().due.map(({ id }) => id),
    [second],
  )
  for (const id of [first, third]) {
    await assert.rejects(queue.retry(id), { code: 'not_found' })
    await assert.rejects(queue.cancel(id), { code: 'not_found' })
  }
  await queue.succeed(second)
  await queue.add({ name: 'new' })
  assert.deepEqual(counted(records), { send: 2 })
})

test('a performed step that cannot be read is not waited for, and is not made anew', async () => {
  const step = (sop: string): ProcedureStep => ({
    sop,
    state: 'completed',
    device: 'ct',
    attributes: {},
    made: [{ study: '1.2' as StudyUid, sop: '1.2.3' as SopUid }],
    createdAt: 0,
    changedAt: 0,
  })
  const kind = 'procedure-step'
  const waiting = (key: string): Row => ({ kind: 'procedure-step-awaited', key, value: true })
  await using opened = await openWith(
    [
      { kind, key: '1.1', value: { ...step('1.1'), state: 'suspended' } },
      { kind, key: '1.2', value: step('1.2') },
      ...['1.1', '1.2', '1.3', '1.5'].map(waiting),
    ],
    [{ kind, key: '1.3', value: step('1.3') }, waiting('1.4')],
  )
  const { records, said } = opened
  const steps = await openProcedureSteps(records)
  assert.deepEqual(
    steps.awaiting().map(({ sop }) => sop),
    ['1.2'],
  )
  await assert.rejects(steps.get('1.3'), { code: 'storage_corrupt' })
  await assert.rejects(
    steps.change('1.1', (known) => known),
    { code: 'storage_corrupt' },
  )
  await assert.rejects(steps.create(step('1.1')), { code: 'conflict' })
  await assert.rejects(steps.create(step('1.3')), { code: 'storage_corrupt' })
  assert.deepEqual(counted(records), { [kind]: 2, 'procedure-step-awaited': 1 })
  assert.ok(!JSON.stringify(said).includes('1.3'), 'a UID is of a patient')
})

test('a referral that cannot be read is shown to nobody, and its number stays taken', async () => {
  const given = (accessionNumber: string) =>
    ({
      accessionNumber,
      patient: { id: '17', name: 'Иванов^Иван' },
      steps: [{ id: 'S1', modality: 'CT', startDate: '20261201' }],
    }) as NewReferral
  await using opened = await openWith([])
  const { records } = opened
  const deps = { records, clock, random: randomBytes }
  const made = await openReferrals(deps)
  const one = await made.create(given('A-1'), 'x')
  const closed = await made.cancel((await made.create(given('A-2'), 'x')).id)
  const whole = await made.cancel((await made.create(given('A-3'), 'x')).id)
  await records.put('referral', one.id, { ...one, urgency: 'yesterday' })
  await records.put('referral-closed', closed.id, { ...closed, urgency: 'yesterday' })
  await records.put('referral-number', 'A-3', later)

  const referrals = await openReferrals(deps)
  assert.deepEqual(referrals.open(), [])
  assert.deepEqual(await referrals.closed({ limit: 10 }), [whole])
  for (const number of ['A-1', 'A-2', 'A-3']) {
    assert.equal(await referrals.find(number), undefined)
    await assert.rejects(referrals.create(given(number), 'x'), { code: 'conflict' })
  }
  for (const { id } of [one, closed]) {
    await assert.rejects(referrals.get(id), { code: 'storage_corrupt' })
    await assert.rejects(referrals.cancel(id), { code: 'storage_corrupt' })
  }
  const counts = { referral: 1, 'referral-closed': 1, 'referral-number': 1 }
  assert.deepEqual(counted(records), counts)
})
