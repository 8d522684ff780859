import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dataSet } from '../archive/archive.fixture.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { multipartBody, openDicomweb } from './dicomweb.fixture.ts'

const sopClass = '1.2.840.10008.5.1.4.1.1.2'
const transferSyntax = '1.2.840.10008.1.2.1'

const file = (sop: string, patientId = '42') =>
  Buffer.concat([
    createPart10Header({ sopClass, sopUid: sop, transferSyntax }),
    dataSet({ study: '1.1', series: '1.1.1', sop, patientId }),
  ])

type Web = Awaited<ReturnType<typeof openDicomweb>>

const post = (web: Web, files: readonly Buffer[], path = '/studies', headers = {}) =>
  fetch(`${web.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'multipart/related; type="application/dicom"; boundary=edge',
      ...headers,
    },
    body: new Uint8Array(multipartBody(files)),
  })

const itemsOf = (answer: DicomJson, tag: string) => (answer[tag]?.Value ?? []) as DicomJson[]

test('what is kept in quarantine is told with a warning, and with no place where it cannot be had', async () => {
  await using web = await openDicomweb()
  await post(web, [file('1.1.1.1')])
  for (const path of ['/studies', '/studies/1.1']) {
    const response = await post(web, [file('1.1.1.2', '43')], path)
    assert.equal(response.status, 202)
    const answer = (await response.json()) as DicomJson
    assert.deepEqual(answer['00081190'], { vr: 'UR' })
    assert.deepEqual(itemsOf(answer, '00081198'), [])
    assert.deepEqual(itemsOf(answer, '00081199'), [
      {
        '00081150': { vr: 'UI', Value: [sopClass] },
        '00081155': { vr: 'UI', Value: ['1.1.1.2'] },
        '00081190': { vr: 'UR' },
        '00081196': { vr: 'US', Value: [0xb001] },
      },
    ])
  }
  assert.equal((await web.archive.counts()).quarantined, 1)
})

test('every place that an answer names can be retrieved', async () => {
  await using web = await openDicomweb()
  const response = await post(web, [file('1.1.1.1'), file('1.1.1.2', '43')])
  assert.equal(response.status, 202)
  const answer = (await response.json()) as DicomJson
  const urls = [answer, ...itemsOf(answer, '00081199')].flatMap((one) => one['00081190']?.Value)
  const places = urls.filter((url) => typeof url === 'string')
  assert.deepEqual(places, [
    '/dicom-web/studies/1.1',
    '/dicom-web/studies/1.1/series/1.1.1/instances/1.1.1.1',
  ])
  for (const place of places) {
    assert.equal((await web.get(place.replace('/dicom-web', ''))).status, 200, place)
  }
})

test('the answer is JSON or XML, and another form is refused before anything is taken', async () => {
  await using web = await openDicomweb()
  for (const [accept, type, begin] of [
    ['application/dicom+xml', 'application/dicom+xml', '<?xml'],
    [
      'text/csv, application/*+xml;q=0.1, application/dicom+xml;q=0.5',
      'application/dicom+xml',
      '<',
    ],
    ['application/dicom+json', 'application/dicom+json', '{'],
    ['application/json', 'application/dicom+json', '{'],
    ['application/dicom+xml;q=0.5, application/dicom+json', 'application/dicom+json', '{'],
    ['*/*', 'application/dicom+json', '{'],
  ] as const) {
    const response = await post(web, [file('1.1.1.1')], '/studies', { accept })
    assert.equal(response.status, 200, accept)
    assert.equal(response.headers.get('content-type'), type, accept)
    const text = await response.text()
    assert.ok(text.startsWith(begin), text)
    assert.ok(text.includes('/dicom-web/studies/1.1/series/1.1.1/instances/1.1.1.1'))
  }
  for (const accept of ['text/csv', 'application/dicom', 'application/dicom+json;q=0']) {
    const response = await post(web, [file('1.1.1.2')], '/studies', { accept })
    assert.equal(response.status, 406, accept)
  }
  web.user.roles = ['clinician']
  assert.equal((await post(web, [file('1.1.1.2')], '/studies', { accept: 'text/csv' })).status, 403)
  assert.equal((await web.archive.counts()).instances, 1)
})

test('instances as XML are not taken', async () => {
  await using web = await openDicomweb()
  const response = await fetch(`${web.url}/studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom+xml"; boundary=edge' },
    body: '--edge\r\nContent-Type: application/dicom+xml\r\n\r\n<NativeDicomModel/>\r\n--edge--\r\n',
  })
  assert.equal(response.status, 415)
})
