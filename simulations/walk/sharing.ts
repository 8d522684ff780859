import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { addDays, dayOf, printDate } from '#protocol/fields/dates.ts'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { createCt } from '../modality/ct.ts'
import { createUid } from '../modality/study.ts'
import { createPerson as createPatient } from '../people.ts'
import type { Random } from '../random.ts'
import { activate, register, status, type Administrator, type Joined } from './joining.ts'
import { signInAtNode, signInAtRegistry, signInWithCode, type Person } from './person.ts'
import type { Hospital, World } from './world.ts'

/** № 4 → № 5 → grant → the first reading across hospitals. */

export type Doctor = { name: string; login: string; password: string; person?: Person }

/** The head of the hospital gets an account: she confirms what its administrator prepares. */
export async function appointHead(
  world: World,
  { chief }: Joined,
  one: Hospital,
): Promise<Administrator> {
  const { tally, registryUrl } = world
  return await tally.act(`6. Руководитель: ${one.name}`, async () => {
    await chief.click('.places a[href="/accounts"]')
    await chief.click('[data-testid=account-add]')
    await chief.choose('dialog [name=role]', 'head_of_mo')
    await chief.choose('dialog [name=organization]', one.oid)
    await chief.enter({
      name: 'Сидорова Ирина Алексеевна',
      position: 'главный врач',
      email: `glavvrach@${one.key}.kuzdrav.ru`,
      phone: '8 (3842) 39-60-02',
    })
    await chief.shoot('09-account-new')
    await chief.click('[data-testid=confirm]')
    await chief.see('[data-testid=links]')
    const link = await chief.page.locator('[data-testid=links] code').first().textContent()
    await chief.shoot('10-accounts')
    tally.step('администратор ЦАМИ, «Учётные записи»: ссылка')
    const head = await activate(world, { link: link ?? '', name: 'head' })
    await signInAtRegistry(head.person, registryUrl, head)
    tally.step('руководитель: первый вход')
    return head
  })
}

/** Form № 4 by the hospital itself; `daysAhead` says when its apparatus may begin. */
export async function announceDevice(
  world: World,
  { operator }: Joined,
  {
    administrator,
    one,
    aeTitle,
    daysAhead,
  }: {
    administrator: Administrator
    one: Hospital
    aeTitle: string
    daysAhead: number
  },
): Promise<void> {
  const { tally, registryUrl } = world
  const { person } = administrator
  const startDate = printDate(addDays(dayOf(Date.now()), daysAhead))
  await person.go(registryUrl)
  await person.click('[data-testid=new-device_notice]')
  await person.see('form.editor')
  await person.enter({
    startDate,
    'devices.0.department': 'Отделение лучевой диагностики',
    'devices.0.model': daysAhead === 0 ? 'Томограф Т-64' : 'Томограф Т-128',
    'devices.0.manufactureYear': '2024',
    'devices.0.floor': '1',
    'devices.0.room': '12',
    'devices.0.serialNumber': `S-${aeTitle}`,
    'devices.0.inventoryNumber': `I-${aeTitle}`,
    'devices.0.aeTitle': aeTitle,
    'devices.0.addresses': '127.0.0.1',
    contactName: 'Петров Пётр Сергеевич',
  })
  await person.shoot(`11-form4-${aeTitle}`)
  await person.click('[data-testid=submit-form]')
  await status(person, 'Подана')
  tally.step('администратор МО, «Новая форма № 4»')
  await operator.click('.places a[href="/"]')
  await operator.click('button[title="Обновить"]')
  await operator.click(`[data-testid=forms] tr:has-text("№ 4"):has-text("${one.name}") a`)
  await register(operator, '44')
  await status(operator, 'Зарегистрирована')
  await operator.shoot(`12-form4-${aeTitle}-registered`)
  tally.step('оператор, «№ 4»: зарегистрирована, уведомление')
}

