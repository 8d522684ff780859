import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateSync } from 'otplib'
import type { Browser, Page } from 'playwright-core'
import { fingerprintDigits } from '#protocol/fingerprint.ts'
import { accessRequestContent, enrollmentContent } from '#protocol/forms.fixture.ts'
import { connect, incoming, signIn, type Client } from '../../registry/http/client.fixture.ts'
import { createRegion, join, officers, type Region } from '../../registry/region.fixture.ts'
import type { Registry } from '../../registry/registry.ts'
import { openBrowser } from '../browser.ts'
import { ensureOperator } from '../viewer-build.ts'

/**
 * The operator's people at their screens, in real Chromium, against a real registry with a real store. Screenshots are
 * kept when CAMI_SCREENSHOTS names a folder.
 */

let stack: AsyncDisposableStack
let region: Region
let registry: Registry
let browser: Browser
const complaints: string[] = []

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

const pages = new Map<string, Page>()

/** One page for each person: she signs in once. */
async function open(login: string): Promise<Page> {
  const known = pages.get(login)
  if (known !== undefined) {
    await known.goto(registry.url)
    return known
  }
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  page.setDefaultTimeout(45_000)
  page.on('console', (message) => {
    const isRefusal = /status of 4\d\d/.test(message.text())
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(registry.url)
  await page.fill('[name=login]', login)
  await page.fill('[name=password]', officers.find((one) => one.login === login)?.password ?? '')
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('.places')
  pages.set(login, page)
  return page
}

test('where the policy asks for it, the sign-in page asks for the code after the password', async () => {
  await using strict = await createRegion({ office: true, secondFactor: 'required' })
  const totpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const people = officers.map((officer) => ({ ...officer, totpSecret }))
  await writeFile(strict.config.accountsFile ?? '', JSON.stringify(people), { mode: 0o600 })
  Object.assign(strict.config.http, { secureCookie: false, cookieName: 'cami-registry' })
  await using registry = await strict.start()
  const page = await (await browser.newContext()).newPage()
  await page.goto(registry.url)
  await page.fill('[name=login]', 'ivanova')
  await page.fill('[name=password]', officers[0]?.password ?? '')
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('[name=code]')
  await page.fill('[name=code]', '000000')
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('[role=alert]:has-text("Код не подошёл")')
  const epoch = Math.floor(strict.clock.now() / 1000)
  await page.fill('[name=code]', generateSync({ secret: totpSecret, epoch }))
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('.places')
  await page.context().close()
})

async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `operator-${name}.png`) })
}

const act = (page: Page, action: string) => page.click(`[data-testid=act-${action}]`)
const confirm = (page: Page) => page.click('[data-testid=confirm]')
const status = (page: Page, text: string) =>
  page.waitForSelector(`.page-head .status:text-is("${text}")`)

/** Form № 1 that has come in otherwise than through this screen. */
async function filed(operator: Client, oid: string, person: Record<string, unknown> = {}) {
  const base = enrollmentContent()
  const content = {
    ...base,
    persons: [{ ...base.persons[0], ...person }],
    organization: { ...base.organization, frmoOid: oid },
  }
  const { id } = await operator.post<{ id: string }>('/api/enrollments', { content })
  const step = (body: unknown) => operator.post(`/api/enrollments/${id}/actions`, body)
  await step({ type: 'submit' })
  await step({ type: 'register', incoming })
  return { id, step }
}

const onPaper: Record<string, string> = {
  'orgStamp.name': 'ГАУЗ «Тисульская районная больница»',
  'orgStamp.address': '652210, пгт Тисуль, ул. Станционная, 1',
  'persons.0.fullName': 'Петров Пётр Сергеевич',
  'persons.0.position': 'системный администратор',
  'persons.0.phone': '8 (38447) 2-15-40 доб. 12',
  'persons.0.email': 'petrov@crb.kuzdrav.ru',
  'organization.fullName': 'ГАУЗ «Тисульская районная больница»',
  'organization.address': '652210, пгт Тисуль, ул. Станционная, 1',
  'organization.phone': '8 (38447) 2-11-03',
  'organization.email': 'priem@crb.kuzdrav.ru',
  notifyEmail: 'priem@crb.kuzdrav.ru',
  documentDate: '24.11.2026',
  'headSignature.incomingNo': '512',
  'headSignature.date': '25.11.2026',
  headName: 'И.А. Сидорова',
}

