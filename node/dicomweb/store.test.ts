import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import type { StudyUid } from '#protocol/ids.ts'
import { correctionProof, dataSet } from '../archive/archive.fixture.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { corpusFile, corpusPath, image, noCorpus } from '../dicom/data-set.fixture.ts'
import { createPart10Header, readPart10File } from '../dicom/part10.ts'
import { multipartBody, openDicomweb, partsOf, pathOf } from './dicomweb.fixture.ts'
import { readParts } from './multipart-reader.ts'

const sopClass = '1.2.840.10008.5.1.4.1.1.2'
const transferSyntax = '1.2.840.10008.1.2.1'
const multipart = 'multipart/related; type="application/dicom"; boundary=edge'

const file = (sop: string, study = '1.1', patientId = '42', pixels = new Uint8Array(8)): Buffer =>
  Buffer.concat([
    createPart10Header({ sopClass, sopUid: sop, transferSyntax }),
    dataSet({ study, series: `${study}.1`, sop, patientId, pixels }),
  ])

const asMetadata = 'multipart/related; type="application/dicom+json"; boundary=edge'

type Web = Awaited<ReturnType<typeof openDicomweb>>
type Items = { Value?: Record<string, { Value?: unknown[] }>[] }

async function post(
  web: Web,
  body: Uint8Array<ArrayBuffer>,
  { path = '/studies', type = multipart } = {},
) {
  const response = await fetch(`${web.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
  const text = await response.text()
  const answer = JSON.parse(text) as {
    '00081198'?: Items
    '00081199'?: Items
    error?: { code: string }
  }
  const items = (list: Items | undefined, tag: string) =>
    (list?.Value ?? []).map((item) => item[tag]?.Value?.[0])
  return {
    status: response.status,
    stored: items(answer['00081199'], '00081155'),
    failed: items(answer['00081198'], '00081155'),
    reasons: items(answer['00081198'], '00081197'),
    answer,
  }
}
const bodyOf = (...parts: Uint8Array[]) => new Uint8Array(multipartBody(parts))

test('all stored is 200, some 202, none 409, with an item for each', async () => {
  await using web = await openDicomweb()
  const all = await post(web, bodyOf(file('1.1.1.1'), file('1.1.1.2')))
  assert.equal(all.status, 200)
  assert.deepEqual(all.stored, ['1.1.1.1', '1.1.1.2'])
  assert.deepEqual(all.failed, [])
  const again = await post(web, bodyOf(file('1.1.1.1')))
  assert.equal(again.status, 200)
  const cut = file('1.1.1.4').subarray(0, -4)
  const some = await post(web, bodyOf(cut, file('1.1.1.3'), Buffer.from('no file at all'), cut))
  assert.equal(some.status, 202)
  assert.deepEqual(some.stored, ['1.1.1.3'])
  assert.deepEqual(some.failed, ['1.1.1.4', undefined, '1.1.1.4'])
  assert.deepEqual(some.reasons, [0xc000, 0xc000, 0xc000])
  const none = await post(web, bodyOf(cut))
  assert.equal(none.status, 409)
  assert.equal((await web.archive.counts()).instances, 3)
})

test('other bytes under a known UID are a failure, and so is another UID than declared', async () => {
  await using web = await openDicomweb()
  await post(web, bodyOf(file('1.1.1.1')))
  const other = file('1.1.1.1', '1.1', '42', Buffer.from('other  ?'))
  const lying = Buffer.concat([
    createPart10Header({ sopClass, sopUid: '1.1.1.9', transferSyntax }),
    dataSet({ study: '1.1', series: '1.1.1', sop: '1.1.1.8' }),
  ])
  const { status, reasons } = await post(web, bodyOf(other, lying))
  assert.equal(status, 409)
  assert.deepEqual(reasons, [0x0111, 0xa900])
})

test('what is no storage class is refused by its own reason, and what is no DICOM file by another', async () => {
  await using web = await openDicomweb()
  const meta = { sopUid: '1.1.1.2', transferSyntax }
  const bytes = dataSet({ study: '1.1', series: '1.1.1', sop: '1.1.1.2' })
  const service = Buffer.concat([
    createPart10Header({ ...meta, sopClass: '1.2.840.10008.5.1.4.1.2.2.1' }),
    bytes,
  ])
  const some = await post(web, bodyOf(service, file('1.1.1.1')))
  assert.deepEqual([some.status, some.stored, some.reasons], [202, ['1.1.1.1'], [0x0122]])
  assert.deepEqual(some.failed, ['1.1.1.2'])
  const [json] = ['1.2.840.10008.5.1.4.31'].map((uid) => ({
    '00080016': { vr: 'UI', Value: [uid] },
    '00080018': { vr: 'UI', Value: ['1.1.1.3'] },
    '0020000D': { vr: 'UI', Value: ['1.1'] },
    '0020000E': { vr: 'UI', Value: ['1.1.1'] },
  }))
  const part = `--edge\r\nContent-Type: application/dicom+json\r\n\r\n${JSON.stringify([json])}\r\n--edge--\r\n`
  const none = await post(web, Buffer.from(part), { type: asMetadata })
  assert.deepEqual([none.status, none.failed, none.reasons], [409, ['1.1.1.3'], [0x0122]])
  const text = '--edge\r\nContent-Type: text/plain\r\n\r\nhello\r\n--edge--\r\n'
  const other = await post(web, Buffer.from(text))
  assert.deepEqual([other.status, other.reasons], [409, [0xc000]])
  assert.equal((await web.archive.counts()).instances, 1)
})

test('a study takes only its own instances', async () => {
  await using web = await openDicomweb()
  const body = bodyOf(file('1.1.1.1', '1.1'), file('1.2.1.1', '1.2'))
  const { status, stored, failed, reasons } = await post(web, body, { path: '/studies/1.1' })
  assert.equal(status, 202)
  assert.deepEqual([stored, failed, reasons], [['1.1.1.1'], ['1.2.1.1'], [0xa900]])
  assert.equal((await web.archive.counts()).instances, 1)
})

test('one file may come without parts', async () => {
  await using web = await openDicomweb()
  const { status, stored } = await post(web, new Uint8Array(file('1.1.1.1')), {
    type: 'application/dicom',
  })
  assert.deepEqual([status, stored], [200, ['1.1.1.1']])
})

test('a boundary may be as long as Orthanc writes it, but not without end', async () => {
  await using web = await openDicomweb()
  for (const [length, expected] of [
    [73, 200],
    [201, 400],
  ] as const) {
    const boundary = 'e'.repeat(length)
    const body = new Uint8Array(multipartBody([file('1.1.1.1')], boundary))
    const type = `multipart/related; type="application/dicom"; boundary=${boundary}`
    assert.equal((await post(web, body, { type })).status, expected)
  }
})

test('bodies that are no instances are refused as a whole', async () => {
  await using web = await openDicomweb()
  for (const [body, type, expected] of [
    [bodyOf(file('1.1.1.1')), 'application/json', 'unsupported'],
    [bodyOf(file('1.1.1.1')), 'multipart/related; type="image/jpeg"; boundary=edge', 'unsupported'],
    [Buffer.from('--edge\r\n\r\n{]\r\n--edge--'), asMetadata, 'bad_request'],
    [bodyOf(file('1.1.1.1')), 'multipart/related; type="application/dicom"', 'bad_request'],
    [bodyOf(), multipart, 'bad_request'],
    [new Uint8Array(0), multipart, 'bad_request'],
    [bodyOf(file('1.1.1.1')).subarray(0, -20), multipart, 'bad_request'],
  ] as const) {
    const { answer } = await post(web, new Uint8Array(body), { type })
    assert.equal(answer.error?.code, expected, type)
  }
  web.user.roles = ['clinician']
  const { status } = await post(web, bodyOf(file('1.1.1.1')))
  assert.equal(status, 403)
})

test('what was stored comes back byte for byte', { skip: noCorpus }, async () => {
  await using web = await openDicomweb()
  const files = [
    'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_deflated.dcm',
    'modalities/US/pydicom_examples_ybr_color_30frames.dcm',
    'transfer-syntaxes/small/pydicom_MR_small_bigendian.dcm',
    'malformed/pydicom-data/OT-PAL-8-face.dcm',
  ].map((path) => corpusFile(path))
  const { status, stored } = await post(web, bodyOf(...files))
  assert.equal(status, 200)
  for (const [index, original] of files.entries()) {
    const [row] = (await (
      await web.get(`/instances?SOPInstanceUID=${String(stored[index])}`)
    ).json()) as {
      '00081190': { Value: string[] }
    }[]
    const path = row?.['00081190'].Value[0]?.slice('/dicom-web'.length) ?? ''
    const response = await web.get(path, { accept: 'application/dicom' })
    const returned = readPart10File(new Uint8Array(await response.arrayBuffer()))
    const sent = readPart10File(original)
    assert.ok(Buffer.from(returned.dataSet).equals(sent.dataSet))
    assert.equal(returned.transferSyntax, sent.transferSyntax)
  }
})

test('parts are the same however the body is cut', async () => {
  const parts = [
    Buffer.from('\r\n--edg\r\n-'),
    Buffer.alloc(0),
    Buffer.from('--edge--'),
    Buffer.alloc(3000, 13),
  ]
  const body = multipartBody(parts)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 90 })), async (cuts) => {
      const read: Buffer[] = []
      for await (const part of readParts(cutUp(body, cuts), 'edge')) {
        assert.equal(part.headers.get('content-type'), 'application/dicom')
        const chunks: Buffer[] = []
        for await (const chunk of part.body) chunks.push(Buffer.from(chunk))
        read.push(Buffer.concat(chunks))
      }
      assert.deepEqual(read, parts)
    }),
    { numRuns: 200, seed: 5 },
  )
})

async function* cutUp(body: Buffer, cuts: readonly number[]) {
  let at = 0
  for (const cut of cuts) {
    yield body.subarray(at, at + cut)
    at += cut
  }
  yield body.subarray(at)
}

test('a body that breaks off keeps and tells what was stored before', async () => {
  await using web = await openDicomweb()
  const whole = bodyOf(file('1.1.1.1'), file('1.1.1.2'), file('1.1.1.3'))
  const { status, stored, failed, reasons } = await post(web, whole.subarray(0, -20))
  assert.equal(status, 202)
  assert.deepEqual([stored, failed, reasons], [['1.1.1.1', '1.1.1.2'], ['1.1.1.3'], [0xc000]])
  const [entry, other] = web.audit
  assert.deepEqual(
    [entry?.event, entry?.outcome, entry?.study, entry?.instances],
    ['import', 'success', '1.1', 2],
  )
  assert.deepEqual([other?.outcome, other?.instances], ['failure', 1])
})

test('what was stored before the sender was gone between two files is audited', async () => {
  await using web = await openDicomweb()
  const whole = bodyOf(file('1.1.1.1'), file('1.1.1.2'))
  const between = Buffer.from(whole).lastIndexOf('--edge\r\n') + 8
  const sending = request(`${web.url}/studies`, {
    method: 'POST',
    headers: { 'content-type': multipart, 'content-length': whole.length },
  }).on('error', () => undefined)
  sending.write(whole.subarray(0, between))
  while ((await web.archive.counts()).instances === 0) await sleep(5)
  sending.destroy()
  for (let n = 0; n < 200 && web.audit.length < 2; n++) await sleep(10)
  assert.deepEqual(
    web.audit.map(({ outcome, study, instances }) => [outcome, study, instances]),
    [
      ['success', '1.1', 1],
      ['failure', undefined, 1],
    ],
  )
})

/** What a client makes of an instance that it retrieved as metadata and bulk values. */
async function metadataBody(web: Web, place: string, changed = {}) {
  const response = await web.get(`${place}/metadata`)
  const [header] = (await response.json()) as Record<string, { BulkDataURI?: string }>[]
  const uris = Object.values(header ?? {}).flatMap(({ BulkDataURI: uri }) => uri ?? [])
  const parts: Buffer[] = []
  const part = (head: string, body: Buffer) =>
    parts.push(Buffer.from(`--edge\r\nContent-Type: ${head}\r\n\r\n`), body, Buffer.from('\r\n'))
  part('application/dicom+json', Buffer.from(JSON.stringify([{ ...header, ...changed }])))
  for (const uri of uris) {
    const accept = 'multipart/related; type="*/*"; transfer-syntax=*'
    const value = await web.get(uri.replace('/dicom-web', ''), { accept })
    for (const { headers, body } of await partsOf(value)) {
      part(`${headers.get('content-type')}\r\nContent-Location: ${uri}`, body)
    }
  }
  return new Uint8Array(Buffer.concat([...parts, Buffer.from('--edge--')]))
}

test(
  'metadata with bulk values beside is stored as the same instance',
  { skip: noCorpus },
  async () => {
    for (const name of [
      'modalities/CT/pydicom_CT_small.dcm',
      'modalities/US/pydicom_OBXXXX1A_rle_2frame_palette.dcm',
      'transfer-syntaxes/small/pydicom_emri_small_jpeg_ls_lossless.dcm',
      'modalities/SR/highdicom_sr_document.dcm',
      'charsets/clunie-via-pydicom/chrGreek.dcm',
    ].filter((one) => existsSync(corpusPath(one)))) {
      await using first = await openDicomweb()
      const { sopUid } = await first.keep(corpusFile(name))
      const place = await pathOf(first, sopUid)
      await using second = await openDicomweb()
      const sent = await post(second, await metadataBody(first, place), { type: asMetadata })
      assert.equal(sent.status, 200, name)
      const metadata = async (web: Web) => {
        const [header] = (await (await web.get(`${place}/metadata`)).json()) as object[]
        // Encapsulated pixels are OB, whatever some writers say (PS3.5 §A.4).
        return { ...header, '7FE00010': undefined }
      }
      assert.deepEqual(await metadata(second), await metadata(first), name)
      const pixels = async (web: Web) => {
        const response = await web.get(`${place}/frames/1`)
        return response.status === 200 ? (await partsOf(response))[0]?.body : response.text()
      }
      assert.deepEqual(await pixels(second), await pixels(first), name)
    }
  },
)

test('metadata that is no instance fails by itself', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image(), { sopClass, sopUid: '1.2.3.4', transferSyntax })
  const place = '/studies/1.2.3/series/1.2.3.1/instances/1.2.3.4'
  for (const [changed, reason] of [
    [
      { '00080018': { vr: 'UI', Value: ['1.1.1.2'] }, '7FE00010': { vr: 'OW', BulkDataURI: 'x' } },
      0xc000,
    ],
    [{ '00280010': { vr: 'US', Value: [70_000] } }, 0xc000],
    [{ '00280010': { Value: [1] } }, 0xc000],
    [{ name: { vr: 'LO' } }, 0xc000],
    [{ '00081140': { vr: 'SQ', Value: ['no item'] } }, 0xc000],
    [{ '0020000D': { vr: 'UI', Value: ['1.7'] } }, 0xa900],
  ] as const) {
    const body = await metadataBody(web, place, changed)
    const { status, reasons } = await post(web, body, { type: asMetadata, path: '/studies/1.2.3' })
    assert.deepEqual([status, reasons], [409, [reason]], JSON.stringify(changed))
  }
})

test('what is deleted is hidden, audited, and not asked for again', async () => {
  await using web = await openDicomweb()
  await post(web, bodyOf(file('1.1.1.1'), file('1.1.1.2'), file('1.2.1.1', '1.2')))
  const remove = async (path: string) =>
    (await fetch(`${web.url}${path}`, { method: 'DELETE' })).status
  const one = '/studies/1.1/series/1.1.1/instances/1.1.1.1'
  const why = 'code=113037&reason=wrong+side'
  assert.equal(await remove(`${one}?${why}`), 403)
  assert.equal(web.audit.at(-1)?.code, 'role_missing')
  web.user.roles = ['dept_head']
  for (const query of ['', '?code=113037', '?reason=wrong+side', '?code=113037&reason=']) {
    assert.equal(await remove(`${one}${query}`), 400, query)
  }
  assert.equal(await remove(`${one}?code=113002&reason=wrong+side`), 400)
  assert.equal((await web.get(one)).status, 200)
  assert.equal(await remove(`/studies/1.9?${why}`), 403)
  assert.equal(await remove(`${one}?${why}`), 204)
  const { event, outcome, study, detail } = web.audit.at(-1) ?? {}
  assert.deepEqual(
    [event, outcome, study, detail],
    ['study-rejected', 'success', '1.1', 'instance 113037'],
  )
  assert.equal((await web.get(one)).status, 404)
  const listed = await web.get('/studies/1.1/instances')
  assert.equal(((await listed.json()) as unknown[]).length, 1)
  const last = await fetch(`${web.url}/studies/1.2?${why}&purge=now`, { method: 'DELETE' })
  assert.equal(last.status, 204)
  assert.match(last.headers.get('warning') ?? '', /purge is not supported and was ignored/)
  const studies = (await (await web.get('/studies')).json()) as Record<
    string,
    { Value?: unknown[] }
  >[]
  assert.deepEqual(
    studies.map((row) => row['0020000D']?.Value?.[0]),
    ['1.1'],
  )
  assert.equal((await web.get('/studies/1.2')).status, 403)
})

test('a correction is served in metadata and files, under another entity tag', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image(), { sopClass, sopUid: '1.2.3.4', transferSyntax })
  const place = '/studies/1.2.3/series/1.2.3.1/instances/1.2.3.4'
  const accept = 'application/dicom; transfer-syntax=*'
  const before = await web.get(place, { accept })
  const received = readPart10File(new Uint8Array(await before.arrayBuffer()))
  const study = '1.2.3' as StudyUid
  await web.archive.overlay(correctionProof('demographics'), {
    kind: 'correct',
    target: { level: 'study', study },
    attributes: [{ tag: '00100010', new: ['Петров^Иван'] }],
  })
  const etag = before.headers.get('etag') ?? ''
  const after = await web.get(place, { accept, 'if-none-match': etag })
  assert.equal(after.status, 200)
  const shown = readPart10File(new Uint8Array(await after.arrayBuffer()))
  assert.ok(Buffer.from(shown.dataSet).includes('Петров^Иван'))
  assert.ok(Buffer.from(received.dataSet).includes('Иванов^Пётр'))
  const [header] = (await (await web.get(`${place}/metadata`)).json()) as DicomJson[]
  assert.deepEqual(header?.['00100010']?.Value, [{ Alphabetic: 'Петров^Иван' }])
  assert.equal(header['04000561']?.Value?.length, 1)
  const dense = await web.get(place, {
    accept: 'application/dicom; transfer-syntax=1.2.840.10008.1.2.4.201',
  })
  assert.equal(dense.status, 200)
  const compressed = readPart10File(new Uint8Array(await dense.arrayBuffer()))
  assert.equal(compressed.transferSyntax, '1.2.840.10008.1.2.4.201')
  assert.ok(Buffer.from(compressed.dataSet).includes('Петров^Иван'))
})