/** The check of the connection, by the hospital's administrator. */
export async function checkDevice(
  world: World,
  { administrator, one }: { administrator: Administrator; one: Hospital },
): Promise<void> {
  const { person } = administrator
  await person.click(`.places a[href="/organizations/${one.oid}"]`)
  await person.click('[data-testid=device-test]')
  await person.click('[data-testid=confirm]')
  await echo(one, 'CTCRB')
  await person.click('[data-testid=device-pass]')
  for (const check of ['echo', 'testObject', 'tags']) await person.click(`dialog [name=${check}]`)
  await person.shoot('13-device-check')
  await person.click('[data-testid=confirm]')
  await person.see('[data-testid=device][data-status=scheduled]')
  await person.shoot('14-own-organization')
  world.tally.step('администратор МО, «Моя организация»: проверка связи')
}

async function echo({ ports, aeTitle }: Hospital, callingAe: string): Promise<void> {
  const to = ['-aet', callingAe, '-aec', aeTitle, '127.0.0.1', String(ports.dimse)]
  const [code] = (await once(spawn('echoscu', to), 'close')) as [number]
  if (code !== 0) throw new Error('C-ECHO was not answered with success')
}

/** A CT from the hospital's apparatus, over real C-STORE. */
export async function sendCt(
  one: Hospital,
  { callingAe, random, slices = 24 }: { callingAe: string; random: Random; slices?: number },
): Promise<string> {
  const now = new Date(Date.now() + 7 * 3600 * 1000).toISOString()
  const context = {
    patient: createPatient(random),
    issuer: one.oid,
    institution: one.name,
    studyUid: createUid(random),
    date: now.slice(0, 10).replaceAll('-', ''),
    time: now.slice(11, 19).replaceAll(':', ''),
    accession: `${one.aeTitle}-${10_000 + random.int(90_000)}`,
    description: 'КТ органов грудной клетки',
    referrer: 'Лаптева^Анна^Петровна',
  }
  const to = { host: '127.0.0.1', port: one.ports.dimse, callingAe, calledAe: one.aeTitle }
  await using scu = createStoreScu(to)
  for await (const { status, comment } of scu.store(
    createCt(context, random, { slices, size: 256 }),
  )) {
    if (status !== 0) throw new Error(`C-STORE answered ${status} ${comment}`)
  }
  return context.studyUid
}

/** The node's own administrator adds the doctors whom form № 5 will name. */
export async function addDoctors(
  world: World,
  { one, doctors }: { one: Hospital; doctors: Doctor[] },
): Promise<Person> {
  const { tally } = world
  return await tally.act(`8. Врачи: ${one.name}`, async () => {
    const person = await world.person(`node-${one.key}`)
    await signInAtNode(person, one.url, one.admin)
    await person.click('[data-testid=section-people]')
    for (const doctor of doctors) {
      await person.click('[data-testid=person-new]')
      doctor.password = await person.page.locator('[name=password]').inputValue()
      const { name, login } = doctor
      const department = 'Отделение лучевой диагностики'
      await person.enter({ name, login, position: 'врач-рентгенолог', department })
      if (doctor === doctors[0]) await person.shoot('15-person-new')
      await person.click('[data-testid=person-save]')
      await person.see(`[data-testid=person-row]:has-text("${name}")`)
    }
    await person.shoot('16-people')
    tally.step('администратор узла: второй фактор, «Сотрудники»')
    return person
  })
}

export type Asked = { id: string }

/** Form № 5: prepared by the administrator, confirmed by the head, registered by the operator. */
export async function askAccess(
  world: World,
  { operator }: Joined,
  {
    administrator,
    head,
    names,
  }: {
    administrator: Administrator
    head: Administrator
    names: readonly string[]
  },
): Promise<Asked> {
  const { tally, registryUrl, grantee } = world
  const { person } = administrator
  await person.go(registryUrl)
  await person.click('[data-testid=new-access_request]')
  await person.see('form.editor')
  for (const [at, fullName] of names.entries()) {
    if (at > 0) await person.click('form.editor fieldset:has([name="users.0.fullName"]) > button')
    await person.enter({
      [`users.${at}.fullName`]: fullName,
      [`users.${at}.position`]: 'врач-рентгенолог',
      [`users.${at}.department`]: 'Отделение лучевой диагностики',
      [`users.${at}.room`]: '304',
      [`users.${at}.email`]: `doctor${at + 1}.${Date.now() % 10_000}@okb.kuzdrav.ru`,
      [`users.${at}.phone`]: '8 (3842) 39-61-00',
    })
  }
  await person.choose('[name=granteeOrg]', grantee.oid)
  await person.click('[name=confirmed]')
  await person.enter({ contactName: 'Петров Пётр Сергеевич' })
  await person.shoot('17-form5-typed')
  await person.click('form.editor footer button[type=button]')
  await status(person, 'Черновик')
  const id = person.page.url().split('/').at(-1) ?? ''
  await person.see('.blocked')
  await person.shoot('18-form5-needs-head')
  tally.step('администратор МО, «Новая форма № 5»: черновик')
  await confirmAsHead(world, head, id)
  await head.person.click('[data-testid=act-submit]')
  await head.person.click('[data-testid=confirm]')
  await status(head.person, 'Подана')
  tally.step('руководитель, «№ 5»: подтверждение кодом, подача')
  await operator.go(`${registryUrl}/forms/access-requests/${id}`)
  await register(operator, '55')
  await status(operator, 'На рассмотрении')
  tally.step('оператор, «№ 5»: регистрация')
  return { id }
}

