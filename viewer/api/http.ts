/**
 * The one way to the node's HTTP interface. The session is an HttpOnly cookie; what changes something carries a header
 * of ours, which another site's page cannot send (contract.md, section 7).
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}

/** The network failed, as opposed to an answer that says no. */
export const unreachable = 'unreachable'

const timeoutMs = 30_000

export type Request = {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  json?: unknown
  accept?: string
  signal?: AbortSignal | undefined
}

export async function request(path: string, options: Request = {}): Promise<Response> {
  const { method = 'GET', json, accept = 'application/json', signal } = options
  const headers = new Headers({ accept })
  if (method !== 'GET') headers.set('x-cami', '1')
  if (json !== undefined) headers.set('content-type', 'application/json')
  const response = await reach(path, {
    method,
    headers,
    signal: signal ?? AbortSignal.timeout(timeoutMs),
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  if (!response.ok) throw new ApiError(response.status, await codeOf(response))
  return response
}

export async function requestJson(path: string, options: Request = {}): Promise<unknown> {
  const response = await request(path, options)
  // QIDO-RS may answer "nothing" with 204 (PS3.18 §10.6.3.1).
  if (response.status === 204) return []
  return response.json() as Promise<unknown>
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, unreachable)
  }
}

async function codeOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { error?: { code?: unknown } }
    return typeof body.error?.code === 'string' ? body.error.code : `http_${response.status}`
  } catch {
    return `http_${response.status}`
  }
}

export const isAborted = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'AbortError'
