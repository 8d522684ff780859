import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { createPart10Header } from '../../node/dicom/part10.ts'
import {
  answering,
  beginning,
  openModality,
  value,
} from '../../node/dimse/performed-step.fixture.ts'
import { zipOf } from '../../node/media/media.fixture.ts'
import { openDesk, radiograph, type Desk } from './desk.fixture.ts'

/**
 * The staff of a hospital put its archive right in real Chromium: what they click is done by a real node, and what it
 * says is what its list shows. Screenshots are kept when CAMI_SCREENSHOTS names a folder.
 */

let desk: Desk
const typo = '1.2.643.77.1'
const twin = '1.2.643.77.2'
const nameless = '1.2.643.77.3'
const unreadable = '1.2.643.77.4'
const strange = '1.2.643.77.5'
const known = { birthDate: '19700131', sex: 'M' }
/** `ИВАНОВ^Пётр` in KOI8-R, which nothing declares. */
const koi8 = Buffer.from('e9f7e1eeeff75ef0a3d4d2', 'hex')

before(
  async () => {
    desk = await openDesk()
    await desk.send([
      radiograph({ ...known, study: typo, name: 'Ивнов^Пётр^Сергеевич', id: '100200' }),
      radiograph({ ...known, study: twin, name: 'Иванов^Пётр^Сергеевич', id: '100201' }),
      radiograph({ study: nameless, name: '', birthDate: '20990101' }),
      radiograph({ ...known, study: unreadable, name: koi8, id: '100300', charset: '' }),
      // The study of Иванов, under the name of somebody else.
      radiograph({
        study: twin,
        sop: `${twin}.1.2`,
        name: 'Сидорова^Анна^Павловна',
        id: '555',
        birthDate: '19880808',
        sex: 'F',
      }),
    ])
    await desk.send(
      [radiograph({ ...known, study: strange, name: 'Петров^Олег', id: '7' })],
      'NEWCT',
    )
  },
  { timeout: 240_000 },
)

after(() => desk?.[Symbol.asyncDispose]())

const timeout = 240_000
const nameOf = async (study: string): Promise<string> => {
  const found = await desk.admin.json<{ patient: { name: string } }>(
    `/api/studies/${study}/quality`,
  )
  return found.patient.name
}

test(
  'a misspelt name is put right from the study list, shown everywhere, and taken back',
  { timeout },
  async () => {
    const page = await desk.open('radiographer')
    await page.locator(`[data-study="${typo}"]`).getByTestId('mend').click()
    await page.getByTestId('field-surname').fill('Иванов')
    await page.getByRole('button', { name: 'Опечатка при вводе' }).click()
    await page.keyboard.press('Tab')
    await screenshot(page, 'study-desk')
    await page.getByTestId('field-surname').press('Enter')
    await page.getByTestId('notice').getByText('Исправлено').waitFor()
    assert.equal(await nameOf(typo), 'Иванов^Пётр^Сергеевич')
    await page.getByText('с аппарата: Ивнов Пётр Сергеевич').waitFor()
    await screenshot(page, 'study-desk-corrected')
    await page.getByTestId('undo').click()
    await page.getByTestId('notice').getByText('Отменено').waitFor()
    assert.equal(await nameOf(typo), 'Ивнов^Пётр^Сергеевич')
  },
)

test(
  'what needs correction is listed with its reason in Russian and leaves the list when it is corrected',
  { timeout },
  async () => {
    const page = await desk.open('radiographer')
    await page.getByTestId('desk').click()
    const row = page.getByTestId('correction-row').filter({ hasText: 'Нет имени пациента' })
    await row.getByText('Дата рождения в будущем').waitFor()
    await screenshot(page, 'correction')
    await row.click()
    await page.getByTestId('field-surname').fill('Кузнецова')
    await page.getByTestId('field-given').fill('Ольга')
    await page.getByTestId('field-id').fill('100400')
    await page.locator('input[type=date]').first().fill('1990-02-03')
    await page.getByRole('button', { name: 'По документу пациента' }).click()
    await page.getByTestId('save').click()
    await page.getByTestId('notice').waitFor()
    await page.getByTestId('section-correction').click()
    await page.getByText('Непонятно, какими буквами').waitFor()
    assert.equal(await row.count(), 0)
    // A radiographer has neither quarantine nor devices.
    assert.equal(await page.getByTestId('section-quarantine').count(), 0)
  },
)

