import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { filled } from '../i18n/i18n.ts'
import { callerOf, changesOf, distinctFindings, isProvisional, nameWith } from './fields.ts'
import { findingText } from './finding-text.ts'
import { hasStudies, sectionsOf } from './sections.ts'
import { type DeskKey, textOf, texts } from './texts.ts'

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).toSorted()

test('each text is in both languages with the same values, and English is English', () => {
  for (const [key, [ru, en]] of Object.entries(texts)) {
    assert.deepEqual(names(en), names(ru), key)
    assert.doesNotMatch(en, /[а-яё]/i, key)
    assert.ok(ru.length > 0 && en.length > 0, key)
  }
})

test('no text of one part hides one of another, and each is used', () => {
  const part = (pattern: string) =>
    globSync(pattern, { cwd: import.meta.dirname })
      .map((file) => readFileSync(path.join(import.meta.dirname, file), 'utf8'))
      .join('\n')
  const keys = [...part('texts/*.ts').matchAll(/^ {2}'?([\w -]+?)'?: \[/gm)].map(([, key]) => key)
  assert.deepEqual(new Set(keys), new Set(Object.keys(texts)))
  assert.equal(keys.length, Object.keys(texts).length)
  const sources = part('*.{ts,tsx}') + readFileSync('viewer/pages/desk.tsx', 'utf8')
  // Built from a part and a value: `kind${kind}`, `job-${state}`, `DQ-02 absent`.
  const built =
    /^(DQ-|tag|kind|because|source|reason-|service-|import-|outcome-|job-|commitment-|referral-|urgency-|row-|role-|restricted-|move-|remote-|reconciled-|differs-|advice-|code\d)/
  const unused = Object.keys(texts).filter(
    (key) => !built.test(key) && !(key in sections) && !sources.includes(`'${key}'`),
  )
  assert.deepEqual(unused, [])
})

const sections = Object.fromEntries(sectionsOf(['mo_admin']).map((name) => [name, true]))

test('a section is shown to those whose work it is', () => {
  assert.deepEqual(sectionsOf(['radiologist']), [])
  assert.deepEqual(sectionsOf(['head_of_mo']), ['access', 'emergencies'])
  assert.deepEqual(sectionsOf(['radiographer']), [
    'correction',
    'history',
    'referrals',
    'media',
    'archives',
  ])
  assert.equal(hasStudies(['mo_admin']), false)
  assert.equal(hasStudies(['mo_admin', 'radiologist']), true)
})

const patient = { name: 'Ивнов^Пётр^Сергеевич^^ст.=伊', id: '7', birthDate: '19700131', sex: 'M' }
const fields = {
  surname: 'Ивнов',
  given: 'Пётр',
  patronymic: 'Сергеевич',
  id: '7',
  birthDate: '1970-01-31',
  sex: 'M',
}

test('only what was changed is sent, and the parts of a name that nobody asked about stay', () => {
  assert.deepEqual(changesOf(patient, fields), [])
  assert.deepEqual(changesOf(patient, { ...fields, surname: ' Иванов ' }), [
    { tag: '00100010', new: ['Иванов^Пётр^Сергеевич^^ст.=伊'] },
  ])
  assert.deepEqual(changesOf(patient, { ...fields, birthDate: '', sex: 'F', id: ' 8 ' }), [
    { tag: '00100020', new: ['8'] },
    { tag: '00100030', new: [] },
    { tag: '00100040', new: ['F'] },
  ])
})

test('what parts names and values cannot be typed into one', () => {
  const typed = { surname: 'А^Б=В', given: 'Г\\Д', patronymic: '' }
  assert.equal(nameWith('', typed), 'А Б В^Г Д')
})

test('a finding is a sentence in Russian, said once, the urgent first', () => {
  const words = {
    d: (key: DeskKey, values?: Record<string, string | number>) =>
      filled(textOf(key, 'ru'), values),
    number: String,
  }
  const say = (code: string, detail?: string) =>
    findingText({ code, action: 'warn', ...(detail !== undefined && { detail }) }, words)
  assert.match(say('DQ-04', 'in the future'), /в будущем/)
  assert.match(say('DQ-12', '-420 min'), /на 420 мин/)
  assert.match(say('DQ-12', '14400 min'), /на 10 дн/)
  assert.equal(say('DQ-99', 'new'), 'Правило приёма DQ-99: new')
  const found = distinctFindings([
    { code: 'DQ-15', action: 'warn', tag: '00280030' },
    { code: 'DQ-15', action: 'warn', tag: '00280030' },
    { code: 'DQ-03', action: 'correct' },
  ])
  assert.deepEqual(
    found.map(({ code }) => code),
    ['DQ-03', 'DQ-15'],
  )
})

test('the sender of a quarantined object and a provisional number are known by their form', () => {
  assert.deepEqual(callerOf('CT ROOM 5 10.0.0.7'), { aeTitle: 'CT ROOM 5', address: '10.0.0.7' })
  assert.equal(isProvisional('Q-42.9001-3'), true)
  assert.equal(isProvisional('Q-3'), false)
})
