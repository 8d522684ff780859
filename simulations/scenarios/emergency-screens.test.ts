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
  await doctor.waitForSelector('canvas')

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

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.setViewportSize({ width: 1366, height: 768 })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}
