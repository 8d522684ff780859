import { ProtocolError } from '#protocol/errors.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import { ulid } from '#protocol/ids.ts'
import { advanceNotice, Notice } from '#protocol/notice.ts'
import type { NoticeAction, NoticeContent, NoticeEffect } from '#protocol/notice.ts'
import { createTurns } from '#protocol/turns.ts'
import type { Accounts } from './accounts.ts'
import { createDesk } from './desk.ts'
import { forEach } from './each.ts'
import { system } from './office.ts'
import type { By, Office } from './office.ts'

export type NewNotice = {
  content: NoticeContent
  source: string
  /** Absent: handed over on paper. */
  recipient?: string | undefined
  organization?: Notice['organization']
}

/** A notice that follows from a step, and whoever took that. */
export type Owed = { notice: NewNotice; by: By | undefined }

/** Forms № 2 and № 3 and the letters beside them: made, numbered, sealed as a PDF, and followed until they are read. */
export type Notices = {
  get(id: string): Promise<Notice>
  all(): Promise<Notice[]>
  /** Makes and issues it at once, in the name of the operator who acts. */
  issue(notice: NewNotice, by: By): Promise<Notice>
  /**
   * Issues what a stop after a step has kept from being issued; done again, it changes nothing. What one form owes and
   * cannot be issued, or even be read, keeps no letter of the others.
   */
  makeUp<T>(forms: readonly T[], owedOf: (form: T) => Owed[] | Promise<Owed[]>): Promise<void>
  act(id: string, action: NoticeAction, by: By): Promise<Notice>
  pdf(id: string): Promise<Buffer>
  /** The administrator's first sign-in counts as having read it. */
  acknowledgeFor(organization: NonNullable<Notice['organization']>): Promise<void>
}

export function createNotices(deps: {
  office: Office
  accounts: Accounts
  render: (notice: Notice) => Promise<Buffer>
}): Notices {
  const { office, accounts, render } = deps
  const { clock, numbers, attachments } = office
  const desk = createDesk<Notice, NoticeAction, null, NoticeEffect>({
    office,
    kind: 'notice',
    schema: Notice,
    advance: advanceNotice,
    facts: async () => null,
  })
  const act: Notices['act'] = async (id, action, by) => (await desk.act(id, action, by)).form
  /** The PDF is made from the numbered notice and never again: what was issued does not change. */
  const sealed = async (notice: Notice): Promise<Notice> => {
    if (notice.sha256 !== undefined || notice.number === undefined) return notice
    return await attachments.put([await render(notice)], ({ sha256 }) =>
      act(notice.id, { type: 'seal', sha256 }, system),
    )
  }
  const number = async ({ id, content }: Notice, by: By): Promise<Notice> => {
    const date = dayOf(clock())
    const { form } = await desk.act(
      id,
      async () => {
        const { number, write } = await numbers.next(content.kind, date.slice(0, 4))
        return { action: { type: 'issue', number, date }, writes: [write] }
      },
      by,
    )
    return await sealed(form)
  }
  const issue: Notices['issue'] = async (given, by) =>
    await number(await desk.add(generate({ office, accounts }, given, by), by), by)
  // What is missing is read and written in one turn: two that find it missing would both write it.
  const inTurn = createTurns()
  return {
    get: desk.get,
    all: desk.all,
    issue,
    makeUp: (forms, owedOf) =>
      inTurn(async () => {
        const known = new Map((await desk.all()).map((notice) => [answerOf(notice), notice]))
        const makeUp = async ({ notice, by }: Owed): Promise<void> => {
          const found = known.get(answerOf(notice))
          if (found?.status === 'issued') await sealed(found)
          else if (by === undefined) return
          else if (found === undefined) await issue(notice, by)
          else if (found.status === 'generated') await number(found, by)
        }
        await forEach(forms, async (form) => forEach(await owedOf(form), makeUp))
      }),
    act,
    async pdf(id) {
      const notice = await sealed(await desk.get(id))
      return notice.sha256 === undefined
        ? await render(notice)
        : await attachments.get(notice.sha256)
    },
    async acknowledgeFor(organization) {
      const open = (await desk.all()).filter(
        (one) => one.organization === organization && isUnreadAccess(one),
      )
      for (const { id } of open) await act(id, { type: 'acknowledge' }, system)
    },
  }
}

const isUnreadAccess = ({ status, content }: Notice): boolean =>
  content.kind === 'access_notice' && status !== 'acknowledged' && status !== 'generated'

/** To whom it says what, and why: each is told once. */
const answerOf = ({ source, content, organization }: NewNotice): string =>
  [source, content.kind, organization].join(' ')

function generate(
  { office, accounts }: { office: Office; accounts: Accounts },
  { content, source, recipient, organization }: NewNotice,
  by: By,
): Notice {
  const { clock, random } = office
  const issuer = accounts.get(by.actor.account)
  if (issuer === undefined) throw new ProtocolError('forbidden', 'nobody issues it')
  return {
    id: ulid(clock(), random(10)),
    status: 'generated',
    source,
    issuerName: issuer.name,
    issuerPhone: issuer.phone,
    content,
    createdAt: clock(),
    history: [],
    ...(recipient !== undefined && { recipient }),
    ...(organization !== undefined && { organization }),
  }
}