async function confirmAsHead(world: World, head: Administrator, id: string): Promise<void> {
  const { person } = head
  await person.go(world.registryUrl)
  await person.click(`[data-testid=forms] a[href$="${id}"]`)
  await person.click('[data-testid=act-confirm]')
  await person.see('[data-testid=preview]')
  await person.shoot('19-head-confirms')
  await person.type('dialog [name=code]', await person.code())
  await person.click('[data-testid=confirm]')
  await person.page.locator('dialog').waitFor({ state: 'detached' })
}

/** The grantee says who its people are, the operator approves, the holder's node signs. */
export async function grant(
  world: World,
  { operator }: Joined,
  { id, granteeNode }: Asked & { granteeNode: Person },
): Promise<Person> {
  const { tally, registryUrl, holder } = world
  await granteeNode.click('[data-testid=section-access]')
  await granteeNode.click('.desk-log button.primary')
  await granteeNode.see('[data-testid=notice]:has-text("Подтверждено")')
  await granteeNode.shoot('20-people-confirmed')
  tally.step('администратор узла сторонней МО, «Доступ других МО»: подтвердил врачей')
  await operator.go(`${registryUrl}/forms/access-requests/${id}`)
  await operator.click('[data-testid=act-approve]')
  await operator.see('[data-testid=preview]')
  await operator.shoot('21-form5-preview')
  await operator.click('[data-testid=confirm]')
  await status(operator, 'Одобрена')
  tally.step('оператор, «№ 5»: предпросмотр, одобрение')
  const holderNode = await world.person(`node-${holder.key}`)
  await signInAtNode(holderNode, holder.url, holder.admin)
  await holderNode.click('[data-testid=section-access]')
  await holderNode.click('.desk-log button.primary')
  await holderNode.see('[data-testid=grantee-row]')
  await holderNode.shoot('22-grant-signed')
  tally.step('администратор узла, «Доступ других МО»: подпись ключом МО')
  return holderNode
}

/** A doctor signs in, finds the other hospital's study in the region list, and reads it; `again`: she comes back first. */
export async function read(
  world: World,
  doctor: Doctor,
  { study, again = false }: { study: string; again?: boolean },
): Promise<Person> {
  const { tally, grantee } = world
  const person = await world.person(doctor.login)
  doctor.person = person
  await signInAtNode(person, grantee.url, doctor)
  if (again) await signInWithCode(person, grantee.url, doctor)
  await person.click('[data-testid=scope-region]')
  const row = `[data-testid=study-row][data-study="${study}"]`
  await person.see(row)
  await person.shoot(`23-list-${doctor.login}`)
  await person.doubleClick(row)
  await person.see('[data-testid=viewport][data-quality=full]')
  await wholeSeries(person)
  await person.shoot(`24-study-${doctor.login}`)
  tally.step('врач: второй фактор, список региона и просмотр')
  return person
}

/** All slices are here: the viewer asks the node for nothing more by itself. */
async function wholeSeries({ page }: Person): Promise<void> {
  const viewport = page.locator('[data-testid=viewport]').first()
  const end = Date.now() + 120_000
  while (Date.now() < end) {
    const loaded = await viewport.getAttribute('data-loaded')
    if (loaded !== null && loaded === (await viewport.getAttribute('data-total'))) return
    await page.waitForTimeout(200)
  }
  throw new Error('the series did not come whole')
}
