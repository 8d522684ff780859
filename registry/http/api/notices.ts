import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Notice, NoticeAction } from '#protocol/notice.ts'
import type { Notices } from '../../notices.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, defineRoute, formRoles, isOperator, sendFile, type Route } from '../routes.ts'
import { ById } from './forms.ts'

const Action = z.discriminatedUnion(
  'type',
  NoticeAction.options.filter(
    (option) => !['issue', 'seal'].includes(option.shape.type.value),
  ) as never,
) as unknown as z.ZodType<Exclude<NoticeAction, { type: 'issue' | 'seal' }>>

/** Forms № 2 and № 3 and other letters. */
export function noticeRoutes({ notices }: { notices: Notices }): Route[] {
  const mayRead = ({ organization }: Notice, user: SessionUser) =>
    isOperator(user) || (organization !== undefined && organization === user.account.organization)
  const find = async (id: string, user: SessionUser) => {
    const notice = await notices.get(id)
    if (mayRead(notice, user)) return notice
    throw new ProtocolError('not_found', 'no such notice')
  }
  return [
    defineRoute({
      method: 'get',
      path: '/api/notices',
      summary: 'Notices to organizations',
      access: formRoles,
      answer: z.strictObject({ notices: z.array(Notice) }),
      async handle({ user }) {
        return { notices: (await notices.all()).filter((notice) => mayRead(notice, user)) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/notices/:id',
      summary: 'A notice',
      access: formRoles,
      params: ById,
      answer: Notice,
      handle: async ({ params, user }) => await find(params.id, user),
    }),
    defineRoute({
      method: 'post',
      path: '/api/notices/:id/actions',
      summary: 'What has become of a notice: sent, delivered, bounced, acknowledged',
      access: formRoles,
      params: ById,
      body: Action,
      answer: Notice,
      async handle({ params, body, user }) {
        const { id } = await find(params.id, user)
        return await notices.act(id, body, by(user))
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/notices/:id/pdf',
      summary: 'The notice as it was issued',
      access: formRoles,
      params: ById,
      isDocument: true,
      async handle({ params, user, ctx }) {
        const { id, content } = await find(params.id, user)
        const name = `${content.kind}.pdf`
        sendFile(ctx, { content: await notices.pdf(id), type: 'application/pdf', name })
      },
    }),
  ]
}
