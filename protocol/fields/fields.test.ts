import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { z } from 'zod'
import { addDays, dayOf, FormDate, printDate } from './dates.ts'
import { Email, emailWarning } from './email.ts'
import { FrmoOid, oidWarning } from './frmo-oid.ts'
import { foldName, FullName, nameWarning, printName, SignatureName } from './full-name.ts'
import { Phone, printPhone } from './phone.ts'
import { isSnils, maskSnils, printSnils, Snils } from './snils.ts'
import { fieldErrors, text } from './text.ts'

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success
const sentence = (schema: z.ZodType, value: unknown): string => {
  const parsed = schema.safeParse(value)
  assert.ok(!parsed.success, JSON.stringify(value))
  return fieldErrors(parsed.error)[0]?.message ?? ''
}

describe('СНИЛС', () => {
  test('the vectors of the requirements', () => {
    const right = [
      '112-233-445 95',
      '087-654-303 00',
      '123-456-789 64',
      '100-057-951 00',
      '100-057-677 00',
      '102-989-888 00',
      '103-999-578 00',
      '001-001-998 00',
      '000-000-001 99',
    ]
    for (const one of right) assert.ok(accepts(Snils, one), one)
    for (const one of ['112-233-445 96', '000-000-000 00', '1122334459', 'снилс', 11_223_344_595]) {
      assert.match(sentence(Snils, one), /СНИЛС/)
    }
    assert.equal(printSnils(Snils.parse('112-233-445 95')), '112-233-445 95')
    assert.equal(maskSnils('11223344595'), '***-***-445 95')
  })

  test('one wrong digit among the first nine is always found', () => {
    const digits = fc.tuple(
      fc.integer({ min: 1_001_999, max: 899_999_999 }),
      fc.nat(8),
      fc.integer({ min: 1, max: 9 }),
    )
    fc.assert(
      fc.property(digits, ([number, at, by]) => {
        const nine = String(number).padStart(9, '0')
        const check = [...Array(100).keys()]
          .map((n) => String(n).padStart(2, '0'))
          .find((n) => isSnils(nine + n))
        const other = nine.slice(0, at) + String((Number(nine[at]) + by) % 10) + nine.slice(at + 1)
        if (Number(other) <= 1_001_998) return
        // The check number has two values for one remainder (100 and 0), so those two may meet.
        assert.ok(check === '00' || !isSnils(other + check))
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

test('names in full are taken as people write them, and initials are not', () => {
  const whole = FullName.parse('  Салтыков-Щедрин   Михаил Евграфович ')
  assert.deepEqual(whole, { last: 'Салтыков-Щедрин', first: 'Михаил', middle: 'Евграфович' })
  assert.equal(printName(FullName.parse('Алиев Али Вагиф оглы')), 'Алиев Али Вагиф оглы')
  assert.ok(accepts(FullName, "О'Коннор Шон"))
  for (const wrong of ['Иванов И.И.', 'Иванов', 'иванов иван', 'Иванов1 Иван', '', undefined]) {
    assert.match(sentence(FullName, wrong), /Укажите/)
  }
  assert.match(nameWarning(FullName.parse('Ивaнов Иван')) ?? '', /латинские/)
  assert.equal(nameWarning(whole), undefined)
  assert.equal(foldName('Королёв  Пётр'), foldName({ last: 'КОРОЛЕВ', first: 'петр' }))
  for (const name of ['И.А. Сидорова', 'И. А. Сидорова', 'Сидорова Ирина Алексеевна']) {
    assert.ok(accepts(SignatureName, name), name)
  }
})

test('phones become E.164 with the extension apart', () => {
  for (const [typed, number, ext] of [
    ['8 (3842) 36-00-00', '+73842360000', undefined],
    ['+7 900 123-45-67', '+79001234567', undefined],
    ['8(38447)2-15-40 доб. 12', '+73844721540', '12'],
    ['9001234567', '+79001234567', undefined],
  ] as const) {
    assert.deepEqual(Phone.parse(typed), { number, ...(ext !== undefined && { ext }) })
  }
  for (const wrong of ['36-00-00', '+1 212 555 0100 22', 'нет', '', '+9001234567']) {
    assert.match(sentence(Phone, wrong), /телефон/)
  }
  assert.equal(printPhone(Phone.parse('83844721540 доб.12')), '+7 384 472-15-40, доб. 12')
})

test('addresses, OIDs and dates', () => {
  assert.equal(Email.parse(' Priem@CRB.Kuzdrav.RU '), 'Priem@crb.kuzdrav.ru')
  assert.ok(accepts(Email, 'приём@больница.рф'))
  for (const wrong of ['a@b', 'a@@b.ru', 'a b@c.ru', '@c.ru', `${'a'.repeat(65)}@c.ru`]) {
    assert.match(sentence(Email, wrong), /адрес/)
  }
  assert.match(emailWarning('crb@mail.ru') ?? '', /официальный/)
  assert.equal(oidWarning(FrmoOid.parse('1.2.643.5.1.13.13.12.2.42.4044')), undefined)
  assert.match(oidWarning(FrmoOid.parse('1.2.643.5.1.13.13.12.1.42.202')) ?? '', /федеральной/)
  assert.match(oidWarning(FrmoOid.parse('1.2.643.5.1.13.13.12.2.77.7799')) ?? '', /региона/)
  assert.match(sentence(FrmoOid, '1.2.643.5.1.13.13.12.2.42.4041.0.150024'), /OID/)
  assert.equal(FormDate.parse('29.02.2028'), '2028-02-29')
  for (const wrong of ['29.02.2026', '31.04.2026', '01.01.1999', 'вчера']) {
    assert.match(sentence(FormDate, wrong), /дату/)
  }
  assert.equal(printDate('2026-11-25'), '25.11.2026')
  assert.equal(dayOf(Date.UTC(2026, 10, 24, 18)), '2026-11-25')
  assert.equal(addDays('2026-12-31', 1), '2027-01-01')
})

test('texts are bounded, in one normal form, without control characters', () => {
  const name = text(5, 2)
  assert.equal(name.parse(' и\u0306од '), 'йод')
  assert.match(sentence(name, 'а\u0007б'), /служебные/)
  assert.match(sentence(name, 'абвгде'), /не больше 5/)
  assert.match(sentence(name, undefined), /Заполните/)
})

test('what a schema made, it takes again unchanged', () => {
  const typed = fc.oneof(
    fc.constantFrom(
      'Иванов Иван Иванович',
      '8 (3842) 36-00-00 доб. 5',
      '112-233-445 95',
      'a@B.ru',
      '01.12.2026',
    ),
    fc.string({ maxLength: 30 }),
  )
  const schemas: z.ZodType[] = [FullName, Phone, Snils, Email, FormDate, SignatureName, text(50)]
  fc.assert(
    fc.property(typed, fc.constantFrom(...schemas), (value, schema) => {
      const first = schema.safeParse(value)
      if (first.success) assert.deepEqual(schema.parse(first.data), first.data)
    }),
    { seed: 2, numRuns: 1000 },
  )
})
