import { Readable } from 'node:stream'
import { z } from 'zod'
import { StudyUid, type OrganizationOid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { Doors } from '../../access/doors.ts'
import type { StudyReader } from '../../archive/archive.ts'
import { defineRoute, type Route } from '../routes.ts'

const Count = z.strictObject({ done: z.int(), total: z.int() })
const Transfer = z.strictObject({
  state: z.enum(['fetching', 'complete', 'interrupted']),
  instances: Count,
  /** `received`: over the link, also what came twice. */
  bytes: Count.extend({ received: z.int() }),
})
export type Transfer = z.infer<typeof Transfer>

/** What is known of copies on their way from other organizations. */
export type Transfers = {
  progress(study: StudyUid): Transfer | undefined
  onProgress(study: StudyUid, listener: (transfer: Transfer) => void): () => void
}

/**
 * How far a copy has come. That there is one says that the study exists, so the door for reading the study is asked
 * first, and stays open while the page listens.
 */
export function transferRoutes(deps: {
  doors: Pick<Doors, 'openStudy'>
  transfers: Transfers
  self: OrganizationOid
  /** Ends open streams when the node stops. */
  stopping: AbortSignal
}): Route[] {
  const { doors, transfers, self, stopping } = deps
  let open = 0
  return [
    defineRoute({
      method: 'get',
      path: '/api/studies/:study/transfer',
      summary: 'How far the copy of a study has come; as server-sent events when they are accepted',
      access: 'signed-in',
      isPassive: true,
      params: z.strictObject({ study: StudyUid }),
      answer: Transfer,
      async handle({ params: { study }, ctx, user }) {
        const reader = await doors.openStudy(user, study)
        if (ctx.accepts('json', 'text/event-stream') !== 'text/event-stream') {
          await using _ = reader
          return transferOf(reader, transfers, self)
        }
        if (open >= httpLimits.eventStreamsMax) {
          await reader[Symbol.asyncDispose]()
          throw new ProtocolError('unavailable', 'too many pages follow transfers')
        }
        open++
        const gone = new AbortController()
        ctx.res.once('close', () => gone.abort())
        const signal = AbortSignal.any([gone.signal, stopping])
        ctx.type = 'text/event-stream'
        ctx.set('X-Accel-Buffering', 'no')
        const events = eventsOf(reader, { transfers, self, signal })
        // Also when nothing of it was sent: a request for headers, a page that was gone by then.
        ctx.body = Readable.from(events, { objectMode: false }).once('close', () => {
          open--
          void reader[Symbol.asyncDispose]()
        })
        return undefined as never
      },
    }),
  ]
}

/** A study of this node's own is here already; so is a copy that nothing is known of any more. */
async function transferOf(
  reader: StudyReader,
  transfers: Transfers,
  self: OrganizationOid,
): Promise<Transfer> {
  const known = reader.holder === self ? undefined : transfers.progress(reader.study)
  if (known !== undefined) return known
  const instances = await reader.instances()
  const bytes = instances.reduce((sum, instance) => sum + instance.bytes, 0)
  return {
    state: 'complete',
    instances: { done: instances.length, total: instances.length },
    bytes: { done: bytes, total: bytes, received: 0 },
  }
}

type Follow = { transfers: Transfers; self: OrganizationOid; signal: AbortSignal }

/** The newest state whenever there is one, so that a slow page never falls behind. */
async function* eventsOf(
  reader: StudyReader,
  { transfers, self, signal }: Follow,
): AsyncGenerator<string> {
  let latest: Transfer | undefined
  let wake: () => void = () => undefined
  const stop = transfers.onProgress(reader.study, (transfer) => {
    latest = transfer
    wake()
  })
  // A page that stays open asks again now and then, and is then checked again.
  const end = AbortSignal.any([signal, AbortSignal.timeout(httpLimits.eventStreamMs)])
  const onEnd = () => wake()
  end.addEventListener('abort', onEnd)
  try {
    // Heard first: what changes while this is read is newer than it.
    const begun = await transferOf(reader, transfers, self)
    latest ??= begun
    while (!end.aborted) {
      const event: Transfer | undefined = latest
      latest = undefined
      yield event === undefined ? ': still here\n\n' : `data: ${JSON.stringify(event)}\n\n`
      if (event?.state === 'complete') return
      if (latest !== undefined || end.aborted) continue
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, httpLimits.eventStreamKeepAliveMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  } finally {
    stop()
    end.removeEventListener('abort', onEnd)
  }
}
