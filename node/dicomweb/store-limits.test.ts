import assert from 'node:assert/strict'
import { request, type ClientRequest } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dicomwebLimits, storageLimits } from '#protocol/limits.ts'
import { dataSet, send } from '../archive/archive.fixture.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { openDicomweb, userHeader } from './dicomweb.fixture.ts'

const sopClass = '1.2.840.10008.5.1.4.1.1.2'
const transferSyntax = '1.2.840.10008.1.2.1'
/** More than is gathered before it takes a part of the archive for itself. */
const pixels = new Uint8Array(storageLimits.gatherBytes + (1 << 20))
const large = (sop: string) => dataSet({ study: '1.1', series: '1.1.1', sop, pixels })

/** Uploads that do not go on: who was refused, and how. */
function createStalled(url: string) {
  const header = createPart10Header({ sopClass, sopUid: '1.1.1.1', transferSyntax })
  const body = Buffer.concat([header, large('1.1.1.1')])
  const answers: string[] = []
  const sending: ClientRequest[] = []
  return {
    answers,
    begin(user: string) {
      const one = request(`${url}/studies`, {
        method: 'POST',
        headers: {
          'content-type': 'application/dicom',
          'content-length': body.length,
          [userHeader]: user,
        },
      })
      sending.push(one)
      one.on('error', () => undefined)
      one.on('response', ({ statusCode, headers }) => {
        answers.push(`${user} ${statusCode} ${headers['retry-after']}`)
      })
      one.write(body.subarray(0, -2))
    },
    async refused(count: number) {
      for (let n = 0; n < 500 && answers.length < count; n++) await sleep(10)
    },
    [Symbol.dispose]() {
      for (const one of sending) one.destroy()
    },
  }
}

test('uploads that stall leave room for the large instances of apparatus', async () => {
  await using web = await openDicomweb()
  using stalled = createStalled(web.url)
  const { openSegmentsMax } = storageLimits
  for (let n = 0; n < openSegmentsMax; n++) stalled.begin(`${n}`)
  await stalled.refused(openSegmentsMax - dicomwebLimits.storesMax)
  const declared = { sopClass, sopUid: '1.1.1.2', transferSyntax }
  const stored = await Promise.race([
    send(web.archive, large('1.1.1.2'), declared),
    sleep(10_000, undefined, { ref: false }),
  ])
  assert.equal(stored?.outcome, 'stored')
  assert.equal(stalled.answers.length, openSegmentsMax - dicomwebLimits.storesMax)
  for (const answer of stalled.answers) assert.match(answer, / 503 5$/)
})

test('uploads of one user that stall leave room for everybody else, and for her once they have ended', async () => {
  await using web = await openDicomweb()
  const { storesMax, storesPerUserMax } = dicomwebLimits
  const store = (user: string, sop: string) =>
    fetch(`${web.url}/studies`, {
      method: 'POST',
      headers: { 'content-type': 'application/dicom', [userHeader]: user },
      body: Buffer.concat([
        createPart10Header({ sopClass, sopUid: sop, transferSyntax }),
        dataSet({ study: '1.1', series: '1.1.1', sop }),
      ]),
    })
  {
    using stalled = createStalled(web.url)
    for (let n = 0; n < storesMax; n++) stalled.begin('slow')
    await stalled.refused(storesMax - storesPerUserMax)
    assert.deepEqual(
      stalled.answers,
      Array.from({ length: storesMax - storesPerUserMax }, () => 'slow 503 5'),
    )
    assert.equal((await store('other', '1.1.1.2')).status, 200)
    assert.equal((await store('slow', '1.1.1.3')).status, 503)
  }
  let answer = await store('slow', '1.1.1.3')
  for (let n = 0; n < 500 && answer.status === 503; n++) {
    await sleep(10)
    answer = await store('slow', '1.1.1.3')
  }
  assert.equal(answer.status, 200)
})
