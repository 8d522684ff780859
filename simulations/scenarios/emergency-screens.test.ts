import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { createAccesses } from '../../node/access/accesses.ts'
import { openReconciliation } from '../../node/access/reconciliation.ts'
import { silentLog } from '../../node/log.ts'
import { openRecords } from '../../node/store/records.ts'
import { openBrowser } from '../browser.ts'
import { eventually, signIn } from '../client.ts'
import { freePorts } from '../layout.ts'
import { createRandom } from '../random.ts'
import { createRegion, type Region } from '../region.ts'
import { ensureViewer } from '../viewer-build.ts'
import { sendCt } from './scenario.ts'

/** What others did with a hospital's studies and it did not know of before, in real Chromium. */

const password = 'the head of a hospital 7'
let stack: AsyncDisposableStack
let region: Region
let browser: Browser
let dataDir: string
let study: string

before(
  async () => {
    await ensureViewer()
    stack = new AsyncDisposableStack()
    dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-emergency-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true }))
    const ports = await freePorts(2)
    const options = { seed: 9, mode: 'in-process' as const, dataDir, ports, members: 2 }
    region = stack.use(await createRegion({ ...options, samples: false }))
    // crb1 has no grant from okb.
    const sent = await sendCt({ region, random: createRandom(9) }, 'okb', { slices: 2, size: 64 })
    study = sent.uid
    const admin = await signIn(region.node('okb').url, region.account('okb', 'mo_admin'))
    const head = { login: 'head.okb', password, name: 'Глава', roles: ['head_of_mo'] }
    const made = await admin.post('/api/accounts/users', {
      ...head,
      position: 'главный врач',
      department: '',
    })
    assert.equal(made.status, 200)
    browser = stack.use(await openBrowser())
  },
  { timeout: 240_000 },
)
after(() => stack?.[Symbol.asyncDispose]())

async function open(key: string, account: { login: string; password: string }): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(60_000)
  await page.goto(region.node(key).url)
  await page.fill('[name=login]', account.login)
  await page.fill('[name=password]', account.password)
  await page.click('[data-testid=sign-in]')
  await page.waitForSelector('[data-testid=sign-in]', { state: 'detached' })
  return page
}

test('the head offers it, a refused doctor opens the study, the head ends it and reviews it', async () => {
  const head = await open('okb', { login: 'head.okb', password })
  await head.goto(`${region.node('okb').url}/desk/emergencies`)
  await head.click('[data-testid=emergency-switch]')
  await head.fill('[name=password]', password)
  await head.click('[data-testid=emergency-confirm]')
  await head.waitForSelector('[data-testid=emergency-confirm]', { state: 'detached' })

  const reader = region.account('crb1', 'radiologist')
  const doctor = await open('crb1', reader)
  await doctor.goto(`${region.node('crb1').url}/study/${study}`)
  await doctor.click('[data-testid=emergency]')
  await doctor.fill('dialog [name=reason]', 'Пациент без сознания, нужна прежняя КТ')
  await doctor.fill('dialog [name=password]', 'not hers')
  await doctor.click('[data-testid=emergency-open]')
  await doctor.waitForSelector('dialog [role=alert]')
  await doctor.fill('dialog [name=password]', reader.password)
  await doctor.click('[data-testid=emergency-open]')
  await doctor.waitForSelector('canvas', { timeout: 120_000 })

  await head.reload()
  const row = head.locator('[data-testid=emergency]')
  await row.waitFor()
  assert.match(await row.innerText(), /Пациент без сознания/)
  await head.click('[data-testid=emergency-stop]')
  await head.click('[data-testid=emergency-review]')
  await head.fill('[name=comment]', 'Подтверждено дежурным врачом')
  await head.click('[data-testid=emergency-justified]')
  await eventually('reviewed', async () =>
    (await row.innerText()).includes('обосновано: Подтверждено') ? true : undefined,
  )
})

const dayMs = 24 * 3600 * 1000

/** An access that the other hospital says it never asked for, in the node's own records, compared by the node's own code. */
async function compareWithSilence(): Promise<void> {
  const [self, peer] = ['okb', 'crb1'].map(
    (key) => region.node(key).organization.oid as OrganizationOid,
  ) as [OrganizationOid, OrganizationOid]
  await region.kill('okb')
  await using records = await openRecords(path.join(dataDir, 'okb', 'records'))
  const accesses = createAccesses(records)
  const asked = Math.floor(Date.now() / 1000 - (3 * dayMs) / 1000)
  const req = '01JDWBQ7Z0M3K5T8V2X4Y6Z8A1'
  await accesses.begun(
    { side: 'holder', peer, req, asked },
    { study: study as StudyUid, user: `${peer}#${req}` as UserId },
  )
  await using reconciliation = await openReconciliation({
    self,
    members: () => [{ oid: peer, online: true }],
    connect: () => Promise.resolve({ request: () => Promise.resolve({ accesses: [] }) as never }),
    accesses,
    receipts: { take: () => Promise.reject(new Error('none is sent')) },
    records,
    audit: { append: () => Promise.resolve() },
    now: () => Date.now(),
    isTimeProven: () => true,
    log: silentLog,
  })
  await reconciliation.run()
}

