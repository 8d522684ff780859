import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Attachment } from '#protocol/form.ts'
import { Sha256 } from '#protocol/ids.ts'
import { Restriction, RestrictionAction, RestrictionInput } from '#protocol/restriction.ts'
import type { AccessRequests } from '../../access-requests.ts'
import type { Attachments } from '../../attachments.ts'
import type { Devices } from '../../devices.ts'
import type { Restrictions } from '../../restrictions.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, defineRoute, formRoles, isOperator, operatorRoles, type Route } from '../routes.ts'
import { ById, FileName, receive, sendAttachment } from './forms.ts'

type Step = Exclude<RestrictionAction, { type: 'add_evidence' | 'add_proof' }>
const Action = z.discriminatedUnion(
  'type',
  RestrictionAction.options.filter(
    (option) => !['add_evidence', 'add_proof'].includes(option.shape.type.value),
  ) as never,
) as unknown as z.ZodType<Step>

/** What a restriction would touch, before it is imposed (US-9). */
const Preview = z.strictObject({
  /** Forms № 5 in force by which the organization gives access, and gets it. */
  given: z.int(),
  received: z.int(),
  /** People of other organizations whose access would pause, and this one's own. */
  theirUsers: z.int(),
  ownUsers: z.int(),
  devices: z.int(),
})

type Deps = {
  restrictions: Restrictions
  accessRequests: AccessRequests
  devices: Devices
  attachments: Attachments
  clock: () => number
}

/** Section 10 of the Положение. */
export function restrictionRoutes(deps: Deps): Route[] {
  const { restrictions } = deps
  const mayRead = ({ organization }: Restriction, user: SessionUser) =>
    isOperator(user) || organization === user.account.organization
  const find = async (id: string, user: SessionUser): Promise<Restriction> => {
    const found = await restrictions.get(id)
    if (mayRead(found, user)) return found
    throw new ProtocolError('not_found', 'no such restriction')
  }
  return [
    defineRoute({
      method: 'get',
      path: '/api/restrictions',
      summary: 'Restrictions, those that were lifted included',
      access: formRoles,
      answer: z.strictObject({ restrictions: z.array(Restriction) }),
      async handle({ user }) {
        return { restrictions: (await restrictions.all()).filter((one) => mayRead(one, user)) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/restrictions',
      summary: 'Propose a restriction; it limits nothing until it is imposed',
      access: operatorRoles,
      body: RestrictionInput,
      answer: Restriction,
      handle: async ({ body, user }) => await restrictions.propose(body, by(user)),
    }),
    defineRoute({
      method: 'get',
      path: '/api/restrictions/:id',
      summary: 'A restriction with its history',
      access: formRoles,
      params: ById,
      answer: Restriction,
      handle: async ({ params, user }) => await find(params.id, user),
    }),
    defineRoute({
      method: 'get',
      path: '/api/restrictions/:id/preview',
      summary: 'What it touches',
      access: operatorRoles,
      params: ById,
      answer: Preview,
      handle: async ({ params, user }) => await previewOf(await find(params.id, user), deps),
    }),
    defineRoute({
      method: 'post',
      path: '/api/restrictions/:id/actions',
      summary: 'Impose, report a remedy, verify it, lift',
      access: formRoles,
      params: ById,
      body: Action,
      answer: Restriction,
      async handle({ params, body, user }) {
        const { id } = await find(params.id, user)
        return await restrictions.act(id, body, by(user))
      },
    }),
    ...fileRoutes(deps, find),
  ]
}

function fileRoutes(
  { restrictions, attachments, clock }: Deps,
  find: (id: string, user: SessionUser) => Promise<Restriction>,
): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/restrictions/:id/attachments',
      summary: 'Attach evidence (the operator) or proof of the remedy',
      access: formRoles,
      params: ById,
      query: FileName.extend({ as: z.enum(['evidence', 'proof']) }),
      isUpload: true,
      answer: Attachment,
      async handle({ params, query, user, ctx }) {
        const { id } = await find(params.id, user)
        const type = query.as === 'proof' ? 'add_proof' : 'add_evidence'
        return await receive({ attachments, clock }, { ctx, name: query.name }, (attachment) =>
          restrictions.act(id, { type, attachment }, by(user)),
        )
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/restrictions/:id/attachments/:sha256',
      summary: 'Evidence or proof',
      access: formRoles,
      params: ById.extend({ sha256: Sha256 }),
      isDocument: true,
      async handle({ params, user, ctx }) {
        const { evidence, proof } = await find(params.id, user)
        const among = [...evidence, ...proof]
        await sendAttachment(attachments, { ctx, sha256: params.sha256, among })
      },
    }),
  ]
}

async function previewOf(
  { organization }: Restriction,
  { accessRequests, devices }: Deps,
): Promise<z.infer<typeof Preview>> {
  const inForce = (await accessRequests.all()).filter(({ status }) => status === 'effective')
  const given = inForce.filter(({ holder }) => holder === organization)
  const received = inForce.filter(({ content }) => content['granteeOrg'] === organization)
  const usersOf = (forms: typeof inForce) =>
    forms.flatMap(({ rows }) => rows).filter(({ state }) => state === 'confirmed').length
  const theirs = await devices.of(organization)
  return {
    given: given.length,
    received: received.length,
    theirUsers: usersOf(given),
    ownUsers: usersOf(received),
    devices: theirs.filter(({ status }) => status !== 'decommissioned').length,
  }
}
