import type { Middleware } from 'koa'
import type { RestrictedAct } from '#protocol/restriction.ts'
import type { Restrictions } from '../access/restrictions.ts'
import type { State } from './authentication.ts'

/** Which requests are which act of a restriction. What apparatus send, and STOW-RS, is intake and stands nowhere here. */
const acts: readonly {
  act: RestrictedAct
  path: RegExp
  isRead?: boolean
  /** Only this method. */
  method?: string
}[] = [
  { act: 'consult', path: /^\/api\/consultations(\/|$)/ },
  { act: 'write', path: /^\/api\/(reports|corrections|patient-merges|rejections)(\/|$)/ },
  // Overlays of a person, as corrections are: a release may name another patient. What came in is accepted and hidden
  // until the lift, which W-2 allows; what a device sent is still let in by registering the device.
  { act: 'write', path: /^\/api\/(quarantine\/release|studies\/[^/]+\/encoding)(\/|$)/ },
  // A rejection too (decision 0015).
  { act: 'write', path: /^\/dicom-web\//, method: 'DELETE' },
  { act: 'export', path: /^\/api\/(exports?|prints?|media\/exports?)(\/|$)/, isRead: true },
]

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Refuses, with the reason, what the operator has limited here. */
export function createRestricted(restrictions: Pick<Restrictions, 'check'>): Middleware<State> {
  return async (ctx, next) => {
    const isSafe = safeMethods.has(ctx.method)
    for (const { act, path, isRead = false, method = ctx.method } of acts) {
      const isMeant = (isRead || !isSafe) && method === ctx.method
      if (isMeant && path.test(ctx.path)) restrictions.check(act)
    }
    if (ctx.state.user !== undefined) restrictions.check('login')
    await next()
  }
}
