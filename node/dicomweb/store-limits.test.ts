import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dicomwebLimits, storageLimits } from '#protocol/limits.ts'
import { dataSet, send } from '../archive/archive.fixture.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { openDicomweb } from './dicomweb.fixture.ts'

const sopClass = '1.2.840.10008.5.1.4.1.1.2'
const transferSyntax = '1.2.840.10008.1.2.1'
/** More than is gathered before it takes a part of the archive for itself. */
const pixels = new Uint8Array(storageLimits.gatherBytes + (1 << 20))
const large = (sop: string) => dataSet({ study: '1.1', series: '1.1.1', sop, pixels })

test('uploads that stall leave room for the large instances of apparatus', async () => {
  await using web = await openDicomweb()
  await using stalled = new AsyncDisposableStack()
  const header = createPart10Header({ sopClass, sopUid: '1.1.1.1', transferSyntax })
  const body = Buffer.concat([header, large('1.1.1.1')])
  const answers = new Set<string>()
  const ended = { count: 0 }
  const { openSegmentsMax } = storageLimits
  for (let n = 0; n < openSegmentsMax; n++) {
    const sending = request(`${web.url}/studies`, {
      method: 'POST',
      headers: { 'content-type': 'application/dicom', 'content-length': body.length },
    })
    stalled.defer(() => void sending.destroy())
    sending.on('error', () => undefined)
    sending.on('response', ({ statusCode, headers }) => {
      answers.add(`${statusCode} ${headers['retry-after']}`)
    })
    sending.on('close', () => ended.count++)
    sending.write(body.subarray(0, -2))
  }
  const refused = openSegmentsMax - dicomwebLimits.storesMax
  for (let n = 0; n < 500 && ended.count < refused; n++) await sleep(10)
  const declared = { sopClass, sopUid: '1.1.1.2', transferSyntax }
  const stored = await Promise.race([
    send(web.archive, large('1.1.1.2'), declared),
    sleep(10_000, undefined, { ref: false }),
  ])
  assert.equal(stored?.outcome, 'stored')
  assert.deepEqual([...answers], ['503 5'])
})
