import { z } from 'zod'
import { AccessRequest, AccessRequestAction } from '#protocol/access-request.ts'
import { DocumentReference } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { AccessRequests, AccessRequestStep } from '../../access-requests.ts'
import type { Accounts } from '../../accounts.ts'
import type { Attachments } from '../../attachments.ts'
import { renderAccessRequest } from '../../forms/applications.ts'
import { createCounter } from '#protocol/secrets/lockout.ts'
import { by, type Route } from '../routes.ts'
import { ownerOf } from './device-notices.ts'
import { formRoutes } from './forms.ts'

const View = AccessRequest.extend({ form5: DocumentReference.exactOptional() })

const ownSteps = [
  'activate',
  'expire',
  'pause',
  'resume',
  'end_row',
  'restore_row',
  'attach',
  'register',
  'confirm',
]
/** A head’s word counts with a code of her second factor, taken at that moment, whatever her session began with. */
const Confirm = z.strictObject({ type: z.literal('confirm'), code: z.string().max(16) })
const Action = z.discriminatedUnion('type', [
  ...AccessRequestAction.options.filter((option) => !ownSteps.includes(option.shape.type.value)),
  z.strictObject({
    type: z.literal('register'),
    incoming: AccessRequest.shape.incoming.unwrap(),
  }),
  Confirm,
] as never) as unknown as z.ZodType<Step>

type Step = Exclude<AccessRequestStep, { type: 'confirm' }> | z.infer<typeof Confirm>

const withReference = new Set(['approved', 'effective', 'paused', 'revoked', 'expired'])

/** Form № 5. `form5` is what a grant names as its ground. */
export function accessRequestRoutes(deps: {
  accessRequests: AccessRequests
  attachments: Attachments
  accounts: Pick<Accounts, 'get' | 'verifyCode'>
  nameOf: (oid: OrganizationOid) => Promise<string>
  clock: () => number
}): Route[] {
  const { accessRequests, attachments, nameOf, clock } = deps
  const checkCode = createCodeCheck(deps)
  return formRoutes({
    name: 'access-requests',
    title: 'Form № 5',
    attachments,
    clock,
    view: View,
    action: Action,
    get: accessRequests.get,
    all: accessRequests.all,
    // The grantee sees it when it is registered, not while it is written.
    mayRead: ({ holder, content, registeredAt }, { account: { organization } }) =>
      organization === holder ||
      (registeredAt !== undefined &&
        organization !== undefined &&
        content['granteeOrg'] === organization),
    show: async (form) =>
      withReference.has(form.status)
        ? { ...form, form5: await accessRequests.reference(form) }
        : form,
    create: (content, user) =>
      accessRequests.create(content, ownerOf(user, content['holderOrg']), by(user)),
    async act(form, action, by) {
      if (action.type === 'confirm') await checkCode(by.actor.account, action.code)
      const step = action.type === 'confirm' ? ({ type: 'confirm' } as const) : action
      await accessRequests.act(form.id, step, by)
    },
    attach: (form, attachment, by) =>
      accessRequests.act(form.id, { type: 'attach', attachment }, by),
    pdf: (form) => renderAccessRequest(form, nameOf),
    reapply: (form, by) => accessRequests.reapply(form.id, by),
  })
}

const attemptsPerHour = 20
const hourMs = 3600 * 1000

function createCodeCheck({
  accounts,
  clock,
}: {
  accounts: Pick<Accounts, 'get' | 'verifyCode'>
  clock: () => number
}) {
  const attempts = createCounter(clock, hourMs)
  return async (id: string, code: string): Promise<void> => {
    if (attempts.add(id) > attemptsPerHour) {
      throw new ProtocolError('rate_limited', 'too many attempts')
    }
    const account = accounts.get(id)
    if (account === undefined || !(await accounts.verifyCode(account, code))) {
      throw new ProtocolError('second_factor_required', 'the code does not fit')
    }
    attempts.clear(id)
  }
}
