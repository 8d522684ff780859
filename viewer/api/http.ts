/**
 * The one way to the node's HTTP interface. The session is an HttpOnly cookie; what changes something carries a header
 * of ours, which another site's page cannot send (contract.md, section 7).
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly code: string
  /** What the operator has limited, in words for the person who is refused. */
  readonly sentence: string | undefined

  constructor(status: number, code: string, sentence?: string) {
    super(code)
    this.status = status
    this.code = code
    this.sentence = sentence
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
  if (!response.ok) throw await errorOf(response)
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

async function errorOf(response: Response): Promise<ApiError> {
  const { status } = response
  try {
    const body = (await response.json()) as { error?: { code?: unknown; sentence?: unknown } }
    const { code, sentence } = body.error ?? {}
    return new ApiError(
      status,
      typeof code === 'string' ? code : `http_${status}`,
      typeof sentence === 'string' ? sentence : undefined,
    )
  } catch {
    return new ApiError(status, `http_${status}`)
  }
}

export const isAborted = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'AbortError'
