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
  /** When the question was put, by the clock of the page: what is answered late may concern nobody any more. */
  readonly askedAt: number

  constructor(status: number, code: string, sentence?: string, askedAt = performance.now()) {
    super(code)
    this.status = status
    this.code = code
    this.sentence = sentence
    this.askedAt = askedAt
  }
}

/** The network failed, as opposed to an answer that says no. */
export const unreachable = 'unreachable'

const answerMs = 30_000

/** For what comes from another hospital or is as big as an image: at 2 Mbit/s a mammogram takes two minutes. */
export const transferMs = 300_000

export type Request = {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  json?: unknown
  accept?: string
  signal?: AbortSignal | undefined
  /** What takes longer than this is a dead connection. */
  limitMs?: number
}

export async function request(path: string, options: Request = {}): Promise<Response> {
  const { method = 'GET', json, accept = 'application/json', signal, limitMs = answerMs } = options
  const headers = new Headers({ accept })
  if (method !== 'GET') headers.set('x-cami', '1')
  if (json !== undefined) headers.set('content-type', 'application/json')
  const limit = AbortSignal.timeout(limitMs)
  const askedAt = performance.now()
  const response = await reached(
    fetch(path, {
      method,
      headers,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    }),
  )
  if (!response.ok) throw await errorOf(response, askedAt)
  return response
}

export async function requestJson(path: string, options: Request = {}): Promise<unknown> {
  const response = await request(path, options)
  // QIDO-RS may answer "nothing" with 204 (PS3.18 §10.6.3.1).
  if (response.status === 204) return []
  return reached(response.json() as Promise<unknown>)
}

/** The link may break before the answer or in the middle of it. */
async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (isAborted(error) || error instanceof SyntaxError) throw error
    throw new ApiError(0, unreachable)
  }
}

async function errorOf(response: Response, askedAt: number): Promise<ApiError> {
  const { status } = response
  try {
    const body = (await response.json()) as { error?: { code?: unknown; sentence?: unknown } }
    const { code, sentence } = body.error ?? {}
    return new ApiError(
      status,
      typeof code === 'string' ? code : `http_${status}`,
      typeof sentence === 'string' ? sentence : undefined,
      askedAt,
    )
  } catch {
    return new ApiError(status, `http_${status}`, undefined, askedAt)
  }
}

export const isAborted = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'AbortError'
