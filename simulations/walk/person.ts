import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { generateSync } from 'otplib'
import type { Tally } from './tally.ts'

/** Somebody at her own computer: her own browser, whose every click and key is counted. */
export type Person = {
  readonly name: string
  readonly page: Page
  /** What the authenticator application in her pocket holds. */
  secret?: string
  go(url: string): Promise<void>
  click(selector: string): Promise<void>
  doubleClick(selector: string): Promise<void>
  /** Clicks into the field and types; `text` takes the place of what was there. */
  type(selector: string, text: string): Promise<void>
  enter(fields: Readonly<Record<string, string>>): Promise<void>
  choose(selector: string, value: string): Promise<void>
  attach(selector: string, name: string): Promise<void>
  see(selector: string, timeoutMs?: number): Promise<void>
  /** The code that her authenticator shows, once it is another than the last one. */
  code(): Promise<string>
  shoot(name: string): Promise<void>
  /** What the browser complained of, refusals by the server aside. */
  readonly complaints: readonly string[]
}

const waitMs = 60_000

export async function createPerson(options: {
  name: string
  browser: Browser
  tally: Tally
  /** Where screenshots go. */
  folder: string
}): Promise<Person> {
  const { name, browser, tally, folder } = options
  const { page, complaints } = await openPage(browser)
  let lastCode = ''
  const click = async (selector: string): Promise<void> => {
    await page.locator(selector).first().click()
    tally.click()
  }
  const type = async (selector: string, text: string): Promise<void> => {
    const field = page.locator(selector).first()
    await field.click()
    tally.click()
    if ((await field.inputValue()) !== '') await page.keyboard.press('Control+A')
    await field.pressSequentially(text)
    tally.field(text.length)
  }
  const person: Person = {
    name,
    page,
    complaints,
    async go(url) {
      await page.goto(url)
    },
    click,
    type,
    async doubleClick(selector) {
      await page.locator(selector).first().dblclick()
      tally.click()
      tally.click()
    },
    async enter(fields) {
      for (const [field, text] of Object.entries(fields)) await type(`[name="${field}"]`, text)
    },
    async choose(selector, value) {
      // A list is opened with one click and chosen from with another.
      await page.locator(selector).first().selectOption(value)
      tally.click()
      tally.click()
    },
    async attach(selector, file) {
      const buffer = Buffer.from(`%PDF-1.4\n${'x'.repeat(1000)}`)
      const given = { name: file, mimeType: 'application/pdf', buffer }
      await page.locator(selector).setInputFiles(given)
      tally.click()
      tally.click()
    },
    async see(selector, timeoutMs = waitMs) {
      await page.locator(selector).first().waitFor({ timeout: timeoutMs })
    },
    async code() {
      const { secret } = person
      if (secret === undefined) throw new Error(`${name} has no second factor`)
      while (generateSync({ secret }) === lastCode) await page.waitForTimeout(500)
      lastCode = generateSync({ secret })
      return lastCode
    },
    async shoot(shot) {
      await mkdir(folder, { recursive: true })
      await page.screenshot({ path: path.join(folder, `${shot}.png`) })
    },
  }
  return person
}

async function openPage(browser: Browser) {
  const viewport = { width: 1440, height: 900 }
  const context = await browser.newContext({ viewport, locale: 'ru-RU' })
  const page = await context.newPage()
  page.setDefaultTimeout(waitMs)
  const complaints: string[] = []
  page.on('console', (message) => {
    const isRefusal = /status of [45]\d\d|net::ERR/.test(message.text())
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return { page, complaints }
}

/** At the registry: login and password, then the code. */
export async function signInAtRegistry(
  person: Person,
  url: string,
  { login, password }: { login: string; password: string },
): Promise<void> {
  await person.go(url)
  await person.enter({ login, password })
  await person.click('[data-testid=sign-in]')
  await person.type('[name=code]', await person.code())
  await person.click('[data-testid=sign-in]')
  await person.see('.places')
}

/** At a node: login and password; the first time a second factor is set up, later its code is asked for. */
export async function signInAtNode(
  person: Person,
  url: string,
  { login, password }: { login: string; password: string },
): Promise<void> {
  await person.go(url)
  await person.type('[data-testid=login]', login)
  await person.type('[data-testid=password]', password)
  await person.click('[data-testid=sign-in]')
  await person.see('.top-bar')
  await enrol(person, password)
}

/** On the screens, with the keyboard where it goes without a mouse. */
async function enrol(person: Person, password: string): Promise<void> {
  await person.see('[data-testid=factor-notice]')
  await person.shoot(`factor-1-needed-${person.name}`)
  await person.click('[data-testid=factor-open]')
  await person.click('[data-testid=factor-begin]')
  await person.type('[name=factor-password]', password)
  await person.page.keyboard.press('Enter')
  const shown = person.page.getByTestId('factor-secret')
  person.secret = ((await shown.textContent()) ?? '').replaceAll(' ', '')
  await person.shoot(`factor-2-secret-${person.name}`)
  await person.type('[name=code]', await person.code())
  await person.page.keyboard.press('Enter')
  await person.see('[data-testid=recovery-codes]')
  await person.shoot(`factor-3-recovery-${person.name}`)
  await person.page.keyboard.press('Enter')
  await person.page.getByTestId('factor-notice').waitFor({ state: 'detached' })
}

/** At a node on another day: the code comes after the password. */
export async function signInWithCode(
  person: Person,
  url: string,
  { login, password }: { login: string; password: string },
): Promise<void> {
  await person.go(url)
  await person.click('[data-testid=sign-out]')
  await person.type('[data-testid=login]', login)
  await person.type('[data-testid=password]', password)
  await person.page.keyboard.press('Enter')
  await person.see('[data-testid=code]')
  await person.shoot(`factor-4-code-${person.name}`)
  await person.type('[data-testid=code]', await person.code())
  await person.page.keyboard.press('Enter')
  await person.see('.top-bar')
}
