import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createTranslation, dictionaries, dicomDateOf, yearsBetween } from './i18n.ts'

const { ru, en } = dictionaries
const placeholders = (text: string) =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).toSorted()

test('English has every text of Russian, with the same values in it', () => {
  assert.deepEqual(Object.keys(en).toSorted(), Object.keys(ru).toSorted())
  for (const [key, text] of Object.entries(ru)) {
    const other = en[key as keyof typeof en]
    if (text !== '') assert.notEqual(other, '', key)
    assert.deepEqual(placeholders(other), placeholders(text), key)
  }
})

test('Russian texts are Russian and English ones are English', () => {
  for (const [key, text] of Object.entries(en)) {
    if (key !== 'language') assert.doesNotMatch(text, /[а-яё]/i, key)
  }
})

test('every text is used somewhere', () => {
  const root = path.resolve(import.meta.dirname, '..')
  const sources = globSync('**/*.{ts,tsx}', { cwd: root })
    .filter((file) => !/^i18n[\\/](ru|en)|\.test\.ts$/.test(file))
    .map((file) => readFileSync(path.join(root, file), 'utf8'))
    .join('\n')
  const counted = /^(images|series|years|slices|frames|recoveryCodes)(One|Few|Many|Other)$/
  const unused = Object.keys(ru).filter(
    (key) => !counted.test(key) && !sources.includes(`'${key}'`),
  )
  assert.deepEqual(unused, [])
})

test('Russian counts have the right endings', () => {
  const { count } = createTranslation('ru')
  assert.equal(count('images', 1), '1 снимок')
  assert.equal(count('images', 3), '3 снимка')
  assert.equal(count('images', 11), '11 снимков')
  assert.equal(count('series', 22), '22 серии')
  assert.equal(createTranslation('en').count('images', 1), '1 image')
})

test('dates of DICOM are shown in the reader’s way, and nonsense not at all', () => {
  const { date, time } = createTranslation('ru')
  assert.equal(date('20240131'), '31.01.2024')
  assert.equal(date('20240231'), '')
  assert.equal(date('2024'), '')
  assert.equal(time('101530.5'), '10:15')
  assert.equal(time('10'), '')
})

test('age is counted in whole years', () => {
  assert.equal(yearsBetween('20000131', '20240130'), 23)
  assert.equal(yearsBetween('20000131', '20240131'), 24)
  assert.equal(yearsBetween('20240131', '20000131'), undefined)
  assert.equal(yearsBetween('', '20240131'), undefined)
  assert.equal(createTranslation('ru').age('19700101', '20240115'), '54 года')
})

test('how long ago is said in words', () => {
  const { ago } = createTranslation('ru')
  assert.equal(ago(20_000), 'только что')
  assert.equal(ago(5 * 60_000), '5 минут назад')
  assert.equal(ago(3 * 3_600_000), '3 часа назад')
  assert.equal(ago(72 * 3_600_000), '3 дня назад')
})

test('sizes have units', () => {
  const { bytes } = createTranslation('ru')
  assert.equal(bytes(512), '512 Б')
  assert.equal(bytes(1536 * 1024), '1,5 МБ')
})

test('today is a DICOM date of the local calendar', () => {
  assert.equal(dicomDateOf(new Date(2024, 1, 5).getTime()), '20240205')
})
