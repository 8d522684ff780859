import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import { holder, openTestArchive, sendSlice, temporaryFolder } from '../archive/archive.fixture.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords } from '../store/records.ts'
import { connectAs } from './commitment.fixture.ts'
import {
  commitmentInstance,
  commitmentReport,
  readCommitmentRequest,
  readCommitmentResult,
  type CommitmentResult,
  type Reference,
} from './commitment-data.ts'
import { createCommitmentUser } from './commitment-user.ts'
import { commandField } from './command-set.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { requireIdentifier } from './identifier.ts'
import { createKeptCopies } from './kept-copies.ts'
import { createMemoryIngest, startScp } from './scp.fixture.ts'
import { SendWork, sentMark } from './send-work.ts'
import type { Service } from './service.ts'
import { status } from './status.ts'
import { commitmentClass } from './syntaxes.ts'
import { encodersFor } from '../dicom/text-encoder.ts'
import { ctClass } from './units.fixture.ts'

const study = '1.2.3' as StudyUid
const sops = ['1.2.3.9.1', '1.2.3.9.2', '1.2.3.9.3']
const mrClass = '1.2.840.10008.5.1.4.1.1.4'
type Report = Partial<Omit<CommitmentResult, 'transaction'>> & { event?: number }

/** A target that takes each request and reports what it is told to, on the same association. */
function createTarget(reportOn: (asked: Reference[]) => Report) {
  const statuses: number[] = []
  const service: Service = {
    permission: 'commitment',
    abstractSyntaxes: new Set([commitmentClass]),
    fields: new Set([commandField.actionRequest]),
    async perform({ identifier, context, contextId }, exchange) {
      const { keys } = await requireIdentifier(identifier, context.transferSyntax)
      const { transaction, references } = readCommitmentRequest(keys)
      const { event, kept = [], failed = [] } = reportOn(references)
      const json: DicomJson = commitmentReport({ transaction, kept, failed })
      const data = encodeDataSet(json, { isExplicit: true, encoders: encodersFor([]) })
      const about = { sopClass: commitmentClass, sopUid: commitmentInstance }
      const field = commandField.eventReportRequest
      await exchange.respond({ status: status.success })
      const eventTypeId = event ?? (failed.length === 0 ? 1 : 2)
      const reply = exchange.request(contextId, { field, ...about, eventTypeId }, data)
      void reply.then(({ command }) => statuses.push(command.status)).catch(() => undefined)
    },
  }
  return { service, statuses }
}

/** A study of three that a target took; asked whether it keeps it, and what is known of that. */
async function askWith(
  reportOn: (asked: Reference[]) => Report,
  before: string[] = [],
  referencesAskedMax = 100,
) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const archive = stack.use(await openTestArchive(`${folder.path}/archive`, { clock: Date.now }))
  for (const sop of sops) await sendSlice(archive, { study, series: '1.2.3.1', sop })
  const records = stack.use(await openRecords(`${folder.path}/records`))
  const common = { records, clock: Date.now, random: randomBytes, log: silentLog }
  const keptCopies = createKeptCopies({ ...common, renewAfterMs: 1e9 })
  const jobs = await openJobQueue({ ...common, kind: 'send', work: SendWork })
  const target = createTarget(reportOn)
  const scp = stack.use(await startScp({ ...createMemoryIngest(), services: [target.service] }))
  const route = { to: { aeTitle: 'CAMI', host: '127.0.0.1', port: scp.port }, commitment: true }
  const to = `CAMI@127.0.0.1:${scp.port}`
  if (before.length > 0) {
    await keptCopies.note({ to, study, marks: before.map(sentMark), keptAt: Date.now() })
  }
  const audit = async (): Promise<void> => {}
  const own = { callingAe: 'STORESCU' }
  const deps = { ...common, routes: [route], archive, jobs, keptCopies, audit, self: holder, own }
  const user = createCommitmentUser({ ...deps, referencesAskedMax, connect: connectAs('STORESCU') })
  const sent = sops.map(sentMark)
  const { id } = await jobs.add({ to, study, wanted: 1, sent, refused: 0 })
  await user.ask(route, id)
  const about = { study, sha256: '' as Sha256, bytes: 1 }
  const proofs = sops.map(async (sop) => keptCopies.findProof({ ...about, sop: sop as SopUid }))
  return {
    proven: (await Promise.all(proofs)).map((proof) => proof !== undefined),
    commitment: jobs.get(id)?.work.commitment,
    statuses: target.statuses,
  }
}