test('the administrator sees the day on which the audits differ, what differs and what to do', async () => {
  await compareWithSilence()
  await region.start('okb')
  const page = await open('okb', region.account('okb', 'mo_admin'))
  await page.getByTestId('section-reconciliation').click()
  const row = page.getByTestId('reconciled-row')
  await row.filter({ hasText: 'расходится' }).waitFor()
  assert.equal(await row.count(), 1)
  await page.getByText('попросите оператора ЦАМИ отозвать ключ').waitFor()
  assert.match(await page.getByTestId('mismatch').innerText(), new RegExp(study))
  await screenshot(page, 'reconciliation')
  await page.getByRole('button', { name: 'Не ответили' }).press('Enter')
  await page.getByText('Все МО ответили').waitFor()
  await page.getByRole('button', { name: 'Все сутки' }).press('Enter')
  await row.filter({ hasText: 'сходится' }).first().waitFor()
  await screenshot(page, 'reconciliation-all')
})

test('both organizations see at their nodes which study the operator left open, and until when', async () => {
  const { url, accounts } = region.description.registry
  const staff = accounts.find(({ role }) => role === 'cami_operator') ?? assert.fail()
  const operator = await signIn(url, staff)
  const must = async (path: string, body: unknown) => {
    const answer = await operator.post(path, body)
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`)
    return (await answer.json()) as { id: string }
  }
  const organization = region.node('crb1').organization.oid
  const { id } = await must('/api/restrictions', {
    organization,
    scope: 'cami',
    level: 'no_consult',
    clause: '8.2.3',
    reason: 'пароли записаны на мониторе',
    remedy: 'сменить пароли',
    start: '25.11.2026',
  })
  await must(`/api/restrictions/${id}/actions`, { type: 'impose' })
  const holder = region.node('okb').organization.oid
  const reason = 'Больной поступил с инсультом, нужна прежняя КТ'
  await must('/api/cito', { organization, holder, study, reason })
  for (const key of ['okb', 'crb1']) {
    const page = await open(key, region.account(key, 'mo_admin'))
    const cito = page.getByTestId('cito')
    await eventually('the study that is left open', async () => {
      await page.goto(`${region.node(key).url}/desk/access`)
      await page.getByText('Открыто нам').waitFor()
      return (await cito.filter({ hasText: study }).count()) === 1 || undefined
    })
    assert.match(await cito.innerText(), /открыто до/)
    await screenshot(page, `cito-${key}`)
    if (key === 'crb1') await page.getByText('Что сделать: сменить пароли').waitFor()
  }
})

/** Each of the two is an apparatus of the other's register. */
async function registerEachOther(): Promise<void> {
  const [okb, crb1] = [region.node('okb'), region.node('crb1')]
  for (const [at, of, services] of [
    [crb1, okb, ['store']],
    [okb, crb1, ['query', 'retrieve']],
  ] as const) {
    const admin = await signIn(at.url, region.account(at.key, 'mo_admin'))
    const { aeTitle, host, port } = of.dimse
    const device = { id: of.key, aeTitle, addresses: [host], modality: '', host, port, services }
    const answer = await fetch(`${at.url}/api/devices/${of.key}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...device, startDate: '2026-01-01' }),
    })
    assert.ok(answer.ok, await answer.text())
  }
}

test('a study of another archive is found, brought here with its progress, and is here then', async () => {
  const page = await open('crb1', region.account('crb1', 'mo_admin'))
  await page.getByTestId('section-archives').click()
  await page.locator('.desk-main .message, [data-testid=archive-search]').first().waitFor()
  await registerEachOther()
  await page.getByRole('button', { name: 'Обновить' }).click()
  await page.selectOption('[name=archive]', 'okb')
  await page.getByTestId('archive-echo').click()
  await page.getByText('Архив okb отвечает.').waitFor()
  assert.ok(await page.getByTestId('archive-find').isDisabled(), 'asks for nothing in particular')
  await page.fill('[name=modality]', 'mr')
  await page.getByTestId('archive-find').press('Enter')
  await page.getByText('Ничего не найдено').waitFor()
  await page.fill('[name=modality]', 'ct')
  await page.fill('[name=from]', '2026-11-01')
  await page.fill('[name=to]', '2026-11-02')
  await page.press('[name=to]', 'Enter')
  const row = page.getByTestId('archive-row').filter({ hasText: study })
  await row.getByTestId('archive-bring').click()
  const move = page.getByTestId('move').filter({ hasText: study })
  await move.getByText('Готово').waitFor()
  assert.match(await move.innerText(), /Получено 2 из 2/)
  await screenshot(page, 'archives')
})

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.setViewportSize({ width: 1366, height: 768 })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}
