import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { decode as decodePng } from 'fast-png'
import jpeg from 'jpeg-js'
import { pixelLimits } from '#protocol/limits.ts'
import { corpusFile, corpusPath, element, image, noCorpus } from '../dicom/data-set.fixture.ts'
import { openDicomweb, partsOf, pathOf } from './dicomweb.fixture.ts'

const ct = '1.2.840.10008.5.1.4.1.1.2'
const explicitLittle = '1.2.840.10008.1.2.1'
const study = '/studies/1.2.3'
const instance = `${study}/series/1.2.3.1/instances/1.2.3.4`
const declared = { sopClass: ct, sopUid: '1.2.3.4', transferSyntax: explicitLittle }
const png = { accept: 'image/png' }

type Web = Awaited<ReturnType<typeof openDicomweb>>

/** Pixels of the fixture's image, changed or added to. */
function withElements(parts: Record<string, Buffer>, frames = 1): Buffer {
  const whole = image({ frames })
  const pixels = whole.subarray(whole.length - frames * 128 - 12)
  return Buffer.concat([whole.subarray(0, -pixels.length), ...Object.values(parts), pixels])
}

const stored = Array.from({ length: 64 }, (_, at) => ((at * 2) % 251) | (((at * 2 + 1) % 251) << 8))

async function pictureAt(web: Web, place: string): Promise<number[]> {
  const response = await web.get(place, png)
  assert.equal(response.status, 200, place)
  assert.equal(response.headers.get('content-type'), 'image/png')
  return [...decodePng(Buffer.from(await response.arrayBuffer())).data]
}

async function sizeAt(web: Web, place: string): Promise<number[]> {
  const response = await web.get(place, png)
  assert.equal(response.status, 200, place)
  const { width, height } = decodePng(Buffer.from(await response.arrayBuffer()))
  return [width, height]
}

async function statusAt(web: Web, place: string, headers: Record<string, string> = {}) {
  const response = await web.get(place, headers)
  await response.arrayBuffer()
  return response.status
}

/** PS3.3 §C.11.2.1.2.1, written down once more. */
function linear(value: number, center: number, width: number): number {
  if (value <= center - 0.5 - (width - 1) / 2) return 0
  if (value > center - 0.5 + (width - 1) / 2) return 255
  return Math.round(((value - (center - 0.5)) / (width - 1) + 0.5) * 255)
}

test('a picture has the grey levels of the window that is asked for, or of the file’s', async () => {
  await using web = await openDicomweb()
  const data = withElements({
    center: element('00281050', 'DS', '900 '),
    width: element('00281051', 'DS', '3000'),
    intercept: element('00281052', 'DS', '-1000 '),
    slope: element('00281053', 'DS', '0.5 '),
  })
  await web.keepDataSet(data, declared)
  const values = stored.map((sample) => sample * 0.5 - 1000)
  const file = values.map((value) => linear(value, 900, 3000))
  assert.deepEqual(await pictureAt(web, `${instance}/rendered`), file)
  assert.deepEqual(await pictureAt(web, `${instance}/frames/1/rendered`), file)
  const asked = await pictureAt(web, `${instance}/rendered?window=4000,20000,linear`)
  assert.deepEqual(
    asked,
    values.map((value) => linear(value, 4000, 20_000)),
  )
  const sigmoid = await pictureAt(web, `${instance}/rendered?window=4000,20000,sigmoid`)
  assert.deepEqual(
    sigmoid,
    values.map((value) => Math.round(255 / (1 + Math.exp((-4 * (value - 4000)) / 20_000)))),
  )
  assert.equal(web.accesses.at(-1)?.detail, 'rendered')
  assert.equal(web.open.readers, 0)
})

test('without a window all values are shown; inverted grey and tables are what they say', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image(), declared)
  const plain = await pictureAt(web, `${instance}/rendered`)
  assert.deepEqual([Math.min(...plain), Math.max(...plain)], [0, 255])
  const inverted = Buffer.from(image())
  inverted.write('MONOCHROME1', inverted.indexOf('MONOCHROME2'), 'latin1')
  await using other = await openDicomweb()
  await other.keepDataSet(inverted, declared)
  assert.deepEqual(
    await pictureAt(other, `${instance}/rendered`),
    plain.map((level) => 255 - level),
  )
})

