import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { openRecords, type Records } from './records.ts'
import { openReferrals, type NewReferral, type Referral } from './referrals.ts'

async function openStore() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-referrals-'))
  const now = { at: Date.UTC(2026, 10, 28) }
  let records: Records = await openRecords(dir)
  const open = async () => openReferrals({ records, clock: () => now.at++, random: randomBytes })
  return {
    now,
    open,
    async reopen() {
      await records[Symbol.asyncDispose]()
      records = await openRecords(dir)
      return open()
    },
    async [Symbol.asyncDispose]() {
      await records[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const given = (change: object = {}): NewReferral =>
  ({
    patient: { id: '17', name: 'Иванов^Иван' },
    steps: [
      { id: 'S1', modality: 'CT', startDate: '20261201' },
      { id: 'S2', modality: 'US', startDate: '20261202' },
    ],
    ...change,
  }) as NewReferral

const isError = (code: string) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code

test('a referral gets a number and a study of its own, and outlives a restart', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  const first = await referrals.create(given(), 'ivanova')
  const second = await referrals.create(given(), 'ivanova')
  assert.match(first.accessionNumber, /^261128-[0-9a-f]{8}$/)
  assert.match(first.study, /^2\.25\.\d{30,39}$/)
  assert.notEqual(first.study, second.study)
  const again = await store.reopen()
  assert.deepEqual(again.open(), [first, second])
  assert.deepEqual(await again.find(second.accessionNumber), second)
})

test('two referrals never have one number, not even at once', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  const make = () => referrals.create(given({ accessionNumber: 'A-1' }), 'x')
  const outcomes = await Promise.allSettled([make(), make(), make()])
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  const other = await referrals.create(given({ accessionNumber: 'A-2' }), 'x')
  await assert.rejects(
    referrals.change(other.id, given({ accessionNumber: 'A-1' })),
    isError('conflict'),
  )
  await referrals.change(other.id, given({ accessionNumber: 'A-3' }))
  assert.equal(await referrals.find('A-2'), undefined)
  assert.equal((await referrals.find('A-3'))?.id, other.id)
})

test('performed steps move a referral on, and end it when all of them have ended', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  const { id, accessionNumber } = await referrals.create(given(), 'x')
  const report = async (step: string, state: 'in-progress' | 'completed' | 'discontinued') =>
    (await referrals.progress(id, { id: step, state, performed: '1.2.3' })).state
  assert.equal(await report('S1', 'in-progress'), 'in-progress')
  assert.equal(await report('S1', 'completed'), 'in-progress')
  assert.equal(await report('S2', 'discontinued'), 'completed')
  assert.deepEqual(referrals.open(), [])
  const [closed] = await referrals.closed({ limit: 10 })
  assert.equal(closed?.id, id)
  assert.equal((await (await store.reopen()).find(accessionNumber))?.state, 'completed')
})

test('what has begun is neither changed nor cancelled', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  const { id } = await referrals.create(given(), 'x')
  await referrals.progress(id, { id: 'S1', state: 'in-progress', performed: '1.2.3' })
  await assert.rejects(referrals.cancel(id), isError('conflict'))
  await assert.rejects(referrals.change(id, given()), isError('conflict'))
  const other = await referrals.create(given(), 'x')
  assert.equal((await referrals.cancel(other.id)).state, 'cancelled')
  await assert.rejects(referrals.cancel(other.id), isError('conflict'))
  await assert.rejects(referrals.get('01J0000000000000000000000A'), isError('not_found'))
})

test('a referral is ended by hand when its apparatus never says so', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  const report = async (id: string, state: 'in-progress' | 'completed') =>
    referrals.progress(id, { id: 'S1', state, performed: '1.2.3' })
  const states = ({ state, steps }: Referral) => [state, ...steps.map((step) => step.state)]
  const begun = async () => {
    const { id } = await referrals.create(given(), 'x')
    await assert.rejects(referrals.close(id, 'completed'), isError('conflict'))
    await report(id, 'in-progress')
    return id
  }
  const done = await begun()
  const closed = await referrals.close(done, 'completed')
  assert.deepEqual(states(closed), ['completed', 'completed', 'discontinued'])
  const left = await referrals.close(await begun(), 'discontinued')
  assert.deepEqual(states(left), ['discontinued', 'discontinued', 'discontinued'])
  assert.deepEqual(referrals.open(), [])
  await assert.rejects(referrals.close(done, 'completed'), isError('conflict'))
  // The apparatus may say it later all the same.
  assert.deepEqual(states(await report(left.id, 'completed')), [
    'completed',
    'completed',
    'discontinued',
  ])
  assert.deepEqual((await store.reopen()).open(), [])
})

test('values that would be two values in DICOM are refused', async () => {
  await using store = await openStore()
  const referrals = await store.open()
  for (const change of [
    { patient: { id: '1\\2', name: 'X' } },
    { patient: { id: '1', name: 'A\u001bB' } },
    { steps: [] },
    { accessionNumber: 'seventeen letters' },
    { steps: [{ id: 'S', modality: 'ct', startDate: '20261201' }] },
    { steps: [{ id: 'S', modality: 'CT', startDate: '20261301' }] },
    { steps: [1, 1].map(() => ({ id: 'S', modality: 'CT', startDate: '20261201' })) },
  ]) {
    await assert.rejects(referrals.create(given(change), 'x'), JSON.stringify(change))
  }
  assert.deepEqual(referrals.open(), [])
})
