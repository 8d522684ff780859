import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendSlice, type Slice } from '../archive/archive.fixture.ts'
import { image } from '../dicom/data-set.fixture.ts'
import { openDicomweb, partsOf } from './dicomweb.fixture.ts'

type Row = Record<string, { vr: string; Value?: unknown[] }>
type Web = Awaited<ReturnType<typeof openDicomweb>>

const slices: Slice[] = [
  {
    study: '1.1',
    series: '1.1.1',
    sop: '1.1.1.1',
    name: 'Иванов^Пётр',
    date: '20260101',
    number: 1,
  },
  {
    study: '1.1',
    series: '1.1.1',
    sop: '1.1.1.2',
    name: 'Иванов^Пётр',
    date: '20260101',
    number: 2,
  },
  {
    study: '1.1',
    series: '1.1.2',
    sop: '1.1.2.1',
    name: 'Иванов^Пётр',
    date: '20260101',
    modality: 'SR',
  },
  {
    study: '1.2',
    series: '1.2.1',
    sop: '1.2.1.1',
    name: 'Сидорова^Анна',
    date: '20260301',
    modality: 'MR',
    sopClass: '1.2.840.10008.5.1.4.1.1.4',
    patientId: '7',
    institution: 'QMC',
    accession: 'A1',
  },
]

async function open(): Promise<Web> {
  const web = await openDicomweb()
  for (const slice of slices) await sendSlice(web.archive, slice)
  return web
}

async function rows(web: Web, path: string): Promise<Row[]> {
  const response = await web.get(path)
  assert.equal(response.status, 200, path)
  return (await response.json()) as Row[]
}
const valuesAt = (found: Row[], tag: string) => found.map((row) => row[tag]?.Value?.[0])
const studies = async (web: Web, query: string) =>
  valuesAt(await rows(web, `/studies?${query}`), '0020000D')

test('studies are found by keyword and by tag, with ranges, lists, wildcards and names', async () => {
  await using web = await open()
  for (const [query, expected] of [
    ['', ['1.2', '1.1']],
    ['PatientID=7', ['1.2']],
    ['00100020=7', ['1.2']],
    ['StudyDate=20260201-', ['1.2']],
    ['StudyDate=20260101', ['1.1']],
    ['StudyInstanceUID=1.1,1.2,1.3', ['1.2', '1.1']],
    ['StudyInstanceUID=1.1%5C1.2', ['1.2', '1.1']],
    ['PatientName=иванов*', ['1.1']],
    ['PatientName=*', ['1.2', '1.1']],
    ['AccessionNumber=A?', ['1.2']],
    ['ModalitiesInStudy=SR', ['1.1']],
    ['ModalitiesInStudy=SR,MR', ['1.2', '1.1']],
    ['SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.4', ['1.2']],
    ['SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2,1.2.840.10008.5.1.4.1.1.4', ['1.2', '1.1']],
    ['PatientID=nobody', []],
  ] as const) {
    assert.deepEqual(await studies(web, query), expected, query)
  }
})

test('a row has the default attributes, those matched and those asked for', async () => {
  await using web = await open()
  const [row] = await rows(web, '/studies?PatientID=7')
  assert.deepEqual(row?.['00081190']?.Value, ['/dicom-web/studies/1.2'])
  assert.deepEqual(row?.['00080061'], { vr: 'CS', Value: ['MR'] })
  assert.deepEqual(row?.['00201208'], { vr: 'IS', Value: [1] })
  assert.deepEqual(row?.['00080005'], { vr: 'CS', Value: ['ISO_IR 192'] })
  assert.equal(row?.['0008103E'], undefined)
  const [found] = await rows(web, '/studies?InstitutionName=Q*')
  assert.deepEqual(found?.['00080080'], { vr: 'LO', Value: ['QMC'] })
  const [one] = await rows(web, '/series?SeriesInstanceUID=1.2.1')
  assert.deepEqual(one?.['0020000E']?.Value, ['1.2.1'])
  assert.equal(one?.['00280103'], undefined)
  for (const field of ['PatientName', '00100010', 'all', 'PatientID,PatientName']) {
    const [full] = await rows(web, `/instances?SOPInstanceUID=1.2.1.1&includefield=${field}`)
    assert.deepEqual(
      full?.['00100010'],
      { vr: 'PN', Value: [{ Alphabetic: 'Сидорова^Анна' }] },
      field,
    )
  }
})

