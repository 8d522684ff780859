import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { Epoch } from '#protocol/epoch.ts'
import { listed, partyOf, type Party } from '#protocol/federation.fixture.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import { grantRequestKind } from '#protocol/grant.ts'
import { createPlace } from '../../node/access/federation.fixture.ts'
import type { Federation } from '../../node/access/federation.ts'
import { createGrantRenewals } from '../../node/access/grant-renewals.ts'
import { openTestNode, password, type TestNode } from '../../node/http/http.fixture.ts'
import { openBrowser } from '../browser.ts'
import { ensureViewer } from '../viewer-build.ts'

/** A holder whose grantee was enrolled anew under another key: from the closed grant to the open one, in real Chromium. */

let stack: AsyncDisposableStack
let browser: Browser
let node: TestNode
let federation: Federation
let fresh: Party
let submitted = 0

before(
  async () => {
    await ensureViewer()
    stack = new AsyncDisposableStack()
    const place = stack.use(await createPlace())
    const opened = stack.use(await place.start())
    federation = opened
    const { holder, grantee, stranger, claims, issuer, sign } = place
    const grant = await sign.grant()
    const first = await place.epochWith(grant)
    await federation.intake.directory(await place.everybody())
    await federation.intake.epoch({ epoch: first, grants: [grant] })
    // The key is stolen and revoked; the organization comes back with another one.
    const number = Number(grantee.oid.split('.').at(-1))
    fresh = await partyOf(61, number)
    assert.equal(fresh.oid, grantee.oid)
    const members = await Promise.all([holder, fresh, stranger].map((one) => place.entry(one)))
    await federation.intake.directory(members)
    let newest = first
    let told: [epoch: string, grant: string] = [first, grant]
    federation.intake.registry({
      request: (async (method: string, { request }: { request: string }) => {
        assert.equal(method, 'grant.submit')
        submitted += 1
        const { jti, ver, nbf, exp } = decodeToken(request, grantRequestKind).claims
        const next = await issuer.signer.sign(
          'cami-grant+jwt',
          claims.grant(request, { jti, ver, nbf, exp }),
        )
        const over: Partial<Epoch> = { epoch: 2, prev: await tokenDigest(newest) }
        newest = await sign.epoch([await listed(next)], { ...over, kid_off: [grantee.kid] })
        told = [newest, next]
        return { grant: next }
      }) as never,
      refresh: () => federation.intake.epoch({ epoch: told[0], grants: [told[1]] }),
    })
    const renewals = createGrantRenewals({ federation, signer: holder.signer })
    const policy = { ...federation.policy(), secondFactor: 'optional' } as const
    const parts = { federation: { ...federation, policy: () => policy }, renewals }
    node = stack.use(await openTestNode({ viewerDir: 'dist/viewer' }, parts))
    browser = stack.use(await openBrowser())
  },
  { timeout: 240_000 },
)
after(() => stack[Symbol.asyncDispose]())

test('grants to an organization with a new key are closed until its holder has compared the key and confirmed', async () => {
  const renew = (kid: string, given: string) =>
    node.post(
      '/api/grants/renewals',
      { grantee: fresh.oid, kid, password: given },
      node.as('mo_admin'),
    )
  const refused = await renew(fresh.kid, 'not hers')
  assert.equal(refused.status, 403)
  const other = await renew((await partyOf(62, 1)).kid, password)
  assert.equal(other.status, 409, await other.text())
  assert.equal(submitted, 0)

  const page = await (await browser.newContext({ locale: 'ru-RU' })).newPage()
  page.setDefaultTimeout(60_000)
  await page.setViewportSize({ width: 1366, height: 768 })
  await page.goto(node.url)
  await page.getByTestId('login').fill('mo_admin.okb')
  await page.getByTestId('password').fill(password)
  await page.getByTestId('sign-in').click()
  await page.getByTestId('section-access').click()
  await page.getByTestId('grantee-row').getByText('закрыт: новый ключ').waitFor()
  const digits = await page.getByTestId('renewal-digits').innerText()
  assert.match(digits, /^(\d{5} ){5}\d{5}$/)
  await page.fill('[name=renewal-password]', password)
  assert.ok(await page.getByTestId('renewal-confirm').isDisabled(), 'nothing was compared')
  await page.getByText('Отпечаток прочитан по телефону').click()
  await screenshot(page, 'renewal')
  await page.getByTestId('renewal-confirm').press('Enter')
  await page.getByText('Подтверждено доступов: 1').waitFor()
  await page.getByTestId('grantee-row').getByText('действует', { exact: true }).waitFor()
  assert.equal(await page.getByTestId('renewal').count(), 0)
  assert.equal(submitted, 1)
  const [held] = federation.heldGrants()
  const { sub_kid, ver, users } = held?.facts.request.claims ?? assert.fail()
  assert.deepEqual([sub_kid, ver, users.length > 0], [[fresh.kid], 2, true])
})

async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['CAMI_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}
