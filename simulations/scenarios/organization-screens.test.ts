import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { generateSync } from 'otplib'
import type { Browser, Page } from 'playwright-core'
import { accessRequestContent } from '#protocol/forms.fixture.ts'
import { connect, signIn } from '../../registry/http/client.fixture.ts'
import { createRegion, officers, type Region } from '../../registry/region.fixture.ts'
import type { Registry } from '../../registry/registry.ts'
import { openBrowser } from '../browser.ts'
import { ensureOperator } from '../viewer-build.ts'

/** An organization's people at the registry's screens, and what the operator does for them, in real Chromium. */

let stack: AsyncDisposableStack
let region: Region
let registry: Registry
let browser: Browser

before(
  async () => {
    stack = new AsyncDisposableStack()
    await ensureOperator()
    region = stack.use(await createRegion({ office: true }))
    Object.assign(region.config.http, { secureCookie: false, cookieName: 'cami-registry' })
    registry = stack.use(await region.start())
    browser = stack.use(await openBrowser())
  },
  { timeout: 240_000 },
)
after(() => stack[Symbol.asyncDispose]())

async function open(login: string, password?: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(60_000)
  await page.goto(registry.url)
  await page.fill('[name=login]', login)
  const known = officers.find((one) => one.login === login)?.password
  await page.fill('[name=password]', password ?? known ?? '')
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('.places')
  return page
}

const confirm = (page: Page) => page.click('[data-testid=confirm]')
const status = (page: Page, text: string) =>
  page.waitForSelector(`.page-head .status:text-is("${text}")`)
const password = 'осенний лес за рекой 47'

type Insider = { page: Page; login: string; secret: string }

/** From the operator's «Учётные записи» to the first sign-in. */
async function insider(chief: Page, role: string, name: string): Promise<Insider> {
  await chief.click('.places a[href="/accounts"]')
  await chief.click('[data-testid=account-add]')
  await chief.selectOption('dialog [name=role]', role)
  await chief.selectOption('dialog [name=organization]', region.holder.oid)
  await chief.fill('dialog [name=name]', name)
  await chief.fill('dialog [name=position]', 'сотрудник')
  await chief.fill('dialog [name=email]', `${role}@crb.kuzdrav.ru`.replace('_', '.'))
  await chief.fill('dialog [name=phone]', '8 (3842) 39-60-02')
  await confirm(chief)
  const link = chief.locator(`[data-testid=links] li:has-text("${name}") code`)
  const activation = await (await browser.newContext()).newPage()
  await activation.goto((await link.textContent()) ?? '')
  await activation.fill('[name=new]', password)
  await activation.fill('[name=repeat]', password)
  await activation.click('button.primary')
  const secret = (await activation.textContent('code.secret')) ?? ''
  const login = /:\s*(\S+)$/.exec((await activation.textContent('h2')) ?? '')?.[1] ?? ''
  await activation.context().close()
  return { page: await open(login, password), login, secret }
}

