import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Attachment, Draft } from '#protocol/form.ts'
import { Sha256, Ulid } from '#protocol/ids.ts'
import type { Attachments } from '../../attachments.ts'
import { by, defineRoute, formRoles, isOperator, sendFile } from '../routes.ts'
import type { Route } from '../routes.ts'
import type { By } from '../../office.ts'
import type { SessionUser } from '../../sessions.ts'
import type { HttpContext } from '../authentication.ts'

export const ById = z.strictObject({ id: Ulid })
export const Content = z.strictObject({ content: Draft })

type Kept = { id: string; attachments: Attachment[] }

/** What the three forms have in common over HTTP. */
export type FormApi<F extends Kept, A extends { type: string }, V> = {
  /** `enrollments` of `/api/enrollments`. */
  name: string
  title: string
  attachments: Attachments
  view: z.ZodType<V>
  action: z.ZodType<A>
  get(id: string): Promise<F>
  all(): Promise<F[]>
  mayRead(form: F, user: SessionUser): boolean
  show(form: F): Promise<V>
  create(content: Draft, user: SessionUser): Promise<F>
  act(form: F, action: A, by: By): Promise<Record<string, unknown> | void>
  attach(form: F, attachment: Attachment, by: By): Promise<F>
  pdf(form: F): Promise<Buffer>
  reapply?: (form: F, by: By) => Promise<F>
  clock: () => number
}

export function formRoutes<F extends Kept, A extends { type: string }, V>(
  api: FormApi<F, A, V>,
): Route[] {
  const { name, title, view, show } = api
  const path = `/api/${name}` as const
  /** A form of others is one that does not exist. */
  const find = async (id: string, user: SessionUser): Promise<F> => {
    const form = await api.get(id)
    if (isOperator(user) || api.mayRead(form, user)) return form
    throw new ProtocolError('not_found', 'no such form')
  }
  return [
    defineRoute({
      method: 'get',
      path,
      summary: `${title}: all that the user may see`,
      access: formRoles,
      answer: z.strictObject({ forms: z.array(view) }),
      async handle({ user }) {
        const forms = (await api.all()).filter(
          (form) => isOperator(user) || api.mayRead(form, user),
        )
        return { forms: await Promise.all(forms.map(show)) }
      },
    }),
    defineRoute({
      method: 'post',
      path,
      summary: `${title}: a new draft`,
      access: formRoles,
      body: Content,
      answer: view,
      handle: async ({ body, user }) => await show(await api.create(body.content, user)),
    }),
    defineRoute({
      method: 'get',
      path: `${path}/:id`,
      summary: title,
      access: formRoles,
      params: ById,
      answer: view,
      handle: async ({ params, user }) => await show(await find(params.id, user)),
    }),
    defineRoute({
      method: 'post',
      path: `${path}/:id/actions`,
      summary: `${title}: one step of its life cycle`,
      access: formRoles,
      params: ById,
      body: api.action,
      answer: z.looseObject({ form: view }),
      async handle({ params, body, user }) {
        const form = await find(params.id, user)
        const more = await api.act(form, body, by(user, body.type))
        return { ...more, form: await show(await api.get(form.id)) }
      },
    }),
    documentRoute(api, find),
    ...attachmentRoutes(api, find),
    ...(api.reapply === undefined ? [] : [reapplyRoute(api, find, api.reapply)]),
  ]
}

type Find<F> = (id: string, user: SessionUser) => Promise<F>

function documentRoute<F extends Kept, A extends { type: string }, V>(
  api: FormApi<F, A, V>,
  find: Find<F>,
): Route {
  return defineRoute({
    method: 'get',
    path: `/api/${api.name}/:id/pdf`,
    summary: `${api.title}, as the order prints it`,
    access: formRoles,
    params: ById,
    isDocument: true,
    async handle({ params, user, ctx }) {
      const form = await find(params.id, user)
      sendFile(ctx, {
        content: await api.pdf(form),
        type: 'application/pdf',
        name: `${api.name}.pdf`,
      })
    },
  })
}

function reapplyRoute<F extends Kept, A extends { type: string }, V>(
  api: FormApi<F, A, V>,
  find: Find<F>,
  reapply: (form: F, by: By) => Promise<F>,
): Route {
  return defineRoute({
    method: 'post',
    path: `/api/${api.name}/:id/reapply`,
    summary: `${api.title}: a new draft with what a refused one said`,
    access: formRoles,
    params: ById,
    answer: api.view,
    async handle({ params, user }) {
      return await api.show(await reapply(await find(params.id, user), by(user)))
    },
  })
}

function attachmentRoutes<F extends Kept, A extends { type: string }, V>(
  api: FormApi<F, A, V>,
  find: Find<F>,
): Route[] {
  const path = `/api/${api.name}/:id/attachments` as const
  return [
    defineRoute({
      method: 'post',
      path,
      summary: 'Attach a scan (PDF, JPEG) or a detached signature, at most 20 MB',
      access: formRoles,
      params: ById,
      query: FileName,
      isUpload: true,
      answer: Attachment,
      async handle({ params, query, user, ctx }) {
        const form = await find(params.id, user)
        return await receive(api, { ctx, name: query.name }, (attachment) =>
          api.attach(form, attachment, by(user)),
        )
      },
    }),
    defineRoute({
      method: 'get',
      path: `${path}/:sha256`,
      summary: 'An attachment',
      access: formRoles,
      params: ById.extend({ sha256: Sha256 }),
      isDocument: true,
      async handle({ params, user, ctx }) {
        const form = await find(params.id, user)
        await sendAttachment(api.attachments, {
          ctx,
          sha256: params.sha256,
          among: form.attachments,
        })
      },
    }),
  ]
}

export const FileName = z.strictObject({ name: Attachment.shape.name })

/** What `attach` refuses does not stay. */
export async function receive(
  { attachments, clock }: { attachments: Attachments; clock: () => number },
  { ctx, name }: { ctx: HttpContext; name: string },
  attach: (attachment: Attachment) => Promise<unknown>,
): Promise<Attachment> {
  return await attachments.put(ctx.req, async (received) => {
    const attachment = Attachment.parse({ ...received, name, at: clock() })
    await attach(attachment)
    return attachment
  })
}

export async function sendAttachment(
  attachments: Attachments,
  { ctx, sha256, among }: { ctx: HttpContext; sha256: Sha256; among: readonly Attachment[] },
): Promise<void> {
  const found = among.find((one) => one.sha256 === sha256)
  if (found === undefined) throw new ProtocolError('not_found', 'no such attachment')
  const { type, name } = found
  sendFile(ctx, { content: await attachments.get(sha256), type, name })
}
