import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { streamLimits } from '#protocol/limits.ts'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { eventually, signIn, type Client } from '../client.ts'
import { createCt } from '../modality/ct.ts'
import { createUid, type StudyContext } from '../modality/study.ts'
import { createPerson } from '../people.ts'
import { createRandom } from '../random.ts'
import {
  regionStudies,
  retrieve,
  sha256,
  testRegion,
  valueOf,
  type Row,
  type TestRegion,
} from './region.fixture.ts'

/** The centre dies, then the holder dies in the middle of a transfer: granted reading goes on, and no byte twice. */

let world: TestRegion
let okb: Client
const random = createRandom(55)
const digests = new Map<string, string>()

type Transfer = {
  state: string
  instances: { done: number; total: number }
  bytes: { done: number; total: number; received: number }
}

async function sendStudy(slices: number): Promise<string> {
  const { dimse } = world.region.node('crb1')
  const context: StudyContext = {
    patient: createPerson(random),
    issuer: '',
    institution: '',
    studyUid: createUid(random),
    date: '20261101',
    time: '101500',
    accession: `A${slices}`,
    description: 'КТ',
    referrer: '',
  }
  await using scu = createStoreScu({
    host: dimse.host,
    port: dimse.port,
    callingAe: 'STORESCU',
    calledAe: dimse.aeTitle,
  })
  const items = (function* () {
    for (const item of createCt(context, random, { slices })) {
      digests.set(item.sopUid, sha256(item.dataSet))
      yield item
    }
  })()
  for await (const { status } of scu.store(items)) assert.equal(status, 0)
  return context.studyUid
}

before(
  async () => {
    world = await testRegion(3)
    okb = await signIn(world.region.node('okb').url, world.region.account('okb', 'radiologist'))
  },
  { timeout: 60_000 },
)

after(() => world?.[Symbol.asyncDispose]())

async function readWhole(study: string): Promise<number> {
  const rows = await okb.json<Row[]>(`/dicom-web/studies/${study}/instances?limit=1000`)
  for (const row of rows) {
    const dataSet = await retrieve(okb, row)
    assert.equal(sha256(dataSet), digests.get(valueOf(row, '00080018')))
  }
  return rows.length
}

test(
  'with the registry dead okb lists what it was granted and opens what it has not opened before',
  { timeout: 120_000 },
  async () => {
    const study = await sendStudy(6)
    await regionStudies(okb, 6)
    await world.region.kill('registry')
    const answer = await okb.get(`/dicom-web/studies?scope=region&StudyInstanceUID=${study}`)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('warning') ?? '', /^299 /)
    assert.equal(valueOf(((await answer.json()) as Row[])[0], '0020000D'), study)
    assert.equal(await readWhole(study), 6)
    await world.region.start('registry')
  },
)

test(
  'crb1 killed in the middle of a transfer and restarted: it resumes and re-sends less than one chunk a stream',
  { timeout: 180_000 },
  async (t) => {
    const study = await sendStudy(300)
    const progress = () => okb.json<Transfer>(`/api/studies/${study}/transfer`)
    await eventually(
      'the study in the region list',
      async () => {
        const rows = await okb.json<Row[]>(
          `/dicom-web/studies?scope=region&StudyInstanceUID=${study}`,
        )
        return Number(valueOf(rows[0], '00201208')) === 300 ? true : undefined
      },
      60_000,
    )
    const opened = await okb.get(`/dicom-web/studies/${study}/series`)
    assert.equal(opened.status, 200)
    const middle = await eventually('a fifth of the study here', async () => {
      const transfer = await progress()
      return transfer.bytes.done > transfer.bytes.total / 5 ? transfer : undefined
    })
    await world.region.kill('crb1')
    assert.ok(middle.bytes.done < middle.bytes.total, 'the transfer was not over yet')
    await world.region.start('crb1')
    const done = await eventually(
      'the whole study here',
      async () => {
        const transfer = await progress()
        return transfer.state === 'complete' ? transfer : undefined
      },
      90_000,
    )
    assert.equal(await readWhole(study), 300)
    const again = done.bytes.received - done.bytes.total
    t.diagnostic(
      `killed at ${middle.bytes.done} of ${middle.bytes.total} bytes; ${again} bytes came twice`,
    )
    assert.ok(again >= 0)
    assert.ok(again < streamLimits.chunkBytes, `${again} bytes came twice`)
  },
)
