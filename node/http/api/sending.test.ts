import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { temporaryFolder } from '../../archive/archive.fixture.ts'
import { SendWork } from '../../dimse/send-work.ts'
import { openJobQueue } from '../../store/job-queue.ts'
import { openRecords } from '../../store/records.ts'
import { openTestNode } from '../http.fixture.ts'

test('an administrator sees what a target took, and how much of it with a reservation', async () => {
  await using folder = await temporaryFolder()
  await using records = await openRecords(folder.path)
  const own = { records, clock: Date.now, random: randomBytes }
  const sending = await openJobQueue({ ...own, kind: 'send', work: SendWork })
  const mark = (number: number) => String(number).padStart(16, '0')
  const sent = [mark(1), mark(2), mark(3)]
  const work = { to: 'PACS@10.0.0.7:104', study: '1.2.3', wanted: 1, sent, refused: 1 }
  await sending.add(SendWork.parse({ ...work, warned: [mark(2)] }))
  await using node = await openTestNode({}, { sending })
  const answer = await node.get('/api/sending', node.as('mo_admin'))
  const { jobs } = (await answer.json()) as { jobs: Record<string, unknown>[] }
  const [{ state, to, sent: taken, warned, refused } = {}] = jobs
  assert.deepEqual([state, to, taken, warned, refused], ['waiting', work.to, 3, 1, 1])
})