test('pictures are JPEG unless PNG is preferred, of the size and part that is asked for', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image({ frames: 3, side: 8 }), declared)
  const any = await web.get(`${instance}/rendered`)
  assert.equal(any.headers.get('content-type'), 'image/jpeg')
  const { width, height } = jpeg.decode(Buffer.from(await any.arrayBuffer()))
  assert.deepEqual([width, height], [8, 8])
  const small = await web.get(`${instance}/rendered?viewport=4,2&quality=30`)
  const picture = jpeg.decode(Buffer.from(await small.arrayBuffer()))
  assert.deepEqual([picture.width, picture.height], [2, 2])
  const whole = await pictureAt(web, `${instance}/frames/2/rendered`)
  const part = await pictureAt(web, `${instance}/frames/2/rendered?viewport=2,2,4,4,2,2`)
  assert.deepEqual(
    part,
    [36, 37, 44, 45].map((at) => whole[at]),
  )
  const turned = await pictureAt(web, `${instance}/frames/2/rendered?viewport=2,2,4,4,-2,2`)
  assert.deepEqual(
    turned,
    [37, 36, 45, 44].map((at) => whole[at]),
  )
  const thumbnail = await web.get(`${study}/thumbnail`)
  const thumb = jpeg.decode(Buffer.from(await thumbnail.arrayBuffer()))
  assert.deepEqual([thumb.width, thumb.height], [200, 200])
})

/** The fixture's image with an element of group 0028 before Bits Allocated, where it belongs. */
function withShape(tag: string, vr: string, value: string, side = 8): Buffer {
  const whole = image({ side })
  const at = whole.indexOf(element('00280100', 'US', [16, 0]))
  return Buffer.concat([whole.subarray(0, at), element(tag, vr, value), whole.subarray(at)])
}

test('pixels of a picture are square, whatever those of the image are', async () => {
  await using plain = await openDicomweb()
  await plain.keepDataSet(image(), declared)
  const levels = await pictureAt(plain, `${instance}/rendered`)
  const row = (at: number) => levels.slice(at * 8, at * 8 + 8)
  await using tall = await openDicomweb()
  await tall.keepDataSet(withShape('00280030', 'DS', '0.5\\0.25'), declared)
  assert.deepEqual(
    await pictureAt(tall, `${instance}/rendered`),
    Array.from({ length: 16 }, (_, at) => row(at >> 1)).flat(),
  )
  const uri =
    '/wado?requestType=WADO&studyUID=1.2.3&seriesUID=1.2.3.1&objectUID=1.2.3.4&contentType=image/png'
  assert.deepEqual(await sizeAt(tall, `${instance}/rendered?viewport=4,4`), [2, 4])
  assert.deepEqual(await sizeAt(tall, `${instance}/rendered?viewport=4,4,0,0,4,2`), [4, 4])
  assert.deepEqual(await sizeAt(tall, `${study}/thumbnail`), [100, 200])
  assert.deepEqual(await sizeAt(tall, `${uri}&region=0,0,0.5,0.5`), [4, 8])
  for (const [value, size] of [
    ['1\\2', [16, 8]],
    ['0\\2', [8, 8]],
    // Pixels of no device.
    ['2000000000\\1', [8, 8]],
  ] as const) {
    await using web = await openDicomweb()
    await web.keepDataSet(withShape('00280034', 'IS', value), declared)
    assert.deepEqual(await sizeAt(web, `${instance}/rendered`), size, value)
  }
})

test('no shape of pixels makes a picture larger than a viewport may be', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(withShape('00280030', 'DS', '500\\0.5', 64), declared)
  const { viewportMax } = pixelLimits
  assert.deepEqual(await sizeAt(web, `${instance}/rendered`), [8, viewportMax])
})

test('several pictures come as parts; an unchanged one is not made again', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image({ frames: 3 }), declared)
  const response = await web.get(`${instance}/frames/3,1/rendered`, {
    accept: 'multipart/related; type="image/png"',
  })
  assert.match(response.headers.get('content-type') ?? '', /^multipart\/related; type="image\/png"/)
  const parts = await partsOf(response)
  const alone = await pictureAt(web, `${instance}/frames/3/rendered`)
  assert.equal(parts.length, 2)
  assert.deepEqual([...decodePng(parts[0]?.body ?? Buffer.alloc(0)).data], alone)
  const first = await web.get(`${study}/rendered`)
  await first.arrayBuffer()
  const etag = first.headers.get('etag') ?? ''
  assert.equal(await statusAt(web, `${study}/rendered`, { 'if-none-match': etag }), 304)
  const changed = `${study}/rendered?window=1,2`
  assert.equal(await statusAt(web, changed, { 'if-none-match': etag }), 200)
  assert.equal(web.open.readers, 0)
})

