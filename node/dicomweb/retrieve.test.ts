import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { corpusFile, element, image, noCorpus } from '../dicom/data-set.fixture.ts'
import { createPart10Header, readPart10File } from '../dicom/part10.ts'
import { openDicomweb, partsOf, pathOf } from './dicomweb.fixture.ts'

const ct = '1.2.840.10008.5.1.4.1.1.2'
const explicitLittle = '1.2.840.10008.1.2.1'
const study = '/studies/1.2.3'
const instance = `${study}/series/1.2.3.1/instances/1.2.3.4`
const declared = { sopClass: ct, sopUid: '1.2.3.4', transferSyntax: explicitLittle }

async function withImage(frames = 3) {
  const web = await openDicomweb()
  const data = image({ frames })
  await web.keepDataSet(data, declared)
  return Object.assign(web, { data, pixels: data.subarray(data.length - frames * 128) })
}

test('instances come as parts, byte for byte as received', async () => {
  await using web = await withImage()
  for (const path of [study, `${study}/series/1.2.3.1`, instance]) {
    const response = await web.get(path, {
      accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
    })
    assert.equal(response.status, 200)
    assert.match(
      response.headers.get('content-type') ?? '',
      /^multipart\/related; type="application\/dicom"/,
    )
    const length = Number(response.headers.get('content-length'))
    const [part, ...rest] = await partsOf(response.clone())
    assert.equal((await response.arrayBuffer()).byteLength, length)
    assert.equal(rest.length, 0)
    assert.equal(
      part?.headers.get('content-type'),
      `application/dicom; transfer-syntax=${explicitLittle}`,
    )
    assert.equal(Number(part?.headers.get('content-length')), part?.body.length)
    const file = readPart10File(part?.body ?? Buffer.alloc(0))
    assert.ok(Buffer.from(file.dataSet).equals(web.data))
    assert.equal(file.transferSyntax, explicitLittle)
  }
  assert.deepEqual(web.accesses[0], {
    study: '1.2.3',
    detail: 'instances',
    instances: 1,
    bytes: web.data.length,
  })
  assert.equal(web.open.readers, 0)
})

test('one instance may come alone, whole or in part', async () => {
  await using web = await withImage()
  const whole = Buffer.concat([createPart10Header(declared), web.data])
  const accept = 'application/dicom'
  const response = await web.get(instance, { accept })
  assert.equal(
    response.headers.get('content-type'),
    `application/dicom; transfer-syntax=${explicitLittle}`,
  )
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(whole))
  const part = await web.get(instance, { accept, range: 'bytes=100-499' })
  assert.equal(part.status, 206)
  assert.equal(part.headers.get('content-range'), `bytes 100-499/${whole.length}`)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(100, 500)))
  const tail = await web.get(instance, { accept, range: 'bytes=-10' })
  assert.ok(Buffer.from(await tail.arrayBuffer()).equals(whole.subarray(-10)))
  const beyond = await web.get(instance, { accept, range: `bytes=${whole.length}-` })
  assert.equal(beyond.status, 416)
  const stale = await web.get(instance, { accept, range: 'bytes=0-1', 'if-range': '"other"' })
  assert.equal(stale.status, 200)
})

test('an unchanged answer is not sent again', async () => {
  await using web = await withImage()
  for (const path of [instance, `${instance}/metadata`, `${instance}/frames/1`]) {
    const first = await web.get(path)
    await first.arrayBuffer()
    const etag = first.headers.get('etag') ?? ''
    const again = await web.get(path, { 'if-none-match': etag })
    assert.equal(again.status, 304, path)
    assert.equal((await again.arrayBuffer()).byteLength, 0)
    const other = await web.get(path, { 'if-none-match': '"other"' })
    assert.equal(other.status, 200)
    await other.arrayBuffer()
    const any = await web.get(path, { 'if-none-match': '*' })
    assert.equal(any.status, 304, path)
  }
  // What is not there is not unchanged.
  for (const path of ['/studies/1.9', `${instance}9`, `${instance}/frames/99`]) {
    const [plain, any] = [await web.get(path), await web.get(path, { 'if-none-match': '*' })]
    assert.ok(any.status >= 400, path)
    assert.equal(any.status, plain.status, path)
    await Promise.all([plain.arrayBuffer(), any.arrayBuffer()])
  }
  assert.equal(web.open.readers, 0)
})

