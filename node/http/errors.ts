import type { Middleware } from 'koa'
import { z } from 'zod'
import { codeOf, errorCodes, type ErrorCode, WrongRequest } from '#protocol/errors.ts'
import { OrganizationRestricted } from '../access/restrictions.ts'
import type { Log } from '../log.ts'

/** The one translation of codes to HTTP. */
const statuses: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthenticated: 401,
  // Of whoever asks; what the doors decide about her is `forbidden` before it comes here.
  user_disabled: 401,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unsupported: 415,
  not_acceptable: 406,
  timeout: 504,
  aborted: 400,
  unavailable: 503,
  internal: 500,
  peer_unknown: 404,
  audit_unavailable: 503,
  log_gap: 502,
  log_fork: 502,
  log_foreign: 502,
  log_malformed: 502,
  manifest_mismatch: 502,
  chunk_mismatch: 502,
  digest_mismatch: 502,
  holder_unreachable: 504,
  frame_too_large: 502,
  frame_malformed: 502,
  stream_closed: 502,
  version_unsupported: 502,
  instance_malformed: 400,
  instance_truncated: 400,
  instance_too_complex: 400,
  instance_conflict: 409,
  instance_mismatch: 409,
  instance_evicted: 503,
  storage_full: 507,
  storage_corrupt: 500,
  storage_failed: 500,
  configuration_invalid: 500,
}

/**
 * `sentence`: what the operator has limited and why, for the person who is refused. `detail`: what is wrong with a
 * request, for who writes its client.
 */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    code: z.enum(errorCodes),
    sentence: z.string().exactOptional(),
    detail: z.string().exactOptional(),
  }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** Every code that is not in the table is a reason why somebody may not do something. */
export const statusOf = (code: ErrorCode): number => statuses[code] ?? 403

/**
 * Whoever is refused learns that and nothing else: a study out of scope, one that is withheld and one that does not
 * exist give one body (contract.md, section 7). What she lacks herself she may know: it is the same for all of them.
 */
export function errorBody(code: ErrorCode): ErrorBody {
  const isSecret = statusOf(code) === 403 && code !== 'second_factor_required'
  return { error: { code: isSecret ? 'forbidden' : code } }
}

function bodyOf(error: unknown): ErrorBody {
  // A restriction is no secret of a study: it says itself, and why.
  if (error instanceof OrganizationRestricted) {
    return { error: { code: error.code, sentence: error.sentence } }
  }
  // Texts of other errors are for the log: some of them name what was sent.
  if (error instanceof WrongRequest) return { error: { code: error.code, detail: error.message } }
  return errorBody(codeOf(error))
}

/** What the router leaves: no such path, no such method. */
const unanswered: Partial<Record<number, ErrorCode>> = {
  404: 'not_found',
  405: 'unsupported',
  501: 'unsupported',
}

/** Turns what handlers throw into an answer; only unforeseen failures are logged as errors. */
export function createErrors(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      const code = unanswered[ctx.status]
      if (code === undefined || ctx.body !== undefined || ctx.respond === false) return
      const { status } = ctx
      ctx.body = errorBody(code)
      ctx.status = status
    } catch (error) {
      const code = codeOf(error)
      const status = statusOf(code)
      if (status === 500) log.error({ err: error, code }, 'request failed')
      else if (status > 500) log.warn({ code, status }, 'request failed')
      else log.debug({ code, status }, 'request refused')
      if (ctx.headerSent) {
        // Half an answer must not look like a whole one.
        ctx.res.destroy()
        return
      }
      // What a handler said of the answer that it did not give.
      for (const name of ['Content-Encoding', 'Content-Range', 'Content-Disposition', 'ETag']) {
        ctx.remove(name)
      }
      ctx.set('Cache-Control', 'no-store')
      ctx.status = status
      ctx.body = bodyOf(error)
      if (status === 401) ctx.set('WWW-Authenticate', 'Bearer')
      if (status === 429 || status === 503) ctx.set('Retry-After', status === 429 ? '900' : '5')
      // What is still on its way would have to be read to keep the connection.
      if (!ctx.req.complete) ctx.set('Connection', 'close')
    }
  }
}
