import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import { printDate } from '#protocol/fields/dates.ts'
import { clauses } from '#protocol/form.ts'
import type { Notice, NoticeContent, NoticeKind } from '#protocol/notice.ts'
import { appendixBlock, contactBlock, title } from './blocks.ts'
import { longDate, renderPage, shortDate } from './page.ts'
import type { Page } from './page.ts'
import { form2, form3, intakeGoesOn, levels, operatorName, scopes } from '#protocol/form-wording.ts'

/** Forms № 2 and № 3, and the operator's letters for which the order has no form. */

type Content<K extends NoticeKind> = Extract<NoticeContent, { kind: K }>
type Letter<K extends NoticeKind> = { title: string; write(page: Page, content: Content<K>): void }

const letters: { [K in NoticeKind]: Letter<K> } = {
  access_notice: {
    title: form2.title,
    write(page, { accounts }) {
      page.text(form2.lead)
      accountTable(page, form2.columns, accounts)
      page.text(form2.note, { align: 'justify' })
    },
  },
  refusal_notice: {
    title: form3.title,
    write(page, { organizationName, reasons }) {
      page.text(form3.lead)
      page.onLine(organizationName, '')
      page.text(form3.reasons)
      for (const [at, { clause, text }] of reasons.entries()) {
        page.text(`${at + 1}. ${text} (${clauses[clause] ?? clause})`, { align: 'justify' })
      }
    },
  },
  device_receipt: {
    title: 'Уведомление о регистрации аппаратов',
    write(page, { formNumber, startDate, devices }) {
      const since = shortDate(startDate)
      page.text(
        `Уведомление о запуске трансляции № ${formNumber} зарегистрировано. Трансляция в ЦАМИ ведётся с ${since} со следующих аппаратов:`,
        { align: 'justify' },
      )
      page.table(
        [
          { title: '№', width: 6, align: 'center' },
          { title: 'Наименование и модель аппарата', width: 57 },
          { title: 'Серийный номер аппарата', width: 37 },
        ],
        devices.map(({ model, serialNumber }, at) => [String(at + 1), model, serialNumber]),
      )
      page.text(
        'Исследования, поступившие до этой даты, хранятся в PACS Proxy и передаются в ЦАМИ по решению администратора МО.',
        { align: 'justify' },
      )
    },
  },
  grant_notice: {
    title: 'Уведомление о предоставлении доступа к исследованиям медицинской организации',
    write(page, { formNumber, holderName, granteeName, accounts, until }) {
      page.text(
        `По заявке № ${formNumber} пользователям организации ${granteeName} предоставлен доступ к исследованиям, выполненным на оборудовании организации ${holderName}, с целью интерпретации результатов исследований. Доступ действует по ${shortDate(until)}`,
        { align: 'justify' },
      )
      accountTable(page, ['ФИО', 'Учетная запись'], accounts)
      page.text(form2.note, { align: 'justify' })
    },
  },
  restriction_notice: {
    title: 'Уведомление об ограничении доступа',
    write(page, { organizationName, scope, level, clause, reason, remedy, start }) {
      page.text(
        `На основании раздела 10 Положения с ${shortDate(start)} ограничивается доступ медицинской организации:`,
      )
      page.onLine(organizationName, '')
      page.table(
        [
          { title: '', width: 35 },
          { title: '', width: 65 },
        ],
        [
          ['К чему ограничен доступ', scopes[scope]],
          ['Мера', levels[level]],
          ['Нарушен пункт Положения', clause],
          ['Обстоятельства', reason],
          ['Что устранить', remedy],
        ],
      )
      page.text('Ограничение действует до устранения нарушений.')
      page.text(intakeGoesOn, { align: 'justify' })
    },
  },
  restoration_notice: {
    title: 'Уведомление о восстановлении доступа',
    write(page, { organizationName, restrictionNumber, clause, liftedOn }) {
      page.text('Восстановлен доступ медицинской организации:')
      page.onLine(organizationName, '')
      page.text(
        `Нарушение пункта ${clause} Положения устранено и проверено. Ограничение № ${restrictionNumber} снято ${shortDate(liftedOn)}`,
        { align: 'justify' },
      )
    },
  },
}

function accountTable(
  page: Page,
  [name, login]: readonly [string, string],
  accounts: readonly { name: string; login: string }[],
): void {
  page.table(
    [
      { title: name, width: 55 },
      { title: login, width: 45 },
    ],
    accounts.map((account) => [account.name, account.login]),
  )
}

const appendixOf: Partial<Record<NoticeKind, number>> = { access_notice: 2, refusal_notice: 3 }

export async function renderNotice(notice: Notice): Promise<Buffer> {
  const { content, number, issuedDate = '2000-01-01' } = notice
  const letter = letters[content.kind] as Letter<NoticeKind>
  return await renderPage({ title: letter.title, date: issuedDate }, (page) => {
    const appendix = appendixOf[content.kind]
    if (appendix !== undefined) appendixBlock(page, appendix)
    else page.text(operatorName, { font: 'bold', align: 'center', gap: 12 })
    page.sides(
      (x, width) => {
        const said = number === undefined ? 'Проект' : `№ ${number} от ${printDate(issuedDate)}`
        page.put(said, {}, { x, y: page.doc.y, width })
      },
      (x, width) => page.put(content.organizationName, {}, { x, y: page.doc.y, width }),
    )
    title(page, letter.title)
    letter.write(page, content)
    contactBlock(page, {
      date: longDate(issuedDate),
      name: printName(notice.issuerName),
      phone: printPhone(notice.issuerPhone),
    })
  })
}