describe('the operator’s screens', () => {
  test('form № 1 is typed in from paper, approved after a preview, and ends with № 2', async () => {
    const page = await open('ivanova')
    await page.waitForSelector('.message')
    await shoot(page, 'inbox-empty')
    await page.click('[data-testid=new-enrollment]')
    for (const [name, value] of Object.entries(onPaper)) await page.fill(`[name="${name}"]`, value)
    await page.fill('[name="organization.frmoOid"]', region.holder.oid)
    await page.fill('[name="persons.0.snils"]', '112-233-445 96')
    await page.press('[name="persons.0.snils"]', 'Tab')
    await page.waitForSelector('.field-error:has-text("контрольное число")')
    await page.click('[data-testid=submit-form]')
    await page.waitForSelector('[name="persons.0.snils"]:focus')
    await page.mouse.move(0, 0)
    await shoot(page, 'entry-errors')
    await page.fill('[name="persons.0.snils"]', '112-233-445 95')
    await page.check('[name=confirmed]')
    await page.click('[data-testid=submit-form]')
    await status(page, 'Подана')
    await act(page, 'register')
    await page.fill('[name=no]', '512')
    await page.fill('[name=date]', '25.11.2026')
    await confirm(page)
    await status(page, 'На рассмотрении')
    await shoot(page, 'form')
    await act(page, 'approve')
    const preview = await page.textContent('[data-testid=preview]')
    assert.match(preview ?? '', /Петров Пётр Сергеевич/)
    assert.match(preview ?? '', /Для пользователей созданы учетные записи/)
    await shoot(page, 'approve-preview')
    await confirm(page)
    await status(page, 'Учётные записи созданы')
    const link = await page.textContent('[data-testid=links] code')
    await shoot(page, 'links')
    const newcomer = await (await browser.newContext()).newPage()
    await newcomer.goto(link ?? '')
    await newcomer.fill('[name=new]', 'длинный пароль администратора')
    await newcomer.fill('[name=repeat]', 'длинный пароль администратора')
    await newcomer.click('button.primary')
    await newcomer.waitForSelector('[data-testid=activated]:has-text("petrov.ps")')
    await newcomer.context().close()
    await act(page, 'issue_notice')
    await confirm(page)
    await status(page, 'Завершена')
    assert.match((await page.textContent('[data-testid=notices]')) ?? '', /№ 2 · 2-1\/2026/)
  })

  test('a refusal shows № 3 before it is final, and a form is found and opened by keys alone', async () => {
    const operator = await signIn(registry.url, 'orlov')
    await filed(operator, region.stranger.oid, {
      snils: '087-654-303 00',
      email: 'o@crb.kuzdrav.ru',
    })
    const page = await open('orlov')
    await page.waitForSelector('[data-testid=forms] tr')
    await page.keyboard.press('j')
    await shoot(page, 'inbox')
    await page.keyboard.press('Enter')
    await status(page, 'На рассмотрении')
    await act(page, 'refuse')
    await page.selectOption('[name=clause-0]', 'J-5')
    await page.fill('[name=text-0]', 'нет перечня помещений')
    const preview = await page.textContent('[data-testid=preview]')
    assert.match(preview ?? '', /нет перечня помещений \(раздел 8/)
    await shoot(page, 'refuse-preview')
    await confirm(page)
    await status(page, 'Отказано')
    assert.match((await page.textContent('[data-testid=notices]')) ?? '', /№ 3 · 3-1\/2026/)
  })

  test('a form comes back for correction with a comment at the field', async () => {
    const operator = await signIn(registry.url, 'orlov')
    const { id } = await filed(operator, region.grantee.oid, {
      snils: '123-456-789 64',
      email: 'k@okb.kuzdrav.ru',
    })
    const page = await open('orlov')
    await page.goto(`${registry.url}/forms/enrollments/${id}`)
    await act(page, 'return_for_correction')
    await page.click('[aria-label="Замечание: СНИЛС"]')
    await page.fill('textarea', 'не читается на скане')
    await shoot(page, 'return')
    await page.click('[data-testid=confirm-return]')
    await status(page, 'Возвращена на доработку')
    await page.waitForSelector('.remark:has-text("не читается на скане")')
  })

  test('a restriction for all is imposed by a second person and lifted with a proof', async () => {
    const { oid } = region.holder
    await connect(await signIn(registry.url, 'ivanova'), oid)
    const first = await open('ivanova')
    await first.goto(`${registry.url}/organizations`)
    await first.waitForSelector('[data-testid=organizations] tr')
    await shoot(first, 'organizations')
    await first.goto(`${registry.url}/organizations/${oid}`)
    await first.waitForSelector('[data-testid=checklist]')
    await shoot(first, 'organization')
    await first.click('[data-testid=propose]')
    await first.selectOption('[name=scope]', 'both')
    await first.selectOption('[name=level]', 'no_login')
    await first.fill('[name=clause]', '8.2.1')
    await first.fill('[name=start]', '25.11.2026')
    await first.fill('[name=reason]', 'доступ под чужой учётной записью')
    await first.fill('[name=remedy]', 'сменить пароли, провести инструктаж')
    await confirm(first)
    await first.waitForSelector('.notice.warning:has-text("Иванова")')
    assert.ok(await first.isDisabled('[data-testid=act-impose]'))
    await shoot(first, 'restriction-two-persons')

    const second = await open('orlov')
    await second.goto(first.url())
    await act(second, 'impose')
    await second.waitForSelector('dialog [data-testid=preview]')
    await shoot(second, 'impose-preview')
    await confirm(second)
    await status(second, 'Наложено')
    const state = async () => {
      const client = await signIn(registry.url, 'zuev')
      return (await client.get<{ state: string }>(`/api/organizations/${oid}`)).state
    }
    assert.equal(await state(), 'restricted')
    await second.click('[data-testid=cito-open]')
    await second.selectOption('dialog [name=holder]', region.grantee.oid)
    await second.fill('dialog [name=study]', '1.2.643.5.1.13.13.12.2.42.1001.7.1')
    assert.ok(await second.isDisabled('[data-testid=confirm]'), 'without a reason')
    await second.fill('dialog [name=reason]', 'Больной поступил с инсультом, нужна прежняя КТ')
    await second.waitForSelector('dialog [data-testid=preview]:has-text("не откроется никому")')
    await second.waitForSelector('dialog [data-testid=preview]:has-text("ограничена и по входу")')
    await shoot(second, 'cito-preview')
    await confirm(second)
    await second.waitForSelector('[data-testid=cito] .status:has-text("открыто до")')
    await shoot(second, 'cito')
    await second.click('[data-testid=cito-close]')
    await confirm(second)
    await second.waitForSelector('[data-testid=cito] .status:has-text("закрыто раньше срока")')
    await act(second, 'report_remedy')
    await second.fill('[name=note]', 'пароли сменены')
    await confirm(second)
    await status(second, 'Об устранении доложено')
    await second.waitForSelector('.blocked:has-text("Приложите подтверждение")')
    const files = second.locator('.card', { hasText: 'Подтверждения устранения' })
    await files.locator('input[type=file]').setInputFiles({
      name: 'акт.pdf',
      mimeType: 'application/pdf',
      buffer: Buffer.from(`%PDF-1.4\n${'x'.repeat(1000)}`),
    })
    await files.getByText('акт.pdf').waitFor()
    await act(second, 'verify')
    await second.fill('[name=note]', 'акт проверен')
    await confirm(second)
    await status(second, 'Устранение проверено')
    await act(second, 'lift')
    await confirm(second)
    await status(second, 'Снято')
    await shoot(second, 'restriction-lifted')
    assert.equal(await state(), 'connected')
  })

  test('form № 5 is approved row by row, shows in the matrix once its grant is signed, and is revoked there', async () => {
    const { holder, grantee } = region
    await using holderNode = await join(region, holder, registry)
    await using granteeNode = await join(region, grantee, registry)
    const operator = await signIn(registry.url, 'ivanova')
    const user = region.claims.grantRequest().users[0]
    assert.ok(user !== undefined)
    const row = { ...accessRequestContent().users[0], position: user.pos }
    const content = accessRequestContent({
      holderOrg: holder.oid,
      granteeOrg: grantee.oid,
      users: [row, { ...row, fullName: 'Новиков Илья Ильич', email: 'n@okb.kuzdrav.ru' }],
      signature: { kind: 'paper', incomingNo: '77', date: '25.11.2026' },
    })
    const { id } = await operator.post<{ id: string }>('/api/access-requests', { content })
    const actions = `/api/access-requests/${id}/actions`
    await operator.post(actions, { type: 'submit' })
    await operator.post(actions, { type: 'register', incoming })
    const page = await open('ivanova')
    await page.goto(`${registry.url}/forms/access-requests/${id}`)
    await page.waitForSelector('.blocked:has-text("Сторонняя МО не подключена")')
    await connect(operator, holder.oid)
    await connect(operator, grantee.oid)
    await granteeNode.request('access-request.confirm', {
      id,
      row: 1,
      uid: user.uid,
      fullName: { last: 'Ковалева', first: 'Анна', middle: 'Игоревна' },
      position: user.pos,
    })
    await page.reload()
    await act(page, 'approve')
    const preview = (await page.textContent('[data-testid=preview]')) ?? ''
    assert.match(preview, /Ковалёва Анна Игоревна · подтверждён/)
    assert.match(preview, /Новиков Илья Ильич · ждёт подтверждения/)
    await shoot(page, 'access-preview')
    await confirm(page)
    await status(page, 'Одобрена')
    const waiting = (await holderNode.request('access-requests.get', {})).requests[0]
    assert.ok(waiting?.side === 'holder')
    const request = await region.sign.grantRequest({ form5: waiting.form5 })
    await holderNode.request('grant.submit', { request })

    await page.goto(`${registry.url}/grants`)
    await page.click('[data-testid=matrix] .cell')
    await page.waitForSelector('.chosen td:has-text("Ковалёва")')
    await shoot(page, 'grants')
    await page.click('.chosen .danger-quiet')
    await page.fill('[name=reason]', 'договор окончен')
    await confirm(page)
    await page.waitForSelector('[data-testid=matrix] .status:text-is("Отозван доступ")')
    const { grants } = await granteeNode.request('grant.list', {})
    assert.equal(grants[0]?.active, false)
  })

  test('keys of nodes are listed with their fingerprints, and nothing here breaks the content policy', async () => {
    const page = await open('zuev')
    await page.goto(`${registry.url}/organizations/${region.holder.oid}`)
    const digits = await page.textContent('[data-testid=digits]')
    assert.equal(digits, fingerprintDigits(region.holder.kid))
    await page.click('[data-testid=enrolment] summary')
    const [challenge = ''] = await page.locator('[data-testid=command]').allTextContents()
    assert.match(challenge, new RegExp(`certs -- challenge --oid ${region.holder.oid} `))
    await shoot(page, 'enrolment')
    await page.goto(`${registry.url}/identities`)
    const members = (await page.textContent('[data-testid=members]')) ?? ''
    assert.ok(members.includes(region.holder.kid))
    await shoot(page, 'identities')
    await page.click('button[lang=en]')
    await page.waitForSelector('h3:text-is("Trust list")')
    await shoot(page, 'identities-english')
    assert.deepEqual(complaints, [])
  })
})
