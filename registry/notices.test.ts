import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Phone } from '#protocol/fields/phone.ts'
import { ulid } from '#protocol/ids.ts'
import { openAccounts } from './accounts.ts'
import { createNotices } from './notices.ts'
import type { Owed } from './notices.ts'
import { createOffice } from './office.fixture.ts'

test('a letter that two make up at once is written once', async () => {
  await using office = await createOffice()
  const accounts = await openAccounts({ ...office, needsSecondFactor: () => false })
  const { id: account } = await accounts.create({
    name: { last: 'Иванова', first: 'Мария' },
    position: 'оператор',
    email: 'ivanova@kuzdrav.ru',
    phone: Phone.parse('8 (3842) 36-00-00'),
    roles: ['cami_operator'],
  })
  const render = async () => Buffer.from(`%PDF-1.7 ${'a letter '.repeat(9)}`)
  const notices = createNotices({ office, accounts, render })
  const owed: Owed = {
    notice: {
      content: {
        kind: 'refusal_notice',
        organizationName: 'ГАУЗ «Тисульская районная больница»',
        reasons: [{ clause: 'J-5', text: 'нет перечня помещений' }],
      },
      source: ulid(office.clock(), office.random(10)),
    },
    by: { actor: { role: 'cami_operator', account, name: 'Иванова М.' }, source: 'test' },
  }
  const makeUp = () => notices.makeUp([owed], (one) => [one])
  await Promise.all([makeUp(), makeUp()])
  assert.deepEqual(
    (await notices.all()).map(({ status }) => status),
    ['issued'],
  )
})