describe('an organization’s screens', { timeout: 240_000 }, () => {
  let chief: Page
  let admin: Insider

  test('its administrator gets an account, and files form № 4 whose apparatus she leads on', async () => {
    chief = await open('zuev')
    admin = await insider(chief, 'mo_admin', 'Петров Пётр Сергеевич')
    const { page } = admin
    await page.waitForSelector('text=Форм пока нет')
    await page.click('[data-testid=new-device_notice]')
    const fields: Record<string, string> = {
      startDate: '25.11.2026',
      'orgStamp.name': 'ГАУЗ «Районная больница»',
      'orgStamp.address': 'г. Кемерово, ул. Учебная, 1',
      'devices.0.department': 'ОЛД',
      'devices.0.model': 'Томограф Т-64',
      'devices.0.manufactureYear': '2024',
      'devices.0.floor': '1',
      'devices.0.room': '12',
      'devices.0.serialNumber': 'S-1',
      'devices.0.inventoryNumber': 'I-1',
      documentDate: '24.11.2026',
      contactName: 'Петров Пётр Сергеевич',
      contactPhone: '8 (3842) 39-60-01',
    }
    for (const [name, value] of Object.entries(fields)) await page.fill(`[name="${name}"]`, value)
    await page.click('[data-testid=submit-form]')
    await status(page, 'Подана')
    const operator = await open('ivanova')
    await operator.click('[data-testid=forms] a:has-text("№ 4")')
    await operator.click('[data-testid=act-register]')
    await operator.fill('[name=no]', '44')
    await operator.fill('[name=date]', '25.11.2026')
    await confirm(operator)
    await status(operator, 'Зарегистрирована')
    await page.click(`.places a[href="/organizations/${region.holder.oid}"]`)
    await page.waitForSelector('text=нет AE title или адреса')
    await page.click('[data-testid=device-technical]')
    await page.fill('[name=aeTitle]', 'CT1')
    await page.fill('[name=addresses]', '10.0.0.7, 10.0.0.8')
    await confirm(page)
    await page.waitForSelector('text=CT1@10.0.0.7, 10.0.0.8')
    await page.click('[data-testid=device-test]')
    await confirm(page)
    await page.click('[data-testid=device-pass]')
    assert.ok(await page.isDisabled('[data-testid=confirm]'), 'nothing was checked yet')
    for (const check of ['echo', 'testObject', 'tags']) await page.check(`[name=${check}]`)
    await confirm(page)
    await page.waitForSelector('[data-testid=device][data-status=scheduled]')
    assert.equal(await page.locator('[data-testid=propose]').count(), 0)
    assert.equal(await page.locator('[data-testid^=attest-]').count(), 0)
  })

  test('form № 5 needs the head, another person, and a code that fits; № 3 comes by itself', async () => {
    const head = await insider(chief, 'head_of_mo', 'Сидорова Ирина Алексеевна')
    const operator = await signIn(registry.url, 'ivanova')
    await connect(operator, region.holder.oid)
    const content = accessRequestContent({
      holderOrg: region.holder.oid,
      granteeOrg: region.grantee.oid,
    })
    const filed = await signIn(registry.url, admin.login, password)
    const { id } = await filed.post<{ id: string }>('/api/access-requests', { content })
    await admin.page.goto(`${registry.url}/forms/access-requests/${id}`)
    await admin.page.waitForSelector('.blocked:has-text("Форму не подтвердил руководитель")')
    assert.equal(await admin.page.locator('[data-testid=act-confirm]').count(), 0)
    await head.page.goto(`${registry.url}/forms/access-requests/${id}`)
    await head.page.click('[data-testid=act-confirm]')
    await head.page.waitForSelector('dialog [data-testid=preview]:has-text("Ковалёва")')
    await head.page.fill('dialog [name=code]', '000000')
    await confirm(head.page)
    await head.page.waitForSelector('dialog [role=alert]:has-text("Код не подошёл")')
    const epoch = Math.floor(region.clock.now() / 1000)
    await head.page.fill('dialog [name=code]', generateSync({ secret: head.secret, epoch }))
    await confirm(head.page)
    await head.page.click('[data-testid=act-submit]')
    await confirm(head.page)
    await status(head.page, 'Подана')
    const act = (action: unknown) => operator.post(`/api/access-requests/${id}/actions`, action)
    await act({ type: 'register', incoming: { no: '55', date: '25.11.2026' } })
    await act({ type: 'refuse', reasons: [{ clause: 'J-5', text: 'нет перечня помещений' }] })
    // Nobody reloads the page.
    await status(head.page, 'Отказано')
    await head.page.waitForSelector('[data-testid=notices] :text("№ 3")')
    await admin.page.goto(`${registry.url}/forms/access-requests/${id}`)
    await admin.page.click('button:has-text("Подать заново")')
    await admin.page.waitForSelector('form.editor')
    assert.equal(await admin.page.inputValue('[name="users.0.room"]'), '304')
  })

  test('the operator types in № 4 for whom it is, and the audit is shown and checked', async () => {
    const operator = await open('ivanova')
    await operator.click('[data-testid=new-device_notice]')
    await operator.click('[data-testid=submit-form]')
    await operator.waitForSelector('text=Выберите организацию.')
    await operator.selectOption('[name=organization]', region.grantee.oid)
    await operator.click('text=Сохранить черновик')
    await status(operator, 'Черновик')
    assert.equal(await operator.locator('.places a[href="/audit"]').count(), 0)
    await chief.click('.places a[href="/audit"]')
    await chief.waitForSelector('[data-testid=audit] code:text-is("account.create")')
    await chief.click('[data-testid=audit-check]')
    await chief.waitForSelector('text=Цепочка цела')
  })
})
