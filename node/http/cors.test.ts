import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestNode } from './http.fixture.ts'

const viewer = 'https://viewer.example'
const preflight = {
  origin: viewer,
  'access-control-request-method': 'GET',
  'access-control-request-headers': 'authorization',
}

test('a page of an allowed origin may use DICOMweb with a token, and nothing else', async () => {
  await using http = await openTestNode({ allowedOrigins: [`${viewer}/`] })
  const asked = await fetch(`${http.url}/dicom-web/studies`, {
    method: 'OPTIONS',
    headers: preflight,
  })
  assert.equal(asked.status, 204)
  assert.equal(asked.headers.get('access-control-allow-origin'), viewer)
  assert.match(asked.headers.get('access-control-allow-headers') ?? '', /Authorization/)
  assert.equal(asked.headers.get('access-control-allow-credentials'), null)
  const foreign = { origin: viewer, 'sec-fetch-site': 'cross-site' }
  const token = http.as('radiologist')
  const read = await fetch(`${http.url}/dicom-web/studies`, { headers: { ...foreign, ...token } })
  assert.notEqual(read.status, 403)
  assert.equal(read.headers.get('access-control-allow-origin'), viewer)
  const cookie = { cookie: `cami-okb=${token.authorization.slice('Bearer '.length)}` }
  const ridden = await fetch(`${http.url}/dicom-web/studies`, {
    headers: { ...foreign, ...cookie },
  })
  assert.equal(ridden.status, 403)
  const api = await fetch(`${http.url}/api/session`, { headers: { ...foreign, ...token } })
  assert.equal(api.headers.get('access-control-allow-origin'), null)
})

test('other origins are told nothing, and by default all are others', async () => {
  await using one = await openTestNode({ allowedOrigins: [viewer] })
  await using none = await openTestNode()
  for (const [http, origin] of [
    [one, 'https://elsewhere.example'],
    [none, viewer],
  ] as const) {
    const headers = { ...preflight, origin }
    const asked = await fetch(`${http.url}/dicom-web/studies`, { method: 'OPTIONS', headers })
    assert.equal(asked.headers.get('access-control-allow-origin'), null)
    assert.notEqual(asked.status, 204)
  }
})
