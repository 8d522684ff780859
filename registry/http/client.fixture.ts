import assert from 'node:assert/strict'
import { officers } from '../region.fixture.ts'

/** A person at the registry's JSON API. */
export type Client = Awaited<ReturnType<typeof signIn>>

export async function signIn(url: string, login: string, password?: string) {
  const known = officers.find((one) => one.login === login)?.password
  const answer = await fetch(`${url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login, password: password ?? known }),
  })
  assert.equal(answer.status, 200, await answer.clone().text())
  const { token } = (await answer.json()) as { token: string }
  return clientOf(url, token)
}

export function clientOf(url: string, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const send = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(url + path, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  const must = async <T>(answer: Promise<Response>): Promise<T> => {
    const response = await answer
    assert.ok(response.ok, `${response.status} ${await response.clone().text()}`)
    return (response.status === 204 ? undefined : await response.json()) as T
  }
  return {
    send,
    get: <T>(path: string) => must<T>(send('GET', path)),
    post: <T>(path: string, body?: unknown) => must<T>(send('POST', path, body)),
    /** Status and error of something that is refused. */
    async refused(path: string, body?: unknown, method = 'POST') {
      const response = await send(method, path, body)
      assert.ok(!response.ok, `${path} was not refused`)
      const { error } = (await response.json()) as {
        error: { code: string; reason?: string; fields?: { path: string; message: string }[] }
      }
      return { status: response.status, ...error }
    },
    upload: (path: string, type: string, body: Uint8Array<ArrayBuffer>) =>
      fetch(url + path, { method: 'POST', headers: { ...headers, 'content-type': type }, body }),
  }
}

export const incoming = { no: '512', date: '25.11.2026' }
/** What looks like one. */
export const pdf = new TextEncoder().encode(`%PDF-1.4\n${'x'.repeat(1000)}`)

/** Everything that has no form here is vouched for by a document. */
export async function connect(operator: Client, oid: string) {
  for (const code of ['J-1', 'J-2', 'J-3', 'J-4', 'J-5', 'J-6']) {
    const body = { code, state: 'fulfilled', basis: 'приказ № 1 от 10.01.2026', date: '2026-01-10' }
    await operator.post(`/api/organizations/${oid}/checklist`, body)
  }
}
