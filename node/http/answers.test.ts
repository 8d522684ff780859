import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { openTestNode, password, type TestNode } from './http.fixture.ts'

let node: TestNode
before(async () => {
  node = await openTestNode()
})
after(() => node[Symbol.asyncDispose]())

test('every answer carries the security headers, errors and files too', async () => {
  const paths = ['/', '/health', '/api/session', '/api/nothing', '/dicom-web/studies', '/x.js']
  for (const place of [...paths, '/assets/main-1a2b.js', '/dicom-web/crash']) {
    const { headers } = await node.get(place, { accept: 'text/html', ...node.as('radiologist') })
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/, place)
    assert.doesNotMatch(policy, /'unsafe-eval'|script-src[^;]*unsafe-inline|\*/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', place)
    assert.equal(headers.get('referrer-policy'), 'no-referrer', place)
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin', place)
    assert.equal(headers.get('x-powered-by'), null)
    const isFile = place === '/' || place.endsWith('.js')
    if (!isFile) assert.equal(headers.get('cache-control'), 'no-store', place)
  }
})

test('pages of the viewer are the same file on every path; UIDs do not pass for file names', async () => {
  const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
  for (const place of ['/', '/studies', '/study/1.2.840.113619.2.55', '/index.html']) {
    const answer = await node.get(place, html)
    assert.equal(answer.status, 200, place)
    assert.match(await answer.text(), /ЦАМИ/)
    assert.equal(answer.headers.get('cache-control'), 'no-cache')
  }
  for (const place of ['/assets/gone.js', '/api/gone', '/dicom-web/gone']) {
    assert.notEqual(
      (await node.get(place, { ...html, ...node.as('radiologist') })).status,
      200,
      place,
    )
  }
  assert.equal((await node.get('/study/1.2.840', { accept: 'application/json' })).status, 404)
  for (const place of ['/../outside.txt', '/%2e%2e/outside.txt', '/assets/..%2f..%2foutside.txt']) {
    const { status, text } = await node.raw({ path: place, headers: { accept: '*/*' } })
    assert.equal(status, 404, place)
    assert.doesNotMatch(text, /secret/)
  }
})

test('assets are cached for ever, compressed when a compressed form lies beside them, and not sent twice', async () => {
  const plain = await node.raw({ path: '/assets/main-1a2b.js' })
  assert.equal(plain.text, 'main()')
  assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8')
  assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable')
  const compressed = await node.raw({
    path: '/assets/main-1a2b.js',
    headers: { 'accept-encoding': 'gzip, br' },
  })
  assert.equal(compressed.headers['content-encoding'], 'br')
  assert.equal(compressed.text, 'brotli')
  assert.match(compressed.headers.vary ?? '', /accept-encoding/i)
  const again = await node.raw({
    path: '/assets/main-1a2b.js',
    headers: { 'if-none-match': plain.headers.etag ?? '' },
  })
  assert.equal(again.status, 304)
  const wasm = await node.raw({ path: '/assets/codec-3c4d.wasm' })
  assert.equal(wasm.headers['content-type'], 'application/wasm')
  const head = await node.raw({ method: 'HEAD', path: '/assets/main-1a2b.js' })
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '6', ''])
})

test('bodies that are too large, not JSON, of another type, or with unknown members are refused', async () => {
  const send = (body: string, headers: Record<string, string> = {}) =>
    node.raw({
      method: 'POST',
      path: '/api/session',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
  const login = { login: 'radiologist.okb', password }
  assert.equal((await send(JSON.stringify({ ...login, password: 'x'.repeat(70_000) }))).status, 413)
  assert.equal(
    (
      await send(JSON.stringify({ ...login, x: 'x'.repeat(70_000) }), {
        'transfer-encoding': 'chunked',
      })
    ).status,
    413,
  )
  assert.equal((await send('{')).status, 400)
  assert.equal((await send(JSON.stringify({ ...login, admin: true }))).status, 400)
  assert.equal((await send(JSON.stringify({ ...login, password: 1 }))).status, 400)
  assert.equal((await send(JSON.stringify(login), { 'content-type': 'text/plain' })).status, 415)
  assert.equal((await send(JSON.stringify(login), { 'content-encoding': 'gzip' })).status, 415)
})

test('an upload to DICOMweb is streamed, not bounded as JSON is, and needs a session first', async () => {
  const bytes = Buffer.alloc(5_000_000, 1)
  const upload = (headers: Record<string, string>) =>
    fetch(`${node.url}/dicom-web/studies`, { method: 'POST', headers, body: bytes })
  assert.equal((await upload(node.as('radiologist'))).status, 200)
  assert.deepEqual(node.uploads, [5_000_000])
  const refused = await upload({}).then(
    ({ status }) => status,
    () => 401,
  )
  assert.equal(refused, 401)
  assert.deepEqual(node.uploads, [5_000_000])
})

test('unforeseen failures tell nothing; an answer that breaks off is not passed off as whole', async () => {
  const crash = await node.get('/dicom-web/crash', node.as('radiologist'))
  assert.equal(crash.status, 500)
  assert.equal(await crash.text(), '{"error":{"code":"internal"}}')
  const broken = await node.get('/dicom-web/broken', node.as('radiologist'))
  assert.equal(broken.status, 200)
  await assert.rejects(broken.arrayBuffer())
})

test('an error is not described by the headers of the answer that was begun', async () => {
  const answer = await node.get('/dicom-web/late', node.as('radiologist'))
  assert.equal(answer.status, 504)
  assert.equal(await answer.text(), '{"error":{"code":"holder_unreachable"}}')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal(answer.headers.get('etag'), null)
})
