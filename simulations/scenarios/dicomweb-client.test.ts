import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { readPart10File } from '../../node/dicom/part10.ts'
import { openBrowser } from '../browser.ts'
import { signIn } from '../client.ts'
import { corpusDir, corpusMissing } from '../corpus.ts'
import { serveForeignSite } from '../interop/foreign-page.ts'
import { freePorts } from '../layout.ts'
import { createRegion } from '../region.ts'
import { sha256 } from './scenario.ts'

/** The client that OHIF and others are built on, unmodified, in a page of another origin with a bearer token. */

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
let page: Page

const file = path.join(corpusDir, 'modalities/CT/pydicom_CT_small.dcm')

/** In the page: calls a method of the client; buffers come out as base64, whose every byte is compared here. */
const caller = `
const { DICOMwebClient } = window.DICOMwebClient.api
const base64 = (buffer) => {
  let text = ''
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte)
  return btoa(text)
}
const plain = (value) =>
  value instanceof ArrayBuffer ? base64(value)
  : Array.isArray(value) && value[0] instanceof ArrayBuffer ? value.map(base64)
  : value
window.connect = (url, token) => {
  window.client = new DICOMwebClient({ url, headers: { Authorization: 'Bearer ' + token } })
}
window.call = async (method, options) => plain(await window.client[method](options))
window.store = (text) => {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  return window.client.storeInstances({ datasets: [bytes.buffer] }).then((answer) => answer ?? null)
}`

before(
  async () => {
    if (corpusMissing !== false) return
    const site = stack.use(await serveForeignSite('node_modules/dicomweb-client/build'))
    const scripts = ['dicomweb-client.js', 'caller.js'].map(
      (one) => `<script src="/${one}"></script>`,
    )
    site.put('index.html', `<!doctype html>${scripts.join('')}`)
    site.put('caller.js', caller)
    const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-region-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const region = stack.use(
      await createRegion({
        seed: 5,
        mode: 'in-process',
        dataDir,
        ports: await freePorts(2),
        members: 2,
        samples: false,
        allowedOrigins: [site.origin],
      }),
    )
    const node = region.node('okb')
    const { token } = await signIn(node.url, region.account('okb', 'radiologist'))
    const browser = stack.use(await openBrowser())
    page = await browser.newPage()
    await page.goto(site.origin)
    await page.evaluate(`connect('${node.url}/dicom-web', '${token}')`)
  },
  { timeout: 240_000 },
)

const call = <T>(method: string, options: object): Promise<T> =>
  page.evaluate(`call('${method}', ${JSON.stringify(options)})`)

type Attributes = Record<string, { Value?: unknown[]; BulkDataURI?: string }>
const uidOf = (row: Attributes | undefined, tag: string) => String(row?.[tag]?.Value?.[0])
const bytesOf = (text: string | undefined) => Buffer.from(text ?? '', 'base64')

test(
  'the npm client stores, finds and retrieves from a page of another origin',
  { skip: corpusMissing, timeout: 240_000 },
  async () => {
    const bytes = await readFile(file)
    await page.evaluate(`store('${bytes.toString('base64')}')`)
    const { dataSet } = readPart10File(bytes)
    const queryParams = { PatientID: '1CT1', includefield: ['00081030'], limit: 5 }
    const [study] = await call<Attributes[]>('searchForStudies', { queryParams })
    const studyInstanceUID = uidOf(study, '0020000D')
    const [series] = await call<Attributes[]>('searchForSeries', { studyInstanceUID })
    const seriesInstanceUID = uidOf(series, '0020000E')
    const inSeries = { studyInstanceUID, seriesInstanceUID }
    const [found] = await call<Attributes[]>('searchForInstances', inSeries)
    const instance = { ...inSeries, sopInstanceUID: uidOf(found, '00080018') }

    const [metadata] = await call<Attributes[]>('retrieveInstanceMetadata', instance)
    const [listed] = await call<Attributes[]>('retrieveStudyMetadata', { studyInstanceUID })
    assert.deepEqual(listed, metadata)
    const whole = await call<string>('retrieveInstance', instance)
    assert.equal(sha256(readPart10File(bytesOf(whole)).dataSet), sha256(dataSet))
    const parts = await call<string[]>('retrieveStudy', { studyInstanceUID })
    assert.deepEqual(parts, [whole])

    const [frame] = await call<string[]>('retrieveInstanceFrames', {
      ...instance,
      frameNumbers: [1],
    })
    const pixels = bytesOf(frame)
    assert.equal(pixels.length, 128 * 128 * 2)
    assert.ok(Buffer.from(dataSet).includes(pixels))
    const BulkDataURI = String(metadata?.['7FE00010']?.BulkDataURI)
    const absolute = await page.evaluate(`new URL('${BulkDataURI}', client.baseURL).href`)
    const [bulk] = await call<string[]>('retrieveBulkData', { BulkDataURI: absolute })
    assert.equal(bulk, frame)

    for (const [method, options] of [
      ['retrieveInstanceRendered', { ...instance, queryParams: { window: '40,400,linear' } }],
      // Without parameters this method asks for text.
      [
        'retrieveInstanceFramesRendered',
        { ...instance, frameNumbers: [1], queryParams: { quality: 80 } },
      ],
      ['retrieveInstanceThumbnail', instance],
    ] as const) {
      const [text] = await call<string[]>(method, options)
      const image = bytesOf(text)
      assert.deepEqual([image[0], image[1], image.at(-1)], [0xff, 0xd8, 0xd9], method)
    }
  },
)

test('the npm client learns of a refusal', { skip: corpusMissing }, async () => {
  const refused = call('retrieveStudyMetadata', { studyInstanceUID: '1.2.3.4' })
  await assert.rejects(refused, /request failed/)
})
