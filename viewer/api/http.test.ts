import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ApiError, isAborted, request, requestJson, unreachable } from './http.ts'

type Answer = { status: number; body: string; headers: NodeJS.Dict<string | string[]> }

/** A real server that answers what the test says and remembers the headers of the last request. */
async function withServer(
  answer: Pick<Answer, 'status' | 'body'>,
  run: (base: string, seen: () => Answer['headers']) => Promise<void>,
) {
  let headers: Answer['headers'] = {}
  const server = createServer((request, response) => {
    headers = request.headers
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(answer.status === 204 ? undefined : answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => headers)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('an error answer becomes its status and code', async () => {
  await withServer({ status: 403, body: '{"error":{"code":"forbidden"}}' }, async (base) => {
    await assert.rejects(request(base), (error) => {
      return error instanceof ApiError && error.status === 403 && error.code === 'forbidden'
    })
  })
})

test('an error answer that is not ours still has a code', async () => {
  await withServer({ status: 502, body: '<html>' }, async (base) => {
    await assert.rejects(request(base), { name: 'ApiError', code: 'http_502' })
  })
})

test('only what changes something carries our header', async () => {
  await withServer({ status: 200, body: '{}' }, async (base, seen) => {
    await requestJson(base)
    assert.equal(seen()['x-cami'], undefined)
    await requestJson(base, { method: 'POST', json: { a: 1 } })
    assert.equal(seen()['x-cami'], '1')
    assert.equal(seen()['content-type'], 'application/json')
  })
})

test('an empty answer to a search is an empty list', async () => {
  await withServer({ status: 204, body: '' }, async (base) => {
    assert.deepEqual(await requestJson(base), [])
  })
})

test('a node that does not answer is unreachable; an abort is an abort', async () => {
  let dead = ''
  await withServer({ status: 200, body: '{}' }, async (base) => {
    dead = base
    const abort = AbortSignal.abort()
    await assert.rejects(request(base, { signal: abort }), isAborted)
  })
  await assert.rejects(request(dead), { code: unreachable, status: 0 })
})

test('a node that falls silent is given up, also by one who could have stopped asking herself', async () => {
  const server = createServer((request, response) => {
    if (request.url !== '/half') return
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"a":')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { signal } = new AbortController()
  try {
    const gone = { code: unreachable, status: 0 }
    await assert.rejects(requestJson(base, { signal, limitMs: 100 }), gone)
    await assert.rejects(requestJson(`${base}/half`, { signal, limitMs: 100 }), gone)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('a link that breaks in the middle of an answer is a link that broke', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"a":', () => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await assert.rejects(requestJson(base), { code: unreachable, status: 0 })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
