import { z } from 'zod'
import { AccessRequest, AccessRequestAction } from '#protocol/access-request.ts'
import { DocumentReference } from '#protocol/credential.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { AccessRequests, AccessRequestStep } from '../../access-requests.ts'
import type { Attachments } from '../../attachments.ts'
import { renderAccessRequest } from '../../forms/applications.ts'
import { by, type Route } from '../routes.ts'
import { ownerOf } from './device-notices.ts'
import { formRoutes } from './forms.ts'

const View = AccessRequest.extend({ form5: DocumentReference.exactOptional() })

const ownSteps = ['activate', 'expire', 'pause', 'resume', 'end_row', 'attach', 'register']
const Action = z.discriminatedUnion('type', [
  ...AccessRequestAction.options.filter((option) => !ownSteps.includes(option.shape.type.value)),
  z.strictObject({
    type: z.literal('register'),
    incoming: AccessRequest.shape.incoming.unwrap(),
  }),
] as never) as unknown as z.ZodType<AccessRequestStep>

const withReference = new Set(['approved', 'effective', 'paused', 'revoked', 'expired'])

/** Form № 5. `form5` is what a grant names as its ground. */
export function accessRequestRoutes(deps: {
  accessRequests: AccessRequests
  attachments: Attachments
  nameOf: (oid: OrganizationOid) => Promise<string>
  clock: () => number
}): Route[] {
  const { accessRequests, attachments, nameOf, clock } = deps
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
      await accessRequests.act(form.id, action, by)
    },
    attach: (form, attachment, by) =>
      accessRequests.act(form.id, { type: 'attach', attachment }, by),
    pdf: (form) => renderAccessRequest(form, nameOf),
    reapply: (form, by) => accessRequests.reapply(form.id, by),
  })
}
