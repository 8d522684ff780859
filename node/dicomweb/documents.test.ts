import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element } from '../dicom/data-set.fixture.ts'
import { openDicomweb } from './dicomweb.fixture.ts'

const sopClass = '1.2.840.10008.5.1.4.1.1.104.1'
const rendered = '/studies/1.2.3/series/1.2.3.1/instances/1.2.3.4/rendered'

function report(document: Buffer, { length = document.length, type = 'application/pdf' } = {}) {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(length)
  return Buffer.concat([
    element('00080016', 'UI', sopClass),
    element('00080018', 'UI', '1.2.3.4'),
    element('0020000D', 'UI', '1.2.3'),
    element('0020000E', 'UI', '1.2.3.1'),
    element('00420011', 'OB', Buffer.concat([document, Buffer.alloc(document.length % 2)])),
    element('00420012', 'LO', type),
    element('00420015', 'UL', size),
  ])
}

async function withReport(...given: Parameters<typeof report>) {
  const web = await openDicomweb()
  const transferSyntax = '1.2.840.10008.1.2.1'
  await web.keepDataSet(report(...given), { sopClass, sopUid: '1.2.3.4', transferSyntax })
  return web
}

test('an encapsulated PDF is rendered as itself, without what pads it', async () => {
  for (const bytes of [9, 70_001]) {
    const document = Buffer.alloc(bytes, '%PDF-1.7\n')
    await using web = await withReport(document)
    for (const accept of ['application/pdf', '*/*', 'image/png;q=0.5, application/*']) {
      const response = await web.get(rendered, { accept })
      assert.equal(response.status, 200, accept)
      assert.equal(response.headers.get('content-type'), 'application/pdf')
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(document))
    }
    const etag = (await web.get(rendered, { accept: 'application/pdf' })).headers.get('etag') ?? ''
    assert.equal((await web.get(rendered, { 'if-none-match': etag })).status, 304)
    const part = await web.get(rendered, { accept: 'application/pdf', range: 'bytes=1-3' })
    assert.deepEqual([part.status, await part.text()], [206, 'PDF'])
    assert.equal(web.accesses.at(-1)?.detail, 'rendered')
    for (const accept of ['image/jpeg', 'text/html', 'application/pdf;q=0']) {
      assert.equal((await web.get(rendered, { accept })).status, 406, accept)
    }
  }
})

test('a length that cannot be true cuts nothing off a document', async () => {
  const document = Buffer.from('%PDF-1.7\n%')
  for (const length of [0, 3, 8, 10, 900]) {
    await using web = await withReport(document, { length })
    const response = await web.get(rendered, { accept: 'application/pdf' })
    assert.equal(await response.text(), String(document), String(length))
  }
})

test('a document of another type, or longer than it is, is no PDF of that length', async () => {
  await using web = await withReport(Buffer.from('%PDF-1.7'), { length: 900 })
  const response = await web.get(rendered, { accept: 'application/pdf' })
  assert.equal(await response.text(), '%PDF-1.7')
  await using other = await withReport(Buffer.from('<html></html>'), { type: 'text/html' })
  assert.equal((await other.get(rendered, { accept: '*/*' })).status, 406)
})
