import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import {
  correctionProof,
  dataSet,
  holder,
  noise,
  openTestArchive,
  scanner,
  sendSlice,
  temporaryFolder,
  type Slice,
} from '../archive/archive.fixture.ts'
import { SendRoute } from '../config.ts'
import { readPart10File } from '../dicom/part10.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords, type Records } from '../store/records.ts'
import { commandField } from './command-set.ts'
import { connectAs, openCommitment } from './commitment.fixture.ts'
import { readCommitmentRequest, type CommitmentRequest } from './commitment-data.ts'
import { readIdentifier, requireIdentifier } from './identifier.ts'
import { openRouting } from './routing.ts'
import { createMemoryIngest, hasDcmtk, sha256, startScp } from './scp.fixture.ts'
import { createSendQueue } from './send-queue.ts'
import { SendWork } from './send-work.ts'
import type { Service } from './service.ts'
import { status } from './status.ts'
import { commitmentClass } from './syntaxes.ts'
import { until } from './units.fixture.ts'

const skip = (await hasDcmtk()) ? false : 'dcmtk is not installed'

const slice = (number: number, change: Partial<Slice> = {}): Slice => ({
  study: '1.2.3',
  series: `1.2.3.${number % 2}`,
  sop: `1.2.3.9.${number}`,
  pixels: noise(3000 + number, number),
  ...change,
})
const routeTo = (port: number, change: Partial<SendRoute> = {}): SendRoute => ({
  to: { aeTitle: 'CAMI', host: '127.0.0.1', port },
  commitment: false,
  ...change,
})

