import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dataSet } from '../../archive/archive.fixture.ts'
import { createMediaWorld, fileOf, writeTree, zipOf } from '../../media/media.fixture.ts'
import { openTestNode } from '../http.fixture.ts'

type Status = { id: string; state: string; outcomes: Record<string, number>; user: string }

test('a ZIP file is uploaded, watched and reported; a folder is taken in by name', async () => {
  await using world = await createMediaWorld()
  await using node = await openTestNode({}, { media: world.imports })
  const file = fileOf(dataSet({ study: '1.2.1', series: '1.2.2', sop: '1.2.3' }), '1.2.3')
  const zip = await zipOf(world.dir, [
    { name: 'IM1', bytes: file },
    { name: 'readme.txt', bytes: Buffer.from('hello') },
  ])
  const as = node.as('radiographer')
  const upload = (headers: Record<string, string>) =>
    fetch(`${node.url}/api/media?name=cd`, { method: 'POST', headers, body: zip })
  const zipped = { 'content-type': 'application/zip' }
  assert.equal((await upload({ ...zipped, ...node.as('radiologist') })).status, 403)
  assert.equal((await upload(zipped)).status, 401)
  assert.equal((await upload({ ...as, 'content-type': 'text/plain' })).status, 415)
  const started = await upload({ ...as, ...zipped })
  assert.equal(started.status, 200)
  const { id } = (await started.json()) as Status
  await world.finished(id)
  const status = (await (await node.get(`/api/media/${id}`, as)).json()) as Status
  assert.equal(status.state, 'done')
  assert.deepEqual(status.outcomes, { stored: 1, 'no-dicom': 1 })
  const report = await node.get(`/api/media/${id}/files?limit=1&after=1`, as)
  assert.equal(((await report.json()) as { total: number; files: unknown[] }).files.length, 1)
  await writeTree(world.mountDir, { 'usb/IM1': file })
  const taken = await node.post('/api/media/folders', { folder: 'usb' }, as)
  await world.finished(((await taken.json()) as Status).id)
  const outside = await node.post('/api/media/folders', { folder: '../archive' }, as)
  assert.equal(outside.status, 404)
  const list = (await (await node.get('/api/media', as)).json()) as { imports: Status[] }
  assert.deepEqual(
    list.imports.map(({ outcomes }) => outcomes),
    [{ duplicate: 1 }, { stored: 1, 'no-dicom': 1 }],
  )
})

test('an upload whose sender is silent is cancelled, and its sender told', async () => {
  await using world = await createMediaWorld()
  await using node = await openTestNode({}, { media: world.imports })
  const as = node.as('radiographer')
  const sending = request(`${node.url}/api/media`, {
    method: 'POST',
    headers: { ...as, 'content-type': 'application/zip', 'content-length': 1000 },
  })
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>
  sending.write('PK')
  while (world.imports.list()[0]?.received !== 2) await sleep(5)
  const id = world.imports.list()[0]?.id ?? ''
  const cancelled = await fetch(`${node.url}/api/media/${id}`, { method: 'DELETE', headers: as })
  assert.equal(((await cancelled.json()) as Status).state, 'cancelled')
  const [answer] = await answered
  assert.equal(answer.statusCode, 400)
  assert.equal(await text(answer), '{"error":{"code":"aborted"}}')
})
