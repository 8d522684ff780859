import { z } from 'zod'
import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import type { Doors } from '../access/doors.ts'
import { type Context, warn } from './answer.ts'
import { uidsOf } from './paths.ts'

/** What DELETE does here: nothing, or hiding for a reason. Nothing is ever erased by it. */
export type DeletePolicy = 'reject' | 'refuse'

const Wish = z.object({
  /** PS3.16 CID 7011. */
  code: z.enum(['113001', '113037', '113038', '113039']),
  reason: z.string().trim().min(1).max(1000),
})

/**
 * DELETE of a study, a series or an instance is a rejection (IHE RAD TF-3, IOCM): hidden from searches and retrieval,
 * audited, and kept. `code` and `reason` say why; what nobody said is not written down as if somebody had.
 */
export async function rejectPath(
  ctx: Context,
  doors: Pick<Doors, 'reject'>,
  policy: DeletePolicy,
): Promise<void> {
  if (policy === 'refuse') {
    throw new ProtocolError('operation_not_granted', 'nothing is deleted at this node')
  }
  const given = ctx.URL.searchParams
  const wish = Wish.safeParse(Object.fromEntries(given))
  if (!wish.success) {
    throw new WrongRequest('DELETE needs a code of PS3.16 CID 7011 and a reason')
  }
  const unknown = [...given.keys()].find((name) => !Object.hasOwn(Wish.shape, name))
  // Ignored as everywhere (PS3.18 §8.3); one of them is told.
  if (unknown !== undefined) {
    warn(ctx, `The parameter ${unknown.slice(0, 64)} is not supported and was ignored.`)
  }
  await doors.reject(ctx.state.user, { ...uidsOf(ctx.params), ...wish.data })
  ctx.status = 204
}