test('what a client accepts decides the form, however it is written', async () => {
  await using web = await withImage()
  const status = async (path: string, accept: string) => {
    const response = await web.get(path, { accept })
    await response.arrayBuffer()
    return response.status
  }
  const accepted = [
    '*/*',
    'multipart/related',
    'multipart/related; type=application/dicom',
    'multipart/related;type="application/dicom";transfer-syntax=1.2.840.10008.1.2.1',
    'application/dicom; transfer-syntax=*',
    'image/png, application/dicom;q=0.1',
  ]
  for (const accept of accepted) assert.equal(await status(instance, accept), 200, accept)
  const refused = [
    'text/html',
    'multipart/related; type="application/zip"',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.70',
    'multipart/related; type="image/jpeg"',
    'application/dicom;q=0',
  ]
  for (const accept of refused) assert.equal(await status(instance, accept), 406, accept)
  const byQuery = await web.get(`${instance}?accept=application/dicom`)
  assert.match(byQuery.headers.get('content-type') ?? '', /^application\/dicom/)
  await byQuery.arrayBuffer()
})

test('frames come as parts that name their syntax and length, or alone', async () => {
  await using web = await withImage()
  const accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
  const response = await web.get(`${instance}/frames/3,1`, { accept })
  const parts = await partsOf(response)
  assert.deepEqual(
    parts.map(({ body }) => body.toString('hex')),
    [web.pixels.subarray(256), web.pixels.subarray(0, 128)].map((frame) => frame.toString('hex')),
  )
  for (const { headers } of parts) {
    assert.equal(
      headers.get('content-type'),
      `application/octet-stream; transfer-syntax=${explicitLittle}`,
    )
    assert.equal(headers.get('content-length'), '128')
  }
  const single = await web.get(`${instance}/frames/2`, { accept: 'application/octet-stream' })
  assert.equal(single.headers.get('content-length'), '128')
  assert.ok(Buffer.from(await single.arrayBuffer()).equals(web.pixels.subarray(128, 256)))
  for (const [frames, expected] of [
    ['4', 404],
    ['0', 400],
    ['x', 400],
    ['1,', 400],
  ] as const) {
    const wrong = await web.get(`${instance}/frames/${frames}`, { accept })
    assert.equal(wrong.status, expected, frames)
    await wrong.arrayBuffer()
  }
})

test('frames of a damaged image are refused, the instance itself is not', async () => {
  await using web = await openDicomweb()
  const short = Buffer.concat([
    image().subarray(0, -140),
    element('7FE00010', 'OW', Buffer.alloc(64)),
  ])
  await web.keepDataSet(short, declared)
  const frame = await web.get(`${instance}/frames/1`)
  assert.deepEqual(await frame.json(), { error: { code: 'instance_malformed' } })
  const file = await web.get(instance, { accept: 'application/dicom' })
  assert.equal(file.status, 200)
  await file.arrayBuffer()
})

test('a study that may not be read and one that does not exist are refused alike', async () => {
  await using web = await withImage()
  web.forbidden.add('1.2.3')
  const answers = new Set<string>()
  for (const uid of ['1.2.3', '9.9.9']) {
    const one = `/studies/${uid}/series/1.2.3.1/instances/1.2.3.4`
    const paths = [`/studies/${uid}`, one, `${one}/metadata`, `${one}/frames/1`, `${one}/thumbnail`]
    for (const path of [...paths, `${one}/bulkdata/7FE00010`, `${one}/rendered`]) {
      const response = await web.get(path)
      answers.add(`${response.status} ${await response.text()}`)
    }
  }
  assert.deepEqual([...answers], ['403 {"error":{"code":"forbidden"}}'])
  assert.equal(web.accesses.length, 0)
})

test('what is not in a study that may be read is not found', async () => {
  await using web = await withImage()
  for (const [path, expected] of [
    [`${study}/series/1.2.9`, 404],
    [`${study}/series/1.2.3.1/instances/1.2.9`, 404],
    [`${study}/series/1.2.9/instances/1.2.3.4`, 404],
    [`${instance}/bulkdata/00091001`, 404],
    [`${instance}/bulkdata/nonsense`, 400],
    ['/studies/..%2F..%2Fetc', 400],
    [`${study}/series/1.2.9/thumbnail`, 404],
    [`${study}/series/1.2.9/rendered`, 404],
  ] as const) {
    const response = await web.get(path)
    await response.arrayBuffer()
    assert.equal(response.status, expected, path)
  }
  assert.equal(web.open.readers, 0)
})