test('what was asked about and is named as kept is a copy', async () => {
  const { proven, commitment } = await askWith((kept) => ({ kept }))
  assert.deepEqual(proven, [true, true, true])
  assert.deepEqual(commitment, { state: 'kept', transactions: [], failed: 0 })
})

test('a report that names nothing is no copy of anything, and the old answer is gone', async () => {
  const { proven, commitment } = await askWith(() => ({}), sops)
  assert.deepEqual(proven, [false, false, false])
  assert.deepEqual(commitment, { state: 'failed', transactions: [], failed: 3 })
})

test('what is not named has failed, what was not asked about is no copy', async () => {
  const stranger = { sop: '1.2.3.9.99', sopClass: ctClass }
  const { proven, commitment } = await askWith(([first]) => ({
    kept: first ? [first, stranger] : [],
  }))
  assert.deepEqual(proven, [true, false, false])
  assert.deepEqual(commitment, { state: 'failed', transactions: [], failed: 2 })
})

test('what fails is no copy, the rest is', async () => {
  const { proven, commitment } = await askWith(
    ([first, ...kept]) => ({ kept, failed: first ? [{ ...first, reason: 0x0112 }] : [] }),
    sops,
  )
  assert.deepEqual(proven, [false, true, true])
  assert.deepEqual(commitment, { state: 'failed', transactions: [], failed: 1 })
})

test('an instance of another class than was asked about is no copy', async () => {
  const { proven, commitment } = await askWith(([first, ...rest]) => ({
    kept: [...(first ? [{ ...first, sopClass: mrClass }] : []), ...rest],
  }))
  assert.deepEqual(proven, [false, true, true])
  assert.equal(commitment?.state, 'failed')
})

for (const [what, event, isFailing] of [
  ['all are kept and some fail', 1, true],
  ['some fail and none does', 2, false],
] as const) {
  test(`a report by which ${what} proves nothing`, async () => {
    const { proven, commitment } = await askWith(([first, ...kept]) => {
      const failed = first && isFailing ? [{ ...first, reason: 0x0110 }] : []
      return { event, kept: first && !isFailing ? [first, ...kept] : kept, failed }
    }, sops)
    assert.deepEqual(proven, [false, false, false])
    assert.deepEqual(commitment, { state: 'failed', transactions: [], failed: 3 })
  })
}

test('what is named as kept and as failed has failed', async () => {
  const { proven } = await askWith((kept) => ({
    kept,
    failed: kept.slice(0, 1).map((one) => ({ ...one, reason: 0x0110 })),
  }))
  assert.deepEqual(proven, [false, true, true])
})

test('the end is told when every request was reported on, and by what each of them named', async () => {
  const all = await askWith((kept) => ({ kept }), [], 2)
  assert.deepEqual(all.proven, [true, true, true])
  assert.deepEqual(all.commitment, { state: 'kept', transactions: [], failed: 0 })
  // The second request is about the last instance alone.
  const first = await askWith((kept) => (kept.length === 2 ? { kept } : {}), [], 2)
  assert.deepEqual(first.proven, [true, true, false])
  assert.deepEqual(first.commitment, { state: 'failed', transactions: [], failed: 1 })
})

test('an event of another type is no report', () => {
  const report = commitmentReport({ transaction: '1.2', kept: [], failed: [] })
  for (const eventTypeId of [undefined, 0, 3]) {
    assert.throws(() => readCommitmentResult(report, eventTypeId), { code: 'unsupported' })
  }
})
