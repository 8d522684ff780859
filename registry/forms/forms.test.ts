import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { getDocument } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { newAccessRequest } from '#protocol/access-request.ts'
import { newDeviceNotice } from '#protocol/device-notice.ts'
import { newEnrollment } from '#protocol/enrollment.ts'
import {
  accessRequestContent,
  deviceNoticeContent,
  enrollmentContent,
  formsNow,
  granteeOid,
  holderOid,
} from '#protocol/forms.fixture.ts'
import { ulid } from '#protocol/ids.ts'
import type { Notice, NoticeContent } from '#protocol/notice.ts'
import { renderAccessRequest, renderDeviceNotice, renderEnrollment } from './applications.ts'
import { renderNotice } from './letters.ts'
import {
  appendix,
  contactLabels,
  form1,
  form2,
  form3,
  form4,
  form5,
  stampLabel,
} from '#protocol/form-wording.ts'

const holderName = 'ГАУЗ «Тисульская районная больница»'
const granteeName = 'ГАУЗ «Кузбасская областная клиническая больница»'
const nameOf = async (oid: string) => (oid === granteeOid ? granteeName : holderName)
const envelope = { id: ulid(1, new Uint8Array(10)), createdBy: '', createdAt: formsNow }

/** Without spaces and line-break hyphens, one kind of dash, one spelling of «Proxy»: what the eye reads. */
const plain = (text: string): string =>
  text
    .normalize('NFC')
    .replaceAll(/[\s\u00a0\u00ad*#|\\_]/gu, '')
    .replaceAll(/[‑–—]/g, '-')
    .replaceAll(/Pro[xх][uyу]/gu, 'Proxy')

async function textOf(pdf: Buffer): Promise<{ text: string; pages: number }> {
  const task = getDocument({ data: new Uint8Array(pdf), useSystemFonts: false, verbosity: 0 })
  const document = await task.promise
  let text = ''
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number)
    const { items } = await page.getTextContent()
    text += items.map((item) => ('str' in item ? item.str : '')).join('')
  }
  const pages = document.numPages
  await task.destroy()
  return { text: plain(text), pages }
}

const wordsOf = (form: Record<string, string | readonly string[]>): string[] =>
  Object.values(form).flat()

const notice = (content: NoticeContent): Notice => ({
  id: envelope.id,
  status: 'issued',
  number: '2-3/2026',
  issuedDate: '2026-11-26',
  source: envelope.id,
  issuerName: { last: 'Иванова', first: 'Мария', middle: 'Петровна' },
  issuerPhone: { number: '+73842360000' },
  content,
  createdAt: formsNow,
  history: [],
})

type Printed = { number: number; words: string[]; values: string[]; render: () => Promise<Buffer> }

const printed: Printed[] = [
  {
    number: 1,
    words: [stampLabel, ...wordsOf(form1)],
    values: [
      'ПетровПётрСергеевич',
      '112-233-44595',
      '+7384472-15-40,доб.12',
      holderOid,
      'И.А.Сидорова',
      '24.11.2026',
    ],
    render: () => renderEnrollment(newEnrollment({ ...envelope, content: enrollmentContent() })),
  },
  {
    number: 2,
    words: wordsOf(form2),
    values: ['petrov.ps', 'ПетровПётрСергеевич', 'ИвановаМарияПетровна', '26ноября2026г.'],
    render: () =>
      renderNotice(
        notice({
          kind: 'access_notice',
          organizationName: holderName,
          accounts: [{ name: 'Петров Пётр Сергеевич', login: 'petrov.ps' }],
        }),
      ),
  },
  {
    number: 3,
    words: wordsOf(form3),
    values: ['неприложенпереченьпомещений', 'Тисульская'],
    render: () =>
      renderNotice(
        notice({
          kind: 'refusal_notice',
          organizationName: holderName,
          reasons: [{ clause: 'J-5', text: 'не приложен перечень помещений' }],
        }),
      ),
  },
  {
    number: 4,
    words: [stampLabel, ...wordsOf(form4), ...wordsOf(contactLabels)],
    values: [
      'Aquilion64',
      'SN-77812',
      '1010400123',
      'Рентгеновскоеотделение',
      '01.12.2026',
      '2019',
    ],
    render: () =>
      renderDeviceNotice(
        newDeviceNotice({ ...envelope, organization: holderOid, content: deviceNoticeContent() }),
      ),
  },
  {
    number: 5,
    words: [stampLabel, ...wordsOf(form5), ...wordsOf(contactLabels)],
    values: [
      'КовалёваАннаИгоревна',
      'врач-рентгенолог',
      'kovaleva@okb.kuzdrav.ru',
      plain(granteeName),
      plain(holderName),
    ],
    render: () =>
      renderAccessRequest(
        newAccessRequest({ ...envelope, holder: holderOid, content: accessRequestContent() }),
        nameOf,
      ),
  },
]

