import type { Account } from './region-file.ts'

/** A script's view of a node: sign in, then call with the bearer token (commands.md, "HTTP for scripts"). */
export type Client = {
  readonly token: string
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** GET that must succeed, as JSON. */
  json<T>(path: string): Promise<T>
  post(path: string, body: unknown): Promise<Response>
}

export async function signIn(url: string, account: Account): Promise<Client> {
  const response = await fetch(`${url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: account.login, password: account.password }),
  })
  if (!response.ok) throw new Error(`sign-in at ${url} answered ${response.status}`)
  const { token } = (await response.json()) as { token: string }
  const authorization = `Bearer ${token}`
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { headers: { authorization, ...headers } })
  return {
    token,
    get,
    async json<T>(path: string) {
      const answer = await get(path, { accept: 'application/json, application/dicom+json' })
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
      return (await answer.json()) as T
    },
    post: (path, body) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  }
}

/** Something that must come did not. */
export class NotInTime extends Error {
  override readonly name = 'NotInTime'
}

/** Asks again until `probe` gives something, at most `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const end = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < end) {
    try {
      const found = await probe()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new NotInTime(`not in ${timeoutMs} ms: ${what}`, { cause: last })
}
