import type { Middleware } from 'koa'
import { z } from 'zod'
import { codeOf, errorCodes, type ErrorCode } from '#protocol/errors.ts'
import { FieldError } from '#protocol/fields/text.ts'
import { refusals } from '#protocol/life-cycle.ts'
import type { Log } from '../log.ts'
import { FormRefused } from '../office.ts'

const statuses: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthenticated: 401,
  second_factor_required: 401,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  rate_limited: 429,
  internal: 500,
  storage_corrupt: 500,
  storage_failed: 500,
  unavailable: 503,
  timeout: 504,
}

/** `reason` and `fields` say of a form what to do about it; the sentences in `fields` are Russian. */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    code: z.enum(errorCodes),
    reason: z.enum(refusals).exactOptional(),
    fields: z.array(FieldError).exactOptional(),
  }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

export const statusOf = (code: ErrorCode): number => statuses[code] ?? 403

function bodyOf(error: unknown): ErrorBody {
  const code = codeOf(error)
  if (!(error instanceof FormRefused)) return { error: { code } }
  const { reason, fields } = error
  return { error: { code, reason, ...(fields.length > 0 && { fields }) } }
}

/** Turns what handlers throw into an answer; only unforeseen failures are logged as errors. */
export function createErrors(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      if (ctx.status === 404 && ctx.body === undefined) {
        ctx.body = { error: { code: 'not_found' } } satisfies ErrorBody
        ctx.status = 404
      }
    } catch (error) {
      const code = codeOf(error)
      const status = statusOf(code)
      if (status === 500) log.error({ err: error, code }, 'request failed')
      else log.debug({ code, status }, 'request refused')
      ctx.status = status
      ctx.body = bodyOf(error)
      ctx.remove('Content-Disposition')
      if (status === 401) ctx.set('WWW-Authenticate', 'Bearer')
      if (status === 429 || status === 503) ctx.set('Retry-After', status === 429 ? '900' : '5')
      if (!ctx.req.complete) ctx.set('Connection', 'close')
    }
  }
}