test(
  'duplicates are compared, merged with a preview and parted again; a study is hidden and restored',
  { timeout },
  async () => {
    const page = await desk.open('dept_head')
    await page.getByTestId('desk').click()
    await page.getByTestId('section-duplicates').click()
    const pair = page.getByTestId('duplicate').filter({ hasText: 'Ивнов' })
    await pair.getByRole('button', { name: 'Иванов Пётр' }).click()
    await pair.getByText('Один и тот же человек').click()
    await screenshot(page, 'duplicates')
    await pair.getByTestId('merge').click()
    await page.getByTestId('notice').getByText('объединены').waitFor()
    assert.equal(await nameOf(typo), 'Иванов^Пётр^Сергеевич')
    await page.getByTestId('section-history').click()
    await page.getByRole('button', { name: 'Разъединить' }).click()
    await page.getByText('Отменено: всё как было').waitFor()
    assert.equal(await nameOf(typo), 'Ивнов^Пётр^Сергеевич')

    await page.goto(`${desk.node.url}/desk/study/${typo}`)
    await page.getByTestId('hide').click()
    await page.getByText('Пробный снимок').click()
    await screenshot(page, 'hide')
    await page.getByTestId('hide-now').click()
    await page.getByText('его не видит никто').waitFor()
    assert.equal(await page.getByTestId('patient-form').count(), 0)
    await page.goto(`${desk.node.url}/desk/history`)
    await screenshot(page, 'history')
    await page.getByRole('button', { name: 'Вернуть' }).click()
    await page.getByText('Отменено: всё как было').waitFor()
    await page.goto(desk.node.url)
    await page.locator(`[data-study="${typo}"]`).waitFor()
  },
)

test(
  'an encoding is never guessed for the administrator; her answer is remembered for the device',
  { timeout },
  async () => {
    const page = await desk.open('mo_admin')
    await page.getByTestId('section-encodings').click()
    const question = page.getByTestId('question')
    await question.waitFor()
    assert.equal(await question.getByRole('radio', { checked: true }).count(), 0)
    assert.equal(await question.getByTestId('answer').isDisabled(), true)
    await question.getByText('ИВАНОВ Пётр').click()
    await question.getByRole('checkbox').check()
    await screenshot(page, 'encodings')
    await question.getByTestId('answer').click()
    await page.getByText('Исправлено исследований: 1.').waitFor()
    await page.getByText('указал человек').waitFor()
    assert.equal(await nameOf(unreadable), 'ИВАНОВ^Пётр')
  },
)

test(
  'a stranger is registered from quarantine, and two patients of one study are told apart',
  { timeout },
  async () => {
    const page = await desk.open('mo_admin')
    await page.getByTestId('section-quarantine').click()
    const conflict = page.getByTestId('quarantine-group').filter({ hasText: 'другой пациент' })
    await conflict.getByTestId('decide').click()
    await conflict.getByText('Сидорова Анна Павловна').waitFor()
    await conflict.getByRole('button', { name: /^Другой пациент/ }).click()
    await conflict.getByText('Проверено по журналу аппарата').click()
    await screenshot(page, 'quarantine')
    await conflict.getByTestId('release').click()
    await page.getByText('Выпущено из карантина: 1.').waitFor()
    assert.equal(await nameOf(twin), 'Иванов^Пётр^Сергеевич')
    await page.getByText('Зарегистрировать аппарат').click()
    assert.equal(await page.getByTestId('device-aeTitle').inputValue(), 'NEWCT')
    await page.getByTestId('device-type').selectOption('ct')
    await screenshot(page, 'device-form')
    await page.getByTestId('device-form').getByText('Сохранить', { exact: true }).click()
    await page.getByText('Аппарат newct записан.').waitFor()
    await page.getByTestId('section-quarantine').click()
    await page.getByText('Карантин пуст').waitFor()
    assert.equal(await nameOf(strange), 'Петров^Олег')
  },
)

