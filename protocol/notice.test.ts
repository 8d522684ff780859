import { test } from 'node:test'
import assert from 'node:assert/strict'
import { formsNow, holderOid } from './forms.fixture.ts'
import { ulid } from './ids.ts'
import { reached, walk } from './life-cycle.fixture.ts'
import { advanceNotice } from './notice.ts'
import type { Notice, NoticeAction } from './notice.ts'

const id = (number: number) => ulid(number, new Uint8Array(10))

test('a notice has a number before it goes out, and what bounced can be sent again', () => {
  const operators = 'cami_operator cami_admin'
  const start: Notice = {
    id: id(4),
    status: 'generated',
    source: id(1),
    organization: holderOid,
    recipient: 'priem@crb.kuzdrav.ru',
    issuerName: { last: 'Иванова', first: 'Мария' },
    issuerPhone: { number: '+73842360000' },
    content: {
      kind: 'access_notice',
      organizationName: 'ГАУЗ «Тисульская районная больница»',
      accounts: [{ name: 'Петров Пётр Сергеевич', login: 'petrov' }],
    },
    createdAt: formsNow,
    history: [],
  }
  const delivering = 'cami_operator cami_admin system'
  const seen = walk<Notice, NoticeAction>({
    start,
    actions: [
      { type: 'issue', number: '2-1/2026', date: '2026-11-25' },
      { type: 'send', channel: 'e-mail' },
      { type: 'deliver' },
      { type: 'bounce', reason: 'нет такого ящика' },
      { type: 'acknowledge' },
    ],
    step: (form, action, actor) =>
      advanceNotice(form, action, { actor, now: formsNow, facts: null }),
    table: {
      'generated issue issued': operators,
      'issued send sent': operators,
      'bounced send sent': operators,
      'sent deliver delivered': delivering,
      'sent bounce bounced': delivering,
      ...Object.fromEntries(
        ['issued', 'sent', 'delivered', 'bounced'].map((from) => [
          `${from} acknowledge acknowledged`,
          'mo_admin head_of_mo system',
        ]),
      ),
    },
    terminal: ['acknowledged'],
    holds: (form) => assert.ok(form.number !== undefined),
  })
  reached(seen, 'bounced', 'acknowledged')
})