test('series and instances of one study are listed and matched', async () => {
  await using web = await open()
  const series = await rows(web, '/studies/1.1/series')
  assert.deepEqual(new Set(valuesAt(series, '0020000E')), new Set(['1.1.1', '1.1.2']))
  const [first] = await rows(web, '/studies/1.1/series?Modality=CT')
  assert.deepEqual(first?.['00201209'], { vr: 'IS', Value: [2] })
  assert.deepEqual(first?.['00081190']?.Value, ['/dicom-web/studies/1.1/series/1.1.1'])
  assert.equal((await rows(web, '/studies/1.1/instances')).length, 3)
  const [second] = await rows(web, '/studies/1.1/series/1.1.1/instances?InstanceNumber=2')
  assert.deepEqual(second?.['00080018']?.Value, ['1.1.1.2'])
  assert.deepEqual(second?.['00083002']?.Value, ['1.2.840.10008.1.2.1'])
  assert.equal(web.open.readers, 0)
})

test('a study and a series match their rows, and say of themselves what was asked for', async () => {
  await using web = await open()
  for (const [key, series, instances] of [
    ['PatientID=42', 2, 3],
    ['PatientID=7', 0, 0],
    ['PatientName=иванов*', 2, 3],
    ['StudyDate=20260101', 2, 3],
    ['StudyDate=2027-', 0, 0],
    ['AccessionNumber=A1', 0, 0],
    ['ModalitiesInStudy=SR', 2, 3],
    ['ModalitiesInStudy=MG', 0, 0],
    ['NumberOfStudyRelatedInstances=3', 2, 3],
    ['StudyInstanceUID=1.2', 0, 0],
    ['Modality=CT', 1, 2],
    ['NumberOfSeriesRelatedInstances=1', 1, 1],
    ['SOPInstanceUID=1.1.1.2', 1, 1],
    ['InstanceNumber=2&PatientID=42', 1, 1],
    ['includefield=PatientName,ModalitiesInStudy,Modality', 2, 3],
    ['includefield=all', 2, 3],
    ['limit=1&offset=1&StudyDate=20260101', 1, 1],
    ['TubeAngle=1', 2, 3],
  ] as const) {
    for (const [level, count] of [
      ['series', series],
      ['instances', instances],
    ] as const) {
      const found = await web.get(`/studies/1.1/${level}?${key}`)
      const rows = (await found.json()) as Row[]
      assert.equal(rows.length, count, `${level} ${key}`)
      if (key.includes('StudyInstanceUID')) continue
      const same = await web.get(`/${level}?StudyInstanceUID=1.1&${key}`)
      assert.deepEqual(rows, await same.json(), `${level} ${key}`)
      assert.equal(found.headers.get('warning'), same.headers.get('warning'), `${level} ${key}`)
    }
  }
  const ofSeries = (key: string) => rows(web, `/studies/1.1/series/1.1.1/instances?${key}`)
  for (const key of ['Modality=CT', 'ModalitiesInStudy=SR', 'StudyDate=20260101']) {
    assert.deepEqual(valuesAt(await ofSeries(key), '00080018'), ['1.1.1.1', '1.1.1.2'], key)
  }
  assert.deepEqual(await ofSeries('Modality=SR'), [])
  const [row] = await rows(web, '/studies/1.1/series?includefield=PatientName&Modality=SR')
  assert.deepEqual(row?.['00100010']?.Value, [{ Alphabetic: 'Иванов^Пётр' }])
  assert.equal(row?.['00080061'], undefined)
})

test('what may not be read is left out of searches, not refused', async () => {
  await using web = await open()
  web.forbidden.add('1.1')
  for (const uid of ['1.1', '9.9']) {
    assert.deepEqual(await rows(web, `/studies/${uid}/series`), [])
    assert.deepEqual(await rows(web, `/studies/${uid}/instances`), [])
    assert.deepEqual(await rows(web, `/studies/${uid}/series?StudyDate=20260101`), [])
    assert.deepEqual(await rows(web, `/studies/${uid}/instances?includefield=PatientName`), [])
  }
})

