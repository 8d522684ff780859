import type { z } from 'zod'
import { methods } from '../control.ts'
import type { ControlFrame, Method, Params, Result } from '../control.ts'
import { ProtocolError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { TransportLimits } from './transport.ts'

export type CallOptions = { signal?: AbortSignal; timeoutMs?: number }
type Answer = Extract<ControlFrame, { result: unknown } | { error: unknown }>
type Pending = {
  method: Method
  resolve: (result: unknown) => void
  reject: (code: ErrorCode) => void
}

/** Our requests that wait for their answers, by id; bounded, each with a deadline. */
export type Calls = {
  request: <M extends Method>(
    method: M,
    params: Params<M>,
    options?: CallOptions,
  ) => Promise<Result<M>>
  settle: (answer: Answer) => void
  /** Ends every pending request and refuses later ones. */
  fail: (code: ErrorCode) => void
}

export function createCalls(limits: TransportLimits, write: (frame: ControlFrame) => void): Calls {
  const pending = new Map<number, Pending>()
  let lastId = 0
  let failed: ErrorCode | undefined

  const request = (method: Method, params: unknown, options: CallOptions): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { signal, timeoutMs = limits.requestTimeoutMs } = options
      const refuse = (code: ErrorCode): void =>
        reject(new ProtocolError(code, `${method}: ${code}`))
      if (signal?.aborted === true) return refuse('aborted')
      if (failed !== undefined) return refuse('stream_closed')
      if (pending.size >= limits.pendingRequestsMax) return refuse('rate_limited')
      lastId += 1
      const id = lastId
      const leave = (): void => {
        pending.delete(id)
        clearTimeout(deadline)
        signal?.removeEventListener('abort', onAbort)
      }
      const settle: Pending = {
        method,
        resolve: (result) => {
          leave()
          resolve(result)
        },
        reject: (code) => {
          leave()
          refuse(code)
        },
      }
      const onAbort = (): void => settle.reject('aborted')
      const deadline = setTimeout(() => settle.reject('timeout'), timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      pending.set(id, settle)
      try {
        write({ id, method, params })
      } catch (error) {
        leave()
        reject(error)
      }
    })

  return {
    request: <M extends Method>(method: M, params: Params<M>, options: CallOptions = {}) =>
      request(method, params, options) as Promise<Result<M>>,
    settle(answer) {
      if (answer.id > lastId) {
        throw new ProtocolError('frame_malformed', 'an answer to a request that was not made')
      }
      // A late answer, after the deadline or an abort, is no fault of the peer.
      const call = pending.get(answer.id)
      if (call === undefined) return
      if ('error' in answer) return call.reject(answer.error.code)
      const schema: z.ZodType = methods[call.method].result
      const result = schema.safeParse(answer.result)
      if (result.success) call.resolve(result.data)
      else call.reject('frame_malformed')
    },
    fail(code) {
      failed = code
      // A call leaves the map as it is settled, which this iteration allows.
      for (const call of pending.values()) call.reject('stream_closed')
    },
  }
}
