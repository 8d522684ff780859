import { test } from 'node:test'
import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { SopUid } from '#protocol/ids.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import {
  dataSet,
  noise,
  openTestArchive,
  sendSlice,
  temporaryFolder,
} from '../archive/archive.fixture.ts'
import type { Records } from '../store/records.ts'
import { connectAs, openCommitment } from './commitment.fixture.ts'
import {
  commitmentInstance,
  commitmentRequest,
  readCommitmentResult,
  type CommitmentResult,
  type Reference,
} from './commitment-data.ts'
import { commandField, type Command } from './command-set.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { readIdentifier } from './identifier.ts'
import { createMemoryIngest, startScp } from './scp.fixture.ts'
import { commitmentClass } from './syntaxes.ts'
import { encodersFor } from '../dicom/text-encoder.ts'
import { ctClass, explicitLittle, until } from './units.fixture.ts'

const device = (port?: number) => ({
  id: 'ct-1',
  aeTitle: 'STORESCU',
  addresses: ['127.0.0.1'],
  modality: 'CT',
  startDate: '2020-01-01',
  ...(port !== undefined && { port }),
})
const slice = (sop: string) => ({ study: '1.2.3', series: '1.2.3.1', sop, pixels: noise(900, 7) })
const reference = (sop: string, sopClass = ctClass): Reference => ({ sop, sopClass })

/** Asks as a modality does; the reports that come on the same association, and a way to end it. */
async function ask(port: number, transaction: string, references: Reference[], ae = 'STORESCU') {
  const reports: { command: Command; result: CommitmentResult }[] = []
  const association = await connectAs(ae)(
    { host: '127.0.0.1', port, calledAe: 'CAMI' },
    [{ abstractSyntax: commitmentClass, transferSyntax: explicitLittle }],
    async (command, data = Buffer.alloc(0)) => {
      const { keys } = await readIdentifier(data, explicitLittle)
      reports.push({ command, result: readCommitmentResult(keys, command.eventTypeId) })
      return { status: 0 }
    },
  )
  const { id = 0 } = association.contextOf(commitmentClass) ?? {}
  const request = {
    field: commandField.actionRequest,
    sopClass: commitmentClass,
    sopUid: commitmentInstance,
    actionTypeId: 1,
  }
  const data = encodeDataSet(commitmentRequest({ transaction, references }), {
    isExplicit: true,
    encoders: encodersFor([]),
  })
  const { command } = await association.ask(id, request, data)
  return {
    status: command.status,
    reports,
    association,
    askAgain: association.ask,
    id,
    request,
    data,
  }
}

test('what is kept is committed to on the association of the request', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  await sendSlice(archive, slice('1.2.3.4'))
  await using commitment = await openCommitment({ archive, devices: [device()] })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const asked = await ask(scp.port, '2.25.7', [reference('1.2.3.4')])
  assert.equal(asked.status, 0)
  await until(() => asked.reports.length > 0)
  const [report] = asked.reports
  assert.equal(report?.command.eventTypeId, 1)
  assert.deepEqual(report?.result, {
    transaction: '2.25.7',
    kept: [reference('1.2.3.4')],
    failed: [],
  })
  await until(() => commitment.reports().list()[0]?.state === 'done')
  await asked.association.release()
})

test('a flipped bit on the disk, a missing instance and another class are failures with reasons', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  for (const sop of ['1.2.3.4', '1.2.3.5', '1.2.3.6']) await sendSlice(archive, slice(sop))
  await flipBit(path.join(folder.path, 'log'), dataSet(slice('1.2.3.5')))
  await using commitment = await openCommitment({ archive, devices: [device()] })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const asked = await ask(scp.port, '2.25.8', [
    reference('1.2.3.4'),
    reference('1.2.3.5'),
    reference('1.2.3.6', '1.2.840.10008.5.1.4.1.1.4'),
    reference('1.2.3.7'),
  ])
  await until(() => asked.reports.length > 0)
  const [report] = asked.reports
  assert.equal(report?.command.eventTypeId, 2)
  assert.deepEqual(report?.result.kept, [reference('1.2.3.4')])
  assert.deepEqual(
    report?.result.failed.map(({ sop, reason }) => [sop, reason]),
    [
      ['1.2.3.5', 0x0110],
      ['1.2.3.6', 0x0119],
      ['1.2.3.7', 0x0112],
    ],
  )
  await asked.association.release()
})

test('a request may name ten thousand slices, more than fits is refused for want of room', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  await using commitment = await openCommitment({ archive, devices: [device()] })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const many = (count: number, prefix = '1.2.3.') =>
    Array.from({ length: count }, (_, index) => reference(`${prefix}${index + 10_000}`))
  const long = `1.2.643.${'7'.repeat(48)}.`
  const whole = await ask(scp.port, '2.25.7', many(10_000, long))
  assert.equal(whole.status, 0)
  await until(() => whole.reports.length > 0, 60_000)
  assert.equal(whole.reports[0]?.result.failed.length, 10_000)
  await whole.association.release()
  const over = await ask(scp.port, '2.25.8', many(commitmentLimits.referencesMax + 1))
  assert.equal(over.status, 0x0213)
  await over.association.release()
  assert.equal(commitment.reports().list().length, 1)
})

