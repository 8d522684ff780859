import { test } from 'node:test'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import net from 'node:net'
import { httpLimits } from '#protocol/limits.ts'
import { silentLog } from '../log.ts'
import { createAdmin } from './admin.ts'
import { listen } from './listen.ts'
import { createRequestCounter, formatMetrics } from './metrics.ts'
import { createCollector } from './node-metrics.ts'

const here = { host: '127.0.0.1', port: 0 }

test('closing lets a request that is being answered end, and takes no new ones', async () => {
  const release = Promise.withResolvers<void>()
  const server = await listen(
    { handler: (_, answer) => void release.promise.then(() => answer.end('whole')) },
    here,
  )
  const asked = fetch(server.url)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const closed = server[Symbol.asyncDispose]()
  await new Promise((resolve) => setTimeout(resolve, 20))
  await assert.rejects(fetch(server.url))
  release.resolve()
  assert.equal(await (await asked).text(), 'whole')
  await closed
})

test('closing ends streams that would never end by themselves', async () => {
  let end: () => void = () => undefined
  const server = await listen(
    {
      handler: (_, answer) => {
        answer.write('one')
        end = () => answer.end()
      },
      stop: () => end(),
    },
    here,
  )
  const answer = await fetch(server.url)
  const started = performance.now()
  await server[Symbol.asyncDispose]()
  assert.ok(performance.now() - started < httpLimits.closeTimeoutMs / 2)
  assert.equal(await answer.text(), 'one')
})

test('a client that never finishes its headers is cut off', { timeout: 10_000 }, async () => {
  const handler = (_: unknown, answer: ServerResponse) => void answer.end()
  const limits = { headersTimeoutMs: 500, closeTimeoutMs: 500 }
  await using server = await listen({ handler }, here, limits)
  const socket = net.connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const drip = setInterval(() => socket.write('X-A: b\r\n'), 50)
  const started = performance.now()
  await once(socket.resume(), 'close')
  clearInterval(drip)
  assert.ok(performance.now() - started < 3000)
})

test('a body that goes on after the answer holds no connection', { timeout: 10_000 }, async () => {
  const handler = (_: unknown, answer: ServerResponse) => void answer.end('whole')
  const limits = { headersTimeoutMs: 500, closeTimeoutMs: 500 }
  await using server = await listen({ handler }, here, limits)
  const socket = net.connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n')
  const drip = setInterval(() => socket.write('x'), 50)
  let answer = ''
  socket.on('data', (part) => (answer += part.toString('latin1')))
  const started = performance.now()
  await once(socket, 'close')
  clearInterval(drip)
  assert.ok(performance.now() - started < 3000)
  assert.match(answer, /whole$/)
})

test('headers that are too large are refused', async () => {
  await using server = await listen({ handler: (_, answer) => void answer.end() }, here)
  const answer = await fetch(server.url, { headers: { 'x-long': 'x'.repeat(20_000) } })
  assert.equal(answer.status, 431)
})

test('the administrative interface tells counts in the format of Prometheus', async () => {
  const counter = createRequestCounter()
  const records = { unreadable: () => new Map([['device', 2]]) }
  const collect = createCollector({
    archive: {
      counts: async () => ({ studies: 2, instances: 30, bytes: 4000, quarantined: 1 }),
      integrity: async () => ({
        startedAt: 0,
        bytesDone: 5,
        bytesTotal: 9,
        repaired: 1,
        damaged: 0,
        rows: 0,
        segments: [],
      }),
    },
    audit: { count: () => 7, damage: undefined },
    sessions: { count: () => 3 },
    federation: {
      status: () => ({
        registry: { reachable: true, since: 0 },
        holders: [{ oid: '1', name: 'Иванова', reachable: true, ageMs: 1 }],
      }),
    },
    reconciliation: { mismatched: () => 0 },
    records,
    associations: () => 4,
    counter,
  })
  await using server = await listen(createAdmin({ collect, records, log: silentLog }), here)
  const answer = await fetch(`${server.url}/metrics`)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const text = await answer.text()
  assert.match(text, /^cami_archive_instances 30$/m)
  assert.match(text, /^cami_scrub_bytes_done 5$/m)
  assert.match(text, /^cami_records_unreadable\{kind="device"\} 2$/m)
  assert.match(text, /^# TYPE process_cpu_seconds_total counter$/m)
  assert.match(text, /^process_resident_memory_bytes \d+$/m)
  assert.equal(text.includes('Иванова'), false)
  for (const line of text.trimEnd().split('\n')) {
    assert.match(line, /^(# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [\d.]+)$/)
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
  assert.equal((await fetch(`${server.url}/api/session`)).status, 404)
})

test('labels are escaped', () => {
  const samples = [{ labels: { area: 'a"b\\c\nd' }, value: 1 }]
  assert.equal(
    formatMetrics([{ name: 'x', help: 'h', type: 'counter', samples }]),
    '# HELP x h\n# TYPE x counter\nx{area="a\\"b\\\\c\\nd"} 1\n',
  )
})