test('pages follow each other, and warnings say what was left out or not understood', async () => {
  await using web = await open()
  const warnings = async (path: string) => {
    const response = await web.get(path)
    assert.equal(response.status, 200, path)
    await response.arrayBuffer()
    return response.headers.get('warning') ?? ''
  }
  assert.deepEqual(await studies(web, 'limit=1'), ['1.2'])
  assert.deepEqual(await studies(web, 'limit=1&offset=1'), ['1.1'])
  assert.match(await warnings('/studies?limit=1'), /^299 cami "There are additional results/)
  assert.equal(await warnings('/studies?limit=1&offset=1'), '')
  assert.match(await warnings('/studies/1.1/instances?limit=2'), /additional results/)
  assert.match(
    await warnings('/studies?fuzzymatching=true'),
    /fuzzymatching parameter is not supported/,
  )
  assert.equal(await warnings('/studies?fuzzymatching=false'), '')
  assert.match(await warnings('/studies?TubeAngle=1'), /TubeAngle is not supported/)
  for (const key of ['NoSuchKeyword', 'constructor', '_', 'RequestAttributesSequence.Nonsense']) {
    const ignored = new RegExp(`The key ${key} is not supported for matching and was ignored`)
    for (const path of ['/studies', '/series', '/studies/1.1/series', '/studies/1.1/instances']) {
      assert.match(await warnings(`${path}?${key}=1`), ignored)
    }
    assert.deepEqual(await studies(web, `${key}=1&PatientID=7`), ['1.2'], key)
  }
  assert.match(await warnings(`/studies?${'x'.repeat(500)}=1`), /^299 cami "The key x{64} is/)
  assert.match(await warnings('/studies?scope=region'), /^299 cami "%D0%91.* '3' is out of reach"$/)
})

test('nonsense is refused', async () => {
  await using web = await open()
  for (const query of [
    'limit=-1',
    'limit=x',
    'limit=1&limit=2',
    'offset=1.5',
    'fuzzymatching=maybe',
    'scope=world',
    'includefield=Nonsense',
    'StudyDate=yesterday',
    'StudyDate=2026-01-01-x',
    'StudyInstanceUID=1.2.x',
    `PatientName=${'a'.repeat(5000)}`,
    Array.from({ length: 70 }, (_, at) => `0010${String(at + 1000)}=1`).join('&'),
  ]) {
    const response = await web.get(`/studies?${query}`)
    const { error } = (await response.json()) as { error: { code: string } }
    assert.equal(error.code, 'bad_request', query)
    assert.equal(response.status, 400)
  }
  for (const accept of [
    'text/html',
    'application/dicom+xml',
    'multipart/related; type="application/dicom"',
  ]) {
    const response = await web.get('/studies', { accept })
    await response.arrayBuffer()
    assert.equal(response.status, 406)
  }
})

test('results come as XML, one part for each, to whoever prefers that', async () => {
  await using web = await open()
  const accept = 'multipart/related; type="application/dicom+xml", application/json; q=0.5'
  const rows = (await (await web.get('/studies')).json()) as { '0020000D': { Value: string[] } }[]
  const parts = await partsOf(await web.get('/studies', { accept }))
  assert.deepEqual(
    parts.map(({ headers }) => headers.get('content-location')),
    rows.map((row) => `/dicom-web/studies/${row['0020000D'].Value[0]}`),
  )
  for (const { headers, body } of parts) {
    assert.equal(headers.get('content-type'), 'application/dicom+xml')
    assert.match(
      body.toString(),
      /<DicomAttribute tag="0020000D" keyword="StudyInstanceUID" vr="UI">/,
    )
  }
  const none = await web.get('/studies?PatientID=nobody', { accept })
  assert.equal(none.status, 204)
})

test('a time zone is no key, and names may come percent-encoded or with plus signs', async () => {
  await using web = await openDicomweb()
  const sopClass = '1.2.840.10008.5.1.4.1.1.2'
  const declared = { sopClass, sopUid: '1.2.3.4', transferSyntax: '1.2.840.10008.1.2.1' }
  await web.keepDataSet(image(), declared)
  for (const [query, warned] of [
    ['00100010=%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%2A', false],
    ['PatientName=Иванов^Пётр', false],
    ['PatientID=42&TimezoneOffsetFromUTC=%2B0700', true],
    ['PatientID=42&00080201=-0300', true],
    ['00081110.00081155=1.2&PatientID=42', true],
    ['0008111000081155=1.2&PatientID=42', true],
  ] as const) {
    const response = await web.get(`/studies?${query}`)
    assert.equal(((await response.json()) as unknown[]).length, 1, query)
    assert.equal(response.headers.has('warning'), warned, query)
  }
  const wrong = await web.get('/studies?TimezoneOffsetFromUTC=Tomsk')
  assert.equal(wrong.status, 400)
  await wrong.arrayBuffer()
})

test('who goes away does not hold a study whose series are waited for', async () => {
  await using web = await openDicomweb()
  await sendSlice(web.archive, { study: '1.1', series: '1.1.1', sop: '1.1.1.1' })
  web.open.isStalled = true
  const gone = new AbortController()
  const asked = web.get('/studies/1.1/series', {}, gone.signal).catch(() => undefined)
  for (let n = 0; n < 500 && web.open.readers === 0; n++) await sleep(10)
  assert.equal(web.open.readers, 1)
  gone.abort()
  await asked
  for (let n = 0; n < 200 && web.open.readers > 0; n++) await sleep(10)
  assert.equal(web.open.readers, 0)
})
