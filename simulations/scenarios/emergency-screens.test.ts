import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import { eventually, signIn } from '../client.ts'
import { freePorts } from '../layout.ts'
import { createRandom } from '../random.ts'
import { createRegion, type Region } from '../region.ts'
import { ensureViewer } from '../viewer-build.ts'
import { sendCt } from './scenario.ts'

/** From the refused study to its review, in real Chromium. */

const password = 'the head of a hospital 7'
let stack: AsyncDisposableStack
let region: Region
let browser: Browser
let study: string

before(
  async () => {
    await ensureViewer()
    stack = new AsyncDisposableStack()
    const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-emergency-'))
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