test('parameters that mean nothing are refused, those without effect are told', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image(), declared)
  for (const query of [
    'window=1',
    'window=1,0',
    'window=1,2,cubic',
    'window=a,b',
    'viewport=0,10',
    'viewport=10',
    'viewport=10,10,7,7,4,4',
    'viewport=99999,10',
    'quality=0',
    'quality=good',
    'iccprofile=unknown',
    'annotation=%3Cscript%3E',
  ]) {
    assert.equal(await statusAt(web, `${instance}/rendered?${query}`), 400, query)
  }
  const query = 'annotation=patient,technique&iccprofile=yes'
  const response = await web.get(`${instance}/rendered?${query}`)
  assert.equal(response.status, 200)
  assert.match(
    response.headers.get('warning') ?? '',
    /^299 cami "The annotation.*299 cami "The icc/,
  )
  await response.arrayBuffer()
  assert.equal(await statusAt(web, `${instance}/rendered`, { accept: 'image/gif' }), 406)
  assert.equal(await statusAt(web, `${instance}/frames/2/rendered`), 404)
  assert.equal(await statusAt(web, '/studies/1.2.9/thumbnail'), 403)
})

test('what is no image, and what is damaged, is never shown as one', async () => {
  await using web = await openDicomweb()
  const whole = image()
  const cut = Buffer.from(whole.subarray(0, -64))
  cut.writeUInt32LE(64, cut.length - 68)
  await web.keepDataSet(cut, declared)
  const document = { ...declared, sopUid: '1.2.3.5', sopClass: '1.2.840.10008.5.1.4.1.1.88.11' }
  const report = Buffer.concat([
    element('00080016', 'UI', document.sopClass),
    element('00080018', 'UI', document.sopUid),
    element('00100020', 'LO', '42'),
    element('0020000D', 'UI', '1.2.3'),
    element('0020000E', 'UI', '1.2.3.2'),
  ])
  await web.keepDataSet(report, document)
  for (const place of [study, instance, `${study}/series/1.2.3.2/instances/1.2.3.5`]) {
    assert.equal(await statusAt(web, `${place}/rendered`), 406, place)
    assert.equal(await statusAt(web, `${place}/thumbnail`), 406, place)
  }
})

test('older viewers get pictures by query parameters', async () => {
  await using web = await openDicomweb()
  await web.keepDataSet(image({ frames: 3 }), declared)
  const place =
    '/wado?requestType=WADO&studyUID=1.2.3&seriesUID=1.2.3.1&objectUID=1.2.3.4&contentType=image/png'
  assert.deepEqual(
    await pictureAt(web, `${place}&frameNumber=3&windowCenter=3000&windowWidth=6000`),
    await pictureAt(web, `${instance}/frames/3/rendered?window=3000,6000`),
  )
  assert.deepEqual(
    (await pictureAt(web, `${place}&rows=4&columns=4&region=0,0,0.5,0.5`)).length,
    16,
  )
  assert.equal(await statusAt(web, `${place}&windowCenter=1`), 400)
})

test('pictures of real files are those that dcmtk makes', { skip: noCorpus }, async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'cami-picture-'))
  const reference = path.join(folder.path, 'picture.png')
  for (const file of [
    'modalities/CT/pydicom_CT_small.dcm',
    'modalities/CR/gdcm_CR-MONO1-10-chest.dcm',
    'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage_explicit_le.dcm',
  ]) {
    await using web = await openDicomweb()
    const { sopUid } = await web.keep(corpusFile(file))
    const place = `${await pathOf(web, sopUid)}/rendered?window=300,1200`
    execFileSync('dcm2pnm', ['+Ww', '300', '1200', '+on', corpusPath(file), reference])
    const theirs = decodePng(readFileSync(reference)).data
    const ours = await pictureAt(web, place)
    assert.equal(ours.length, theirs.length, file)
    const worst = ours.reduce(
      (most, level, at) => Math.max(most, Math.abs(level - (theirs[at] ?? 0))),
      0,
    )
    assert.ok(worst <= 1, `${file}: ${worst}`)
  }
})

test('colour of every kind is shown', { skip: noCorpus }, async () => {
  for (const file of [
    'modalities/US/weasis_ybrFull_RLE.dcm',
    'modalities/US/pydicom_OBXXXX1A_rle_2frame_palette.dcm',
    'modalities/SC/cornerstone_TestPattern_JPEG-Baseline_YBR422.dcm',
    'transfer-syntaxes/small/pydicom_SC_rgb_jpeg_gdcm.dcm',
    'modalities/US/nema_US1_J2KR_rgb.dcm',
  ]) {
    await using web = await openDicomweb()
    const { sopUid } = await web.keep(corpusFile(file))
    const response = await web.get(`${await pathOf(web, sopUid)}/rendered`, png)
    assert.equal(response.status, 200, file)
    const { channels, data } = decodePng(Buffer.from(await response.arrayBuffer()))
    assert.equal(channels, 3)
    const isColoured = data.some((level, at) => at % 3 === 0 && level !== data[at + 1])
    assert.ok(isColoured, file)
  }
})