test('a referral is made, found in the list and cancelled', { timeout }, async () => {
  const page = await desk.open('mo_admin')
  await page.getByTestId('section-referrals').click()
  await page.getByTestId('referral-new').click()
  await page.getByTestId('referral-surname').fill('Ёлкина')
  await page.getByTestId('referral-given').fill('Алёна')
  await page.getByTestId('referral-patientId').fill('200100')
  await page.getByTestId('referral-procedure').fill('Рентгенография ОГК')
  await page.getByTestId('referral-diagnosis').fill('j18.9')
  await screenshot(page, 'referral-form')
  await page.getByTestId('referral-save').click()
  await page.getByText('в рабочем списке.').waitFor()
  const { referrals } = await desk.admin.json<{ referrals: { diagnosis: string }[] }>(
    '/api/referrals',
  )
  assert.equal(referrals[0]?.diagnosis, 'J18.9')
  await page.getByTestId('referral-details').click()
  await page.getByText('Аппарат ещё ничего не сообщил').waitFor()
  await page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(page, 'referrals-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await screenshot(page, 'referrals')
  await page.getByTestId('referral-cancel').click()
  await page.getByText('ушло из рабочего списка').waitFor()
  await page.getByText('Открытых направлений нет').waitFor()
})

test(
  'a referral whose apparatus never says that it ended is ended by hand',
  { timeout },
  async () => {
    const referral = {
      accessionNumber: 'R-77',
      patient: { id: '200200', name: 'Щукин^Лев' },
      steps: [{ id: 'S1', modality: 'CT', startDate: '20261201' }],
    }
    await desk.admin.post('/api/referrals', referral)
    {
      const { port, aeTitle: calledAe } = desk.node.dimse
      await using modality = await openModality(port, { calledAe })
      const item = { '00080050': value('SH', 'R-77'), '0020000D': value('UI', '1.2.3') }
      const { status } = await modality.create('1.9', { ...beginning, ...answering(item) })
      assert.equal(status, 0)
    }
    const page = await desk.open('mo_admin')
    await page.getByTestId('section-referrals').click()
    await page.getByText('Выполняется').waitFor()
    await page.getByTestId('referral-details').click()
    await page.getByText('ещё не сообщил, что закончил').waitFor()
    await screenshot(page, 'referral-under-way')
    await page.getByTestId('referral-completed').click()
    await page.getByText('закрыто и ушло из рабочего списка').waitFor()
    await page.getByText('Открытых направлений нет').waitFor()
    const { referrals } = await desk.admin.json<{ referrals: { state: string }[] }>(
      '/api/referrals?state=closed',
    )
    assert.ok(referrals.some(({ state }) => state === 'completed'))
  },
)

test('a ZIP is taken in, and each of its files has its line', { timeout }, async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cami-desk-zip-'))
  try {
    const item = radiograph({
      ...known,
      study: '1.2.643.77.9',
      name: 'Гостев^Илья',
      id: '900',
    })
    const file = Buffer.concat([createPart10Header(item), item.dataSet])
    const zip = await zipOf(folder, [
      { name: 'IMG1', bytes: file },
      { name: 'README.TXT', bytes: Buffer.from('Текст') },
    ])
    const page = await desk.open('radiographer')
    await page.getByTestId('desk').click()
    await page.getByTestId('section-media').click()
    await page.getByText('Загрузок пока не было').waitFor()
    await page
      .getByTestId('media-file')
      .setInputFiles({ name: 'диск.zip', mimeType: 'application/zip', buffer: zip })
    await page.getByRole('button', { name: 'Принято: 1' }).click()
    assert.equal(await page.getByTestId('file-row').count(), 1)
    await screenshot(page, 'media')
    await page
      .getByTestId('media-file')
      .setInputFiles({ name: 'нет.zip', mimeType: 'application/zip', buffer: Buffer.from('x') })
    await page
      .getByTestId('import')
      .filter({ hasText: 'нет.zip' })
      .getByText('Не получилось')
      .waitFor()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test(
  'access is given to a doctor of another hospital by name, and ends after a second click',
  { timeout },
  async () => {
    const { id, organization, position } = desk.doctor
    const page = await desk.open('mo_admin')
    await page.getByTestId('section-access').click()
    await page.getByRole('button', { name: 'Открыть доступ' }).click()
    const form = page.getByTestId('grant-form')
    await form.getByRole('combobox').selectOption({ label: organization })
    await form.getByLabel('Идентификатор врача').fill(id)
    await form.getByLabel('Должность').fill(position)
    await form.getByLabel('Модальности').fill('ct, dx')
    await screenshot(page, 'grant-form')
    await form.getByRole('button', { name: 'Открыть доступ' }).click()
    await page.getByText('Доступ открыт.').waitFor()
    const row = page.getByTestId('grantee-row')
    await row.getByText('CT, DX').waitFor()
    await row.getByRole('button', { name: 'Прекратить доступ' }).click()
    await row.getByRole('button', { name: 'Точно прекратить?' }).click()
    await page.getByText('Доступ прекращён.').waitFor()
    const { given } = await desk.admin.json<{ given: { active: boolean }[] }>('/api/grants')
    assert.ok(given.every(({ active }) => !active))
  },
)

test(
  'somebody is added with a password that is shown once, dismissed with an order, and taken back',
  { timeout },
  async () => {
    const page = await desk.open('mo_admin')
    await page.getByTestId('section-people').click()
    await page.getByTestId('person-new').click()
    const password = await page.locator('[name=password]').inputValue()
    assert.match(password, /^([a-z2-9]{4}-){3}[a-z2-9]{4}$/)
    await page.locator('[name=name]').fill('Белова Вера Сергеевна')
    await page.locator('[name=position]').fill('врач-рентгенолог')
    await page.locator('[name=department]').fill('ОЛД')
    await page.locator('[name=login]').fill('belova.vs')
    await screenshot(page, 'person-new')
    await page.getByTestId('person-save').click()
    const row = page.getByTestId('person-row').filter({ hasText: 'Белова' })
    await row.getByText('работает').waitFor()
    const login = 'belova.vs'
    const session = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const signIn = () =>
      fetch(`${desk.node.url}/api/session`, {
        ...session,
        body: JSON.stringify({ login, password }),
      })
    assert.equal((await signIn()).status, 200)
    await row.getByRole('button', { name: 'Уволить' }).click()
    await page.locator('[name=basis]').fill('приказ № 17-к от 01.12.2026')
    await screenshot(page, 'dismissal')
    await page.getByTestId('dismiss').click()
    await row.getByText('отключён').waitFor()
    const refused = await signIn()
    assert.equal(refused.status, 401)
    assert.match(await refused.text(), /user_disabled/)
    await row.getByRole('button', { name: 'Принять снова' }).click()
    await row.getByText('работает').waitFor()
    assert.equal((await signIn()).status, 200)
  },
)

test(
  'every section opens for the administrator in both languages, and the browser complains of nothing',
  { timeout },
  async () => {
    const page = await desk.open('mo_admin')
    await page.getByTestId('desk-page').waitFor()
    for (const language of ['ru', 'en']) {
      for (const section of [
        'correction',
        'duplicates',
        'history',
        'devices',
        'sending',
        'access',
        'archives',
        'reconciliation',
      ]) {
        await page.getByTestId(`section-${section}`).click()
        await page.locator('.skeleton').waitFor({ state: 'detached' })
        await screenshot(page, `${section}-${language}`)
      }
      if (language === 'ru') await page.getByRole('button', { name: 'English' }).click()
    }
    assert.deepEqual(desk.complaints, [])
  },
)

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}