/** A node that sends on; `reopen` is a restart of everything but the archive. */
async function openSending(
  archive: Archive,
  routes: SendRoute[],
  {
    jobsMax = 100,
    before,
  }: { jobsMax?: number; before?: (records: Records) => Promise<void> } = {},
) {
  const folder = await temporaryFolder()
  const audited: AuditEntry[] = []
  const start = async () => {
    const stack = new AsyncDisposableStack()
    const records = stack.use(await openRecords(folder.path))
    await before?.(records)
    const common = { clock: Date.now, random: randomBytes, log: silentLog }
    const limits = { delayMs: 20, delayMsMax: 50, attemptsMax: 1000, jobsMax }
    const jobs = await openJobQueue({ ...common, records, kind: 'send', work: SendWork, limits })
    const audit = async (entry: AuditEntry) => void audited.push(entry)
    const deps = { ...common, routes, archive, jobs, records, audit, self: holder }
    const own = { callingAe: 'STORESCU' }
    const queue = stack.use(createSendQueue({ ...deps, own, connect: connectAs('STORESCU') }))
    stack.use(await openRouting({ ...deps, settleMs: 100, jobsMax }))
    return { stack, jobs, queue }
  }
  let current = await start()
  return {
    audited,
    jobs: () => current.jobs,
    queue: () => current.queue,
    async reopen() {
      await current.stack.disposeAsync()
      current = await start()
    },
    async [Symbol.asyncDispose]() {
      await current.stack.disposeAsync()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function openSource() {
  const folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path, { clock: Date.now })
  return {
    archive,
    async [Symbol.asyncDispose]() {
      await archive[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test('what fits a route is sent on byte for byte, the rest stays', async () => {
  await using source = await openSource()
  const { archive } = source
  const target = createMemoryIngest()
  await using scp = await startScp(target)
  // From before there were routes: not sent.
  await sendSlice(archive, slice(1, { study: '1.9', series: '1.9.1', sop: '1.9.1.1' }))
  const route = routeTo(scp.port, { devices: ['ct-1'], modalities: ['CT'] })
  await using sending = await openSending(archive, [route])
  const slices = Array.from({ length: 5 }, (_, index) => slice(index))
  for (const one of slices) await sendSlice(archive, one)
  const mr = slice(7, { series: '1.2.3.77', modality: 'MR' })
  await sendSlice(archive, mr)
  const other = slice(8, { study: '1.2.4', series: '1.2.4.1', sop: '1.2.4.9' })
  await sendSlice(archive, other, { ...scanner, kind: 'dimse', device: 'ct-2' } as typeof scanner)
  await until(() => sending.jobs().list()[0]?.state === 'done', 10_000)
  assert.deepEqual(
    target.kept.map(({ dataSet }) => sha256(dataSet)).sort(),
    slices.map((one) => sha256(dataSet(one))).sort(),
  )
  assert.equal(sending.jobs().list().length, 1)
  const [begun, ended] = sending.audited
  assert.deepEqual([begun?.event, begun?.instances], ['begin-transferring', 5])
  assert.deepEqual([ended?.event, ended?.outcome], ['instances-transferred', 'success'])
})

test('a target that is away gets everything once it is back, after a restart, and nothing twice', async () => {
  await using source = await openSource()
  const { archive } = source
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await using sending = await openSending(archive, [routeTo(port)])
  for (let index = 0; index < 6; index++) await sendSlice(archive, slice(index))
  await until(() => (sending.jobs().list()[0]?.attempts ?? 0) > 1, 10_000)
  assert.equal(sending.jobs().list()[0]?.code, 'unavailable')
  // The first instances are taken, then the target has no room.
  let room = 3
  const target = createMemoryIngest({
    finish: async () => {
      if (room-- <= 0) throw new Error('full')
      return {}
    },
  })
  {
    await using scp = await startScp({ ...target, port })
    await until(() => target.kept.length === 3 && scp.connections() === 0)
    await sending.reopen()
    assert.equal(sending.jobs().list()[0]?.work.sent.length, 3)
  }
  room = 1000
  await using scp = await startScp({ ...target, port })
  await until(() => sending.jobs().list()[0]?.state === 'done', 10_000)
  assert.ok(scp.port > 0)
  const sent = target.kept.map(({ declared }) => declared.sopUid)
  assert.deepEqual(
    sent.sort(),
    Array.from({ length: 6 }, (_, index) => `1.2.3.9.${index}`),
  )
})

test('a target that is owed all it may be holds up neither another one nor a start, and gets the rest later', async () => {
  await using source = await openSource()
  const { archive } = source
  const target = createMemoryIngest()
  await using scp = await startScp(target)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await using sending = await openSending(archive, [routeTo(port), routeTo(scp.port)], {
    jobsMax: 6,
  })
  const slices = Array.from({ length: 8 }, (_, index) =>
    slice(index, { study: `1.2.${index}`, series: `1.2.${index}.1`, sop: `1.2.${index}.1.1` }),
  )
  const digests = slices.map((one) => sha256(dataSet(one))).sort()
  const digestsAt = ({ kept }: typeof target) => kept.map((one) => sha256(one.dataSet)).sort()
  for (const one of slices) await sendSlice(archive, one)
  await until(() => target.kept.length === 8, 10_000)
  assert.deepEqual(
    sending
      .jobs()
      .list()
      .map(({ work }) => work.wanted)
      .filter((wanted) => wanted > 8),
    [],
    'no study is planned anew because of another',
  )
  await sending.reopen()
  const owed = sending
    .jobs()
    .list()
    .filter(({ state, work }) => state === 'waiting' && work.to.endsWith(`:${port}`))
  assert.equal(owed.length, 3)
  const back = createMemoryIngest()
  await using _ = await startScp({ ...back, port })
  await until(() => back.kept.length === 8, 20_000)
  assert.deepEqual([digestsAt(back), digestsAt(target)], [digests, digests])
})

test('a node that kept one place for all targets goes on from there', async () => {
  await using source = await openSource()
  const { archive } = source
  const target = createMemoryIngest()
  await using scp = await startScp(target)
  await sendSlice(archive, slice(0))
  const route = routeTo(scp.port)
  const before = async (records: Records) => {
    if (sending === undefined) await records.put('send-cursor', 'archive', 0)
    else assert.equal(await records.get('send-cursor', 'archive'), undefined)
  }
  let sending: Awaited<ReturnType<typeof openSending>> | undefined
  sending = await openSending(archive, [route], { before })
  await using _ = sending
  await until(() => target.kept.length === 1, 10_000)
  await sending.reopen()
  assert.equal(target.kept.length, 1)
})

test('a target whose place cannot be read misses nothing, and gets nothing twice', async () => {
  await using source = await openSource()
  const { archive } = source
  const target = createMemoryIngest()
  await using scp = await startScp(target)
  let isAgain = false
  const before = async (records: Records) => {
    if (!isAgain) return
    await records.put('send-cursor', `CAMI@127.0.0.1:${scp.port}`, { of: 'a later version' })
    await sendSlice(archive, slice(1))
  }
  await using sending = await openSending(archive, [routeTo(scp.port)], { before })
  const isDone = () => sending.jobs().list()[0]?.state === 'done'
  await sendSlice(archive, slice(0))
  await until(isDone, 10_000)
  isAgain = true
  await sending.reopen()
  await until(() => target.kept.length > 1 && isDone(), 10_000)
  assert.deepEqual(
    target.kept.map(({ declared }) => declared.sopUid),
    [slice(0).sop, slice(1).sop],
  )
})

test('what comes later follows, and the target commits to all of it', async () => {
  await using source = await openSource()
  await using remote = await openSource()
  const device = {
    id: 'okb',
    aeTitle: 'STORESCU',
    addresses: ['127.0.0.1'],
    modality: 'OT',
    startDate: '2020-01-01',
  }
  await using commitment = await openCommitment({ archive: remote.archive, devices: [device] })
  const services = [commitment.service()]
  await using scp = await startScp({ ...remote, devices: [device], services })
  await using sending = await openSending(source.archive, [routeTo(scp.port, { commitment: true })])
  const work = () => sending.jobs().list()[0]?.work
  await sendSlice(source.archive, slice(1))
  await until(() => work()?.commitment?.state === 'kept', 10_000)
  await sendSlice(source.archive, slice(2))
  await until(() => work()?.sent.length === 2 && work()?.commitment?.state === 'kept', 10_000)
  await until(() => sending.jobs().list()[0]?.state === 'done')
  assert.equal((await remote.archive.counts()).instances, 2)
  assert.deepEqual(work()?.commitment, { state: 'kept', transactions: [], failed: 0 })
  await assert.rejects(sending.queue().onResult({ transaction: '1.2', kept: [], failed: [] }))
})

test('a report on an association of its own ends the wait for one on ours', async () => {
  await using source = await openSource()
  const asked: CommitmentRequest[] = []
  const service: Service = {
    permission: 'commitment',
    abstractSyntaxes: new Set([commitmentClass]),
    fields: new Set([commandField.actionRequest]),
    async perform({ identifier, context }, exchange) {
      const { keys } = await requireIdentifier(identifier, context.transferSyntax)
      await exchange.respond({ status: status.success })
      asked.push(readCommitmentRequest(keys))
    },
  }
  await using scp = await startScp({ ...createMemoryIngest(), services: [service] })
  await using sending = await openSending(source.archive, [routeTo(scp.port, { commitment: true })])
  await sendSlice(source.archive, slice(1))
  await until(() => asked.length === 1, 10_000)
  const [{ transaction, references }] = asked as [CommitmentRequest]
  const reportedAt = performance.now()
  await sending.queue().onResult({ transaction, kept: references, failed: [] })
  await until(() => sending.jobs().list()[0]?.state === 'done')
  assert.equal(sending.jobs().list()[0]?.work.commitment?.state, 'kept')
  assert.ok(performance.now() - reportedAt < commitmentLimits.reportWaitMs / 2)
})

test('a target that wants them gets corrections written in, and what is corrected later again', async () => {
  await using source = await openSource()
  const { archive } = source
  const [plain, shown] = [createMemoryIngest(), createMemoryIngest()]
  await using plainScp = await startScp(plain)
  await using shownScp = await startScp(shown)
  await using sending = await openSending(archive, [
    routeTo(plainScp.port),
    routeTo(shownScp.port, { corrected: true }),
  ])
  const one = slice(1)
  await sendSlice(archive, one)
  const isDone = () => sending.jobs().list().length === 2 && areDone()
  const areDone = () =>
    sending
      .jobs()
      .list()
      .every(({ state }) => state === 'done')
  await until(isDone, 60_000)
  await archive.overlay(correctionProof('demographics'), {
    kind: 'correct',
    target: { level: 'study', study: one.study as StudyUid },
    attributes: [{ tag: '00100010', new: ['Петрова^Анна'] }],
  })
  await until(() => shown.kept.length === 2, 60_000)
  // What comes after it is corrected as well.
  await sendSlice(archive, slice(2))
  await until(() => shown.kept.length === 3 && plain.kept.length === 2 && areDone(), 60_000)
  const original = sha256(dataSet(one))
  assert.deepEqual(
    plain.kept.map(({ dataSet }) => sha256(dataSet)),
    [original, sha256(dataSet(slice(2)))],
  )
  assert.equal(sha256(shown.kept[0]?.dataSet ?? Buffer.alloc(0)), original)
  for (const { dataSet, declared } of shown.kept.slice(1)) {
    const { keys } = await readIdentifier(dataSet, declared.transferSyntax)
    assert.deepEqual(keys['00100010']?.Value, [{ Alphabetic: 'Петрова^Анна' }])
    assert.match(JSON.stringify(keys['04000561']), /Иванов\^Пётр/)
  }
  await sending.reopen()
  assert.equal(shown.kept.length, 3)
})

test('a target that gets another form is not asked whether it keeps what is here', () => {
  const route = { to: { aeTitle: 'A', host: 'b', port: 104 }, corrected: true }
  assert.ok(SendRoute.safeParse(route).success)
  assert.ok(!SendRoute.safeParse({ ...route, commitment: true }).success)
})

test('storescp of dcmtk gets the same bytes', { skip }, async () => {
  await using source = await openSource()
  await using folder = await temporaryFolder()
  const free = createServer().listen(0)
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  await new Promise((resolve) => free.close(resolve))
  const env = { ...process.env, TCP_NODELAY: '1' }
  const storescp = spawn('storescp', ['-od', folder.path, '+B', `${port}`], { env })
  try {
    await using sending = await openSending(source.archive, [routeTo(port)])
    const slices = Array.from({ length: 3 }, (_, index) => slice(index))
    for (const one of slices) await sendSlice(source.archive, one)
    await until(() => sending.jobs().list()[0]?.state === 'done', 10_000)
    const files = await Promise.all(
      (await readdir(folder.path)).map((name) => readFile(path.join(folder.path, name))),
    )
    assert.deepEqual(
      files.map((file) => sha256(readPart10File(file).dataSet)).sort(),
      slices.map((one) => sha256(dataSet(one))).sort(),
    )
  } finally {
    storescp.kill()
    await once(storescp, 'exit')
  }
})