test('metadata comes as XML too, one part for each instance', async () => {
  await using web = await withImage()
  const response = await web.get(`${study}/metadata`, {
    accept: 'multipart/related; type="application/dicom+xml"',
  })
  assert.match(response.headers.get('content-type') ?? '', /type="application\/dicom\+xml"/)
  const [part, ...rest] = await partsOf(response)
  assert.equal(rest.length, 0)
  assert.equal(part?.headers.get('content-location'), `/dicom-web${instance}`)
  const xml = part?.body.toString() ?? ''
  assert.match(xml, /<Alphabetic><FamilyName>Иванов<\/FamilyName><GivenName>Пётр<\/GivenName>/)
  const bulk = `<BulkData uri="/dicom-web${instance}/bulkdata/7FE00010"/>`
  assert.ok(xml.includes(bulk), xml.slice(-400))
  const tagged = response.headers.get('etag')
  const json = await web.get(`${study}/metadata`)
  assert.notEqual(json.headers.get('etag'), tagged)
  await json.arrayBuffer()
})

test('metadata is whole, says where bulk values and pixels are, and is compressed', async () => {
  await using web = await openDicomweb()
  const table = Buffer.from(Array.from({ length: 4096 }, (_, at) => at % 256))
  const data = Buffer.concat([
    image().subarray(0, -140),
    element('00281201', 'OW', table),
    image().subarray(-140),
  ])
  await web.keepDataSet(data, declared)
  const response = await web.get(`${study}/metadata`, { accept: 'application/dicom+json' })
  assert.equal(response.headers.get('content-type'), 'application/dicom+json')
  const [row] = (await response.json()) as Record<string, Record<string, unknown>>[]
  assert.deepEqual(row?.['00083002'], { vr: 'UI', Value: [explicitLittle] })
  assert.deepEqual(row?.['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'Иванов^Пётр' }] })
  assert.deepEqual(row?.['00080005'], { vr: 'CS', Value: ['ISO_IR 192'] })
  const uri = `/dicom-web${instance}/bulkdata/00281201`
  assert.deepEqual(row?.['00281201'], { vr: 'OW', BulkDataURI: uri })
  const bulk = await web.get(uri.slice('/dicom-web'.length), { accept: 'application/octet-stream' })
  assert.ok(Buffer.from(await bulk.arrayBuffer()).equals(table))
  const part = await web.get(uri.slice('/dicom-web'.length), {
    accept: 'application/octet-stream',
    range: 'bytes=256-511',
  })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(table.subarray(256, 512)))
  const [multipart] = await partsOf(await web.get(uri.slice('/dicom-web'.length)))
  assert.ok(multipart?.body.equals(table))
  const [pixels] = await partsOf(await web.get(`${instance}/bulkdata/7FE00010`))
  assert.ok(pixels?.body.equals(data.subarray(-128)))
  for (const encoding of ['br', 'gzip']) {
    const packed = await web.get(`${study}/metadata`, { 'accept-encoding': encoding })
    assert.equal(packed.headers.get('content-encoding'), encoding)
    assert.deepEqual(await packed.json(), [row])
  }
})

test('a client that leaves closes the study, and a request for headers alone reads nothing', async () => {
  await using web = await openDicomweb()
  const data = image({ frames: 200, side: 128 })
  await web.keepDataSet(data, declared)
  const leaving = new AbortController()
  const response = await fetch(`${web.url}${study}`, { signal: leaving.signal })
  const reader = response.body?.getReader()
  await reader?.read()
  leaving.abort()
  for (let i = 0; i < 100 && web.open.readers > 0; i++) await sleep(10)
  assert.equal(web.open.readers, 0)
  const head = await fetch(`${web.url}${instance}`, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.ok(Number(head.headers.get('content-length')) > data.length)
  assert.equal(web.open.readers, 0)
})

test('a holder out of reach is an error with a name, not a broken answer', async () => {
  await using web = await withImage()
  web.open.failure = 'holder_unreachable'
  for (const path of [instance, `${instance}/frames/1`, `${instance}/bulkdata/7FE00010`]) {
    for (const accept of ['*/*', 'application/dicom, application/octet-stream']) {
      const response = await web.get(path, { accept, range: 'bytes=-9' })
      assert.equal(response.status, 504)
      assert.deepEqual(await response.json(), { error: { code: 'holder_unreachable' } })
      assert.equal(response.headers.get('etag'), null)
      assert.equal(response.headers.get('content-range'), null)
    }
  }
  assert.equal(web.open.readers, 0)
})

test('older viewers get an instance by query parameters', async () => {
  await using web = await withImage()
  const query = 'requestType=WADO&studyUID=1.2.3&seriesUID=1.2.3.1&objectUID=1.2.3.4'
  for (const path of [`/wado?${query}&contentType=application/dicom`, `?${query}`]) {
    const response = await web.get(path)
    assert.equal(response.status, 200, path)
    const file = readPart10File(new Uint8Array(await response.arrayBuffer()))
    assert.ok(Buffer.from(file.dataSet).equals(web.data))
  }
  for (const [more, expected] of [
    ['&contentType=video/mp4', 406],
    ['&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.70', 406],
    ['&anonymize=yes', 406],
  ] as const) {
    const response = await web.get(`/wado?${query}${more}`)
    await response.arrayBuffer()
    assert.equal(response.status, expected, more)
  }
  const wrong = await web.get('/wado?requestType=WADO')
  assert.equal(wrong.status, 400)
  await wrong.arrayBuffer()
})

test('compressed frames of real files come as stored', { skip: noCorpus }, async () => {
  for (const [file, type] of [
    ['transfer-syntaxes/small/pydicom_SC_rgb_rle_16bit_2frame.dcm', 'image/dicom-rle'],
    ['transfer-syntaxes/small/pydicom_emri_small_jpeg_ls_lossless.dcm', 'image/jls'],
    ['transfer-syntaxes/small/pydicom_emri_small_jpeg_2k_lossless.dcm', 'image/jp2'],
  ] as const) {
    // The last two are one object in two syntaxes, which no archive keeps side by side.
    await using web = await openDicomweb()
    const { sopUid, transferSyntax, dataSet } = await web.keep(corpusFile(file))
    const path = await pathOf(web, sopUid)
    const [bytes] = await partsOf(await web.get(`${path}/frames/2`))
    assert.equal(
      bytes?.headers.get('content-type'),
      `application/octet-stream; transfer-syntax=${transferSyntax}`,
    )
    assert.ok(Buffer.from(dataSet).includes(bytes?.body ?? Buffer.of(1, 2, 3)))
    const typed = await web.get(`${path}/frames/2`, { accept: `multipart/related; type="${type}"` })
    assert.match(typed.headers.get('content-type') ?? '', new RegExp(type))
    const [alike] = await partsOf(typed)
    assert.ok(alike?.body.equals(bytes?.body ?? Buffer.alloc(0)))
    const native = await web.get(`${path}/frames/2`, {
      accept: `application/octet-stream; transfer-syntax=${explicitLittle}`,
    })
    assert.equal(native.status, 200)
    const { length } = Buffer.from(await native.arrayBuffer())
    assert.ok(length >= 64 * 64 * 2)
    const unknown = await web.get(`${path}/frames/2`, {
      accept: 'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50',
    })
    assert.equal(unknown.status, 406)
    await unknown.arrayBuffer()
  }
})

test('a study comes as one archive, names by place and contents byte for byte', async () => {
  await using web = await withImage()
  const other = Buffer.from(web.data)
  other.write('1.2.3.5', other.indexOf('1.2.3.4'), 'latin1')
  await web.keepDataSet(other, { ...declared, sopUid: '1.2.3.5' })
  const response = await web.get(study, { accept: 'application/zip' })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/zip')
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'cami-zip-'))
  const file = path.join(folder.path, 'study.zip')
  await writeFile(file, Buffer.from(await response.arrayBuffer()))
  execFileSync('python3', ['-m', 'zipfile', '-e', file, folder.path])
  const stored = [web.data, other]
  for (const [index, name] of ['I00001.dcm', 'I00002.dcm'].entries()) {
    const { dataSet } = readPart10File(await readFile(path.join(folder.path, 'S001', name)))
    assert.ok(Buffer.from(dataSet).equals(stored[index] ?? Buffer.alloc(0)))
  }
  assert.equal(web.open.readers, 0)
})

test('an archive is given up when its reader leaves or a file cannot be read', async () => {
  await using web = await withImage(2000)
  const controller = new AbortController()
  const request = { headers: { accept: 'application/zip' }, signal: controller.signal }
  const response = await fetch(`${web.url}${study}`, request)
  await response.body?.getReader().read()
  controller.abort()
  web.open.failure = 'storage_corrupt'
  const broken = await web.get(study, { accept: 'application/zip' })
  assert.equal(broken.status, 500)
  await broken.arrayBuffer()
  for (let wait = 0; web.open.readers > 0 && wait < 100; wait++) await sleep(20)
  assert.equal(web.open.readers, 0)
})
