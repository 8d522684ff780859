import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import {
  holder,
  openTestArchive,
  searchProof,
  sendSlice,
  studyProof,
  temporaryFolder,
} from '../archive/archive.fixture.ts'
import type { Archive, Query } from '../archive/archive.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords } from '../store/records.ts'
import { commandField } from './command-set.ts'
import { connectAs, openCommitment } from './commitment.fixture.ts'
import { createKeptCopies } from './kept-copies.ts'
import { openRouting, renewCopy } from './routing.ts'
import { startScp } from './scp.fixture.ts'
import { createSendQueue } from './send-queue.ts'
import { SendWork } from './send-work.ts'
import type { Service } from './service.ts'
import { status } from './status.ts'
import { ctClass, until } from './units.fixture.ts'

const dayMs = 24 * 3600 * 1000
const device = {
  id: 'okb',
  aeTitle: 'STORESCU',
  addresses: ['127.0.0.1'],
  modality: 'OT',
  startDate: '2020-01-01',
}
const slice = (number: number) => ({
  study: '1.2.3',
  series: '1.2.3.1',
  sop: `1.2.3.9.${number}`,
  pixels: new Uint8Array(3000),
})

/** An archive that sends to another and keeps what that one commits to; time goes on when it is told to. */
async function openSource(dir: string) {
  await using stack = new AsyncDisposableStack()
  const time = { passedMs: 0 }
  const clock = (): number => Date.now() + time.passedMs
  const records = stack.use(await openRecords(`${dir}/records`))
  const keptCopies = createKeptCopies({ records, renewAfterMs: 4 * dayMs, clock })
  const policy = { keepDays: { default: 30 }, legalHold: [], proofDays: 7 }
  const archive = stack.use(
    await openTestArchive(`${dir}/archive`, {
      clock,
      retention: { policy, findProof: keptCopies.findProof },
      quietMs: () => 50,
    }),
  )
  const owned = stack.move()
  return {
    archive,
    clock,
    keptCopies,
    records,
    time,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function openSending(source: Awaited<ReturnType<typeof openSource>>, port: number) {
  const stack = new AsyncDisposableStack()
  const { keptCopies } = source
  const to = { aeTitle: 'CAMI', host: '127.0.0.1', port }
  const common = { ...source, random: randomBytes, log: silentLog }
  const jobs = await openJobQueue({ ...common, kind: 'send', work: SendWork })
  const audit = async (): Promise<void> => {}
  const deps = { ...common, routes: [{ to, commitment: true }], jobs, audit, self: holder }
  const connect = connectAs('STORESCU')
  stack.use(createSendQueue({ ...deps, own: { callingAe: 'STORESCU' }, connect }))
  stack.use(await openRouting({ ...deps, settleMs: 100 }))
  keptCopies.onStale((copy) => renewCopy(jobs, copy))
  return { jobs, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const availability = async (archive: Archive, level: Query['level']): Promise<unknown[]> => {
  const query = { level, match: {}, limit: 10, offset: 0 }
  const { matches } = await archive.search(searchProof, query)
  return matches.map((match) => match['00080056']?.Value?.[0])
}

test('what a target commits to may leave, on an answer that is not old', async () => {
  await using folder = await temporaryFolder()
  await using remoteFolder = await temporaryFolder()
  await using remote = await openTestArchive(remoteFolder.path, { clock: Date.now })
  await using commitment = await openCommitment({ archive: remote, devices: [device] })
  const services = [commitment.service()]
  await using scp = await startScp({ archive: remote, devices: [device], services })
  await using source = await openSource(folder.path)
  const { archive, time } = source
  const moved: unknown[] = []
  archive.on((event) => void (event.kind === 'moved' && moved.push(event)))
  await using sending = await openSending(source, scp.port)
  const job = () => sending.jobs.list()[0]
  for (const number of [1, 2]) await sendSlice(archive, slice(number))
  await until(() => job()?.state === 'done' && job()?.work.commitment?.state === 'kept', 10_000)

  assert.equal((await archive.retain()).evicted, 0)
  time.passedMs = 40 * dayMs
  const asked = await archive.retain()
  assert.deepEqual([asked.evicted, asked.withoutCopy], [0, 2])
  await until(() => job()?.state === 'done', 10_000)

  const { evicted, bytes } = await archive.retain()
  assert.equal(evicted, 2)
  const left = { kind: 'moved', study: '1.2.3', instances: 2, bytes, to: ['CAMI'] }
  assert.deepEqual(moved, [left])
  assert.deepEqual(await availability(archive, 'instance'), ['OFFLINE', 'OFFLINE'])
  for (const level of ['series', 'study'] as const) {
    assert.deepEqual(await availability(archive, level), ['OFFLINE'])
  }
  await using reader = await archive.open(studyProof('1.2.3'))
  const [entry] = await reader.instances()
  assert.ok(entry)
  await assert.rejects(async () => await reader.read(entry.sop)[Symbol.asyncIterator]().next(), {
    code: 'instance_evicted',
  })

  // What comes again is here again; a study is when all of it is.
  for (const [number, expected] of [
    [1, 'OFFLINE'],
    [2, 'ONLINE'],
  ] as const) {
    await sendSlice(archive, slice(number))
    for (const level of ['series', 'study'] as const) {
      assert.deepEqual(await availability(archive, level), [expected])
    }
  }
  assert.deepEqual(await availability(archive, 'instance'), ['ONLINE', 'ONLINE'])
})

/** Takes CT images as an archive that changes some of them. */
const changing = (statusOf: (sop: string) => number): Service => ({
  permission: 'store',
  abstractSyntaxes: new Set([ctClass]),
  fields: new Set([commandField.storeRequest]),
  perform: async ({ command }, exchange) => exchange.respond({ status: statusOf(command.sopUid) }),
})

test('what a target took with a warning is sent, and is no copy whatever it commits to', async () => {
  await using folder = await temporaryFolder()
  const study = '1.2.3' as StudyUid
  const verify = async () => ({ study, sopClass: ctClass, isIntact: true })
  await using commitment = await openCommitment({ archive: { verify }, devices: [device] })
  const warnings = [0xb000, 0xb006, 0xb007]
  const warningOf = (sop: string) => warnings[Number(sop.split('.').at(-1))] ?? status.success
  let taken = 0
  const store = changing((sop) => {
    taken++
    return warningOf(sop)
  })
  await using scp = await startScp({
    archive: { ingest: async () => assert.fail('nothing comes past the service') },
    devices: [device],
    services: [store, commitment.service()],
  })
  await using source = await openSource(folder.path)
  const { archive, keptCopies } = source
  await using sending = await openSending(source, scp.port)
  const job = () => sending.jobs.list()[0]
  const isKept = (sent: number) => () =>
    job()?.state === 'done' &&
    job()?.work.sent.length === sent &&
    job()?.work.commitment?.state === 'kept'
  const proven = async (number: number) => {
    const about = { study, sha256: '' as Sha256, bytes: 1 }
    const proof = await keptCopies.findProof({ ...about, sop: `1.2.3.9.${number}` as SopUid })
    return proof !== undefined
  }
  for (const number of [0, 1, 3]) await sendSlice(archive, slice(number))
  await until(isKept(3), 60_000)
  assert.deepEqual([await proven(0), await proven(1), await proven(3)], [false, false, true])
  for (const number of [2, 4]) await sendSlice(archive, slice(number))
  await until(isKept(5), 60_000)
  assert.deepEqual(
    [await proven(0), await proven(1), await proven(2), await proven(3), await proven(4)],
    [false, false, false, true, true],
  )
  assert.equal(taken, 5)
})