test('more instances than may wait for their report are refused until it is taken', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const devices = [device()]
  await using commitment = await openCommitment({ archive, devices, referencesWaitingMax: 3 })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const references = [reference('1.2.3.4'), reference('1.2.3.5')]
  const work = { transaction: '2.25.6', device: 'ct-1', references }
  const { id } = await commitment.reports().add(work, { delayMs: 3_600_000 })
  const refused = await ask(scp.port, '2.25.7', references)
  assert.equal(refused.status, 0x0213)
  await refused.association.release()
  await commitment.reports().succeed(id)
  const taken = await ask(scp.port, '2.25.8', references)
  assert.equal(taken.status, 0)
  await taken.association.release()
})

test('a device that cannot be told leaves room for the reports of others', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const devices = [device(), { ...device(), id: 'mr-1', aeTitle: 'OTHER' }]
  await using commitment = await openCommitment({ archive, devices, reportsPerDeviceMax: 2 })
  await using scp = await startScp({ archive, devices, services: [commitment.service()] })
  const references = [reference('1.2.3.4')]
  for (const transaction of ['2.25.6', '2.25.7']) {
    const work = { transaction, device: 'mr-1', references }
    await commitment.reports().add(work, { delayMs: 3_600_000 })
  }
  const statusFor = async (ae: string) => {
    const { status, association } = await ask(scp.port, '2.25.8', references, ae)
    await association.release()
    return status
  }
  assert.equal(await statusFor('OTHER'), 0x0213)
  assert.equal(await statusFor('STORESCU'), 0)
})

test('a disk that is full while a device is told does not end the node, and the report goes out later', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  let isFull = false
  const around = (records: Records): Records => ({
    ...records,
    async put(kind, key, value) {
      if (isFull) throw new ProtocolError('storage_failed', 'the disk is full')
      await records.put(kind, key, value)
    },
  })
  const full = {
    async verify(sop: SopUid) {
      isFull = true
      return archive.verify(sop)
    },
  }
  await using commitment = await openCommitment({ archive: full, devices: [device()], around })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const { association, status, reports } = await ask(scp.port, '2.25.9', [reference('1.2.3.4')])
  assert.equal(status, 0)
  await until(() => reports.length > 0)
  await association.release()
  isFull = false
  assert.equal(commitment.reports().list()[0]?.state, 'waiting')
})

/** Finds the data set in the value log and changes one bit of its last pixel. */
async function flipBit(log: string, bytes: Buffer): Promise<void> {
  const body = bytes.subarray(0, 200)
  for (const name of await readdir(log)) {
    const file = await open(path.join(log, name), 'r+')
    const content = await file.readFile()
    const at = content.indexOf(body)
    if (at >= 0) {
      const place = at + bytes.length - 5
      await file.write(Buffer.from([(content[place] ?? 0) ^ 1]), 0, 1, place)
    }
    await file.close()
    if (at >= 0) return
  }
  assert.fail('the data set is not in the log')
}

test('a device that left is told on an association of the node, in the provider role, after a restart too', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  await sendSlice(archive, slice('1.2.3.4'))
  const register = [device()]
  // Slow to verify: the device is gone before.
  const slow = {
    async verify(sop: SopUid) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      return archive.verify(sop)
    },
  }
  await using commitment = await openCommitment({ archive: slow, devices: register })
  {
    await using scp = await startScp({ archive, services: [commitment.service()] })
    const asked = await ask(scp.port, '2.25.9', [reference('1.2.3.4')])
    asked
      .askAgain(asked.id, { ...asked.request, sopUid: '1.2.3' }, asked.data)
      .catch(() => undefined)
    await asked.association.release()
  }
  // Nobody knows where the device listens; the report waits.
  await until(() => (commitment.reports().list()[0]?.attempts ?? 0) > 0 || true)
  await commitment.reopen()
  assert.equal(commitment.reports().list()[0]?.state === 'done', false)
  // The device listens now, and takes reports of its own requests.
  await using listener = await openCommitment({ archive, devices: [] })
  await using modality = await startScp({
    ...createMemoryIngest(),
    aeTitle: 'STORESCU',
    devices: [{ ...device(), id: 'cami', aeTitle: 'CAMI' }],
    services: [listener.service()],
  })
  // Nobody knew where the device listens, so the report waited.
  const [job] = commitment.reports().list()
  assert.equal(job?.state, 'waiting')
  register[0] = device(modality.port)
  await commitment.reports().retry(job?.id ?? '')
  await until(() => listener.results.length > 0)
  assert.deepEqual(listener.results[0], {
    transaction: '2.25.9',
    kept: [reference('1.2.3.4')],
    failed: [],
  })
  await until(() => commitment.reports().list()[0]?.state === 'done')
})

test('a wrong instance, a wrong action and a request without references are refused', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  await using commitment = await openCommitment({ archive, devices: [device()] })
  await using scp = await startScp({ archive, services: [commitment.service()] })
  const asked = await ask(scp.port, '2.25.9', [])
  assert.equal(asked.status, 0x0115)
  const again = async (change: object) =>
    (await asked.askAgain(asked.id, { ...asked.request, ...change }, asked.data)).command.status
  assert.equal(await again({ sopUid: '1.2.3' }), 0x0112)
  assert.equal(await again({ actionTypeId: 2 }), 0x0123)
  assert.deepEqual(commitment.reports().list(), [])
  await asked.association.release()
})
