import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { element, image } from '../dicom/data-set.fixture.ts'
import { openDicomweb, partsOf } from './dicomweb.fixture.ts'

const explicitLittle = '1.2.840.10008.1.2.1'
const sopClass = '1.2.840.10008.5.1.4.1.1.2'
const declared = { sopClass, sopUid: '1.2.3.4', transferSyntax: explicitLittle }
const study = '/studies/1.2.3'
const series = `${study}/series/1.2.3.1`
const instance = `${series}/instances/1.2.3.4`
const accept = 'multipart/related; type="application/octet-stream"'

/** An image of two frames with a lookup table that metadata has no room for, and an instance without pixels. */
async function withValues() {
  const web = await openDicomweb()
  const table = Buffer.alloc(2048, 7)
  const plain = image({ frames: 2 })
  const pixels = plain.subarray(plain.length - 2 * 128)
  const before = plain.length - 256 - 12
  const data = Buffer.concat([
    plain.subarray(0, before),
    element('00420011', 'OB', table),
    plain.subarray(before),
  ])
  await web.keepDataSet(data, declared)
  return Object.assign(web, { table, pixels })
}

const locations = async (response: Response) =>
  (await partsOf(response)).map(({ headers }) => headers.get('content-location'))

test('all bulk values come as parts that say where each is, of an instance, a series, a study', async () => {
  await using web = await withValues()
  for (const path of [
    `${instance}/bulkdata`,
    `${series}/bulkdata`,
    `${study}/bulkdata`,
    instance,
    series,
    study,
  ]) {
    const response = await web.get(path, { accept })
    assert.equal(response.status, 200, path)
    const type = response.headers.get('content-type') ?? ''
    assert.match(type, /^multipart\/related; type="application\/octet-stream"/)
    const parts = await partsOf(response)
    assert.deepEqual(
      parts.map(({ headers, body }) => [
        headers.get('content-location'),
        headers.get('content-type'),
        body.toString('hex'),
      ]),
      [
        [
          `/dicom-web${instance}/bulkdata/00420011`,
          'application/octet-stream',
          web.table.toString('hex'),
        ],
        ...[0, 1].map((n) => [
          `/dicom-web${instance}/frames/${n + 1}`,
          `application/octet-stream; transfer-syntax=${explicitLittle}`,
          web.pixels.subarray(n * 128, n * 128 + 128).toString('hex'),
        ]),
      ],
    )
    assert.equal(web.accesses.at(-1)?.instances, 1)
  }
  assert.equal(web.open.readers, 0)
})

test('pixels alone come frame by frame, in the syntax that was asked for', async () => {
  await using web = await withValues()
  const frames = [1, 2].map((n) => `/dicom-web${instance}/frames/${n}`)
  for (const path of [instance, series, study]) {
    assert.deepEqual(await locations(await web.get(`${path}/pixeldata`)), frames)
  }
  const dense = await web.get(`${instance}/pixeldata`, {
    accept: `${accept}; transfer-syntax=1.2.840.10008.1.2.4.201`,
  })
  const [frame] = await partsOf(dense)
  assert.equal(
    frame?.headers.get('content-type'),
    'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.201',
  )
})

test('pixels that do not fit their description are left out, which a warning says', async () => {
  await using web = await withValues()
  const whole = image()
  const cut = Buffer.concat([
    Buffer.from(
      whole
        .subarray(0, -128 - 12)
        .toString('latin1')
        .replace('1.2.3.4', '1.2.3.5'),
      'latin1',
    ),
    element('00420011', 'OB', web.table),
    element('7FE00010', 'OW', whole.subarray(-64)),
  ])
  await web.keepDataSet(cut, { ...declared, sopUid: '1.2.3.5' })
  const response = await web.get(`${study}/bulkdata`, { accept })
  assert.equal(response.status, 200)
  assert.match(
    response.headers.get('warning') ?? '',
    /^299 cami "Left out: pixels that do not fit their description \(1\)/,
  )
  const other = `/dicom-web${series}/instances/1.2.3.5`
  assert.deepEqual(await locations(response), [
    `/dicom-web${instance}/bulkdata/00420011`,
    `/dicom-web${instance}/frames/1`,
    `/dicom-web${instance}/frames/2`,
    `${other}/bulkdata/00420011`,
  ])
  const alone = `${series}/instances/1.2.3.5`
  assert.deepEqual(await locations(await web.get(`${alone}/bulkdata`, { accept })), [
    `${other}/bulkdata/00420011`,
  ])
  assert.equal((await web.get(`${alone}/pixeldata`, { accept })).status, 400)
  assert.equal((await web.get(`${instance}/pixeldata`, { accept })).headers.get('warning'), null)
})

test('metadata of another holder that names no place of ours keeps nobody from the rest', async () => {
  await using web = await withValues()
  const whole = await locations(await web.get(`${instance}/bulkdata`, { accept }))
  for (const element of [
    { vr: 'OB', BulkDataURI: 'bulk/../00420011' },
    { vr: 'OB', BulkDataURI: 'https://example.org/bulk/00420011' },
    { vr: 'OB', BulkDataURI: 7 },
    { vr: 'SQ', Value: 7 },
    { vr: 'SQ', Value: [null, { '00420011': null }] },
  ]) {
    web.open.said = { '00091010': element } as unknown as DicomJson
    const response = await web.get(`${instance}/bulkdata`, { accept })
    assert.equal(response.status, 200, JSON.stringify(element))
    assert.deepEqual(await locations(response), whole)
  }
})

test('what has no bulk value is not found, and what cannot be given is said before anything is', async () => {
  await using web = await withValues()
  await web.keepDataSet(
    Buffer.concat([
      element('00080016', 'UI', sopClass),
      element('00080018', 'UI', '1.2.3.9'),
      element('0020000D', 'UI', '1.2.3'),
      element('0020000E', 'UI', '1.2.3.2'),
    ]),
    { ...declared, sopUid: '1.2.3.9' },
  )
  const plain = `${study}/series/1.2.3.2/instances/1.2.3.9`
  for (const [path, wish, expected] of [
    [`${plain}/bulkdata`, accept, 404],
    [`${plain}/pixeldata`, accept, 404],
    [`${study}/bulkdata`, `${accept}; transfer-syntax=${explicitLittle}`, 200],
    [`${study}/series/1.2.3.9/bulkdata`, accept, 404],
    [`${instance}/bulkdata`, 'image/png', 406],
    [`${instance}/bulkdata`, `${accept}; transfer-syntax=1.2.840.10008.1.2.4.50`, 406],
    [instance, `${accept}, multipart/related; type="application/dicom"; q=0.5`, 200],
    ['/studies/1.9/bulkdata', accept, 403],
  ] as const) {
    const response = await web.get(path, { accept: wish })
    await response.arrayBuffer()
    assert.equal(response.status, expected, `${path} ${wish}`)
  }
  const known = await web.get(`${instance}/bulkdata`, { accept })
  await known.arrayBuffer()
  const again = await web.get(`${instance}/bulkdata`, {
    accept,
    'if-none-match': known.headers.get('etag') ?? '',
  })
  assert.equal(again.status, 304)
  assert.equal(web.open.readers, 0)
})