describe('the forms on paper', () => {
  for (const { number, words, values, render } of printed) {
    test(`№ ${number} has the order’s words and what was filled in, on one page`, async () => {
      const { text, pages } = await textOf(await render())
      assert.equal(pages, 1)
      for (const word of [...appendix(number), ...words])
        assert.ok(text.includes(plain(word)), word)
      for (const value of values) assert.ok(text.includes(value), value)
    })
  }

  const mission =
    process.env['CAMI_MISSION'] ?? path.join(import.meta.dirname, '../../../shared/mission')
  const order = path.join(mission, 'order-856.txt')
  test(
    'the words are those of the order itself',
    { skip: existsSync(order) ? false : `no ${path.basename(order)} in CAMI_MISSION` },
    () => {
      const text = plain(readFileSync(order, 'utf8'))
      const sections = [1, 2, 3, 4, 5].map((number) => {
        const from = text.indexOf(`Приложение№${number}кположению`)
        const to = text.indexOf(`Приложение№${number + 1}кположению`)
        return text.slice(from, to === -1 ? undefined : to)
      })
      for (const { number, words } of printed) {
        const section = (sections[number - 1] ?? '').replace(
          // The one word that the order's № 2 lacks.
          'организациипредоставлении',
          'организацииопредоставлении',
        )
        // The order puts the caption of the date between two lines of the sentence.
        for (const word of [...appendix(number), ...words]) {
          assert.ok(section.includes(plain(word)), `№ ${number}: ${word}`)
        }
      }
    },
  )

  test('the same form gives the same bytes, another one others', async () => {
    for (const { render } of printed) assert.deepEqual(await render(), await render())
    const other = newEnrollment({
      ...envelope,
      content: enrollmentContent({ headName: 'П.П. Другов' }),
    })
    assert.notDeepEqual(await renderEnrollment(other), await printed[0]?.render())
  })

  test('a table that is longer than its page goes on under its own head', async () => {
    const [row] = accessRequestContent().users
    const users = Array.from({ length: 60 }, (_, at) => ({
      ...row,
      email: `user${at}@okb.kuzdrav.ru`,
    }))
    const content = accessRequestContent({ users })
    const form = newAccessRequest({ ...envelope, holder: holderOid, content })
    const { text, pages } = await textOf(await renderAccessRequest(form, nameOf))
    assert.ok(pages > 1)
    // The sentence after it may stand on a page of its own.
    assert.ok(text.split('контактныйтелефон').length - 1 >= pages - 1)
    for (let at = 0; at < 60; at++) assert.ok(text.includes(`user${at}@okb`))
  })

  test('the letters without a form of the order say what is at stake', async () => {
    const letters: [NoticeContent, string[]][] = [
      [
        {
          kind: 'device_receipt',
          organizationName: holderName,
          formNumber: '4-1/2026',
          startDate: '2026-12-01',
          devices: [{ model: 'Aquilion 64', serialNumber: 'SN-77812' }],
        },
        ['4-1/2026', '01.12.2026', 'SN-77812', 'Тисульская'],
      ],
      [
        {
          kind: 'grant_notice',
          organizationName: holderName,
          formNumber: '5-1/2026',
          holderName,
          granteeName,
          accounts: [{ name: 'Ковалёва Анна Игоревна', login: `${granteeOid}#X` }],
          until: '2027-11-25',
        },
        ['5-1/2026', 'КовалёваАннаИгоревна', '25.11.2027', 'сцельюинтерпретации'],
      ],
      [
        {
          kind: 'restriction_notice',
          organizationName: holderName,
          scope: 'both',
          level: 'no_login',
          clause: '8.2.3',
          reason: 'пароли записаны на мониторе',
          remedy: 'сменить пароли',
          start: '2026-11-26',
        },
        [
          '8.2.3',
          'паролизаписанынамониторе',
          'сменитьпароли',
          'доустранениянарушений',
          'непрекращается',
        ],
      ],
      [
        {
          kind: 'restoration_notice',
          organizationName: holderName,
          restrictionNumber: 'О-1/2026',
          clause: '8.2.3',
          liftedOn: '2026-12-01',
        },
        ['О-1/2026', '01.12.2026', '8.2.3'],
      ],
    ]
    for (const [content, values] of letters) {
      const { text } = await textOf(await renderNotice(notice(content)))
      for (const value of values) assert.ok(text.includes(value), `${content.kind}: ${value}`)
    }
  })
})
