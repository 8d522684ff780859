import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { createStoreScu, type StoreItem } from '../../node/dimse/scu.ts'
import { openBrowser } from '../browser.ts'
import { signIn, type Client } from '../client.ts'
import { freePorts } from '../layout.ts'
import { storeItem, type Value } from '../modality/data-set.ts'
import { pixelElements } from '../modality/study.ts'
import { createRegion, type Region } from '../region.ts'
import type { RegionNode } from '../region-file.ts'
import { ensureViewer } from '../viewer-build.ts'

/** A hospital whose archive has something to be put right, and its people in real Chromium. */
export type Desk = AsyncDisposable & {
  node: RegionNode
  admin: Client
  /** A doctor of the other hospital, as form № 5 names her. */
  doctor: { id: string; organization: string; position: string }
  /** A page on which somebody of this role has signed in; `complaints` are what the browser said. */
  open(role: 'radiographer' | 'dept_head' | 'mo_admin'): Promise<Page>
  complaints: string[]
  send(items: readonly StoreItem[], callingAe?: string): Promise<void>
}

const password = 'учебный-пароль-4711'

export async function openDesk(): Promise<Desk> {
  await ensureViewer()
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-desk-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  const region = stack.use(
    await createRegion({
      seed: 6,
      mode: 'in-process',
      dataDir,
      ports: await freePorts(2),
      members: 2,
      samples: false,
    }),
  )
  const node = region.node('okb')
  const account = region.account('okb', 'mo_admin')
  const admin = await signIn(node.url, account)
  await addPeople(admin)
  const doctor = await doctorOf(region)
  const browser = stack.use(await openBrowser())
  const complaints: string[] = []
  const pages = new Map<string, Page>()
  const owned = stack.move()
  return {
    node,
    admin,
    doctor,
    complaints,
    async open(role) {
      const known = pages.get(role)
      if (known !== undefined) {
        await known.goto(node.url)
        return known
      }
      const context = await browser.newContext({
        viewport: { width: 1440, height: 900 },
        locale: 'ru-RU',
      })
      const page = await context.newPage()
      page.setDefaultTimeout(45_000)
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(error.message))
      await page.goto(node.url)
      const login = role === 'mo_admin' ? account.login : `${role}.okb`
      await page.getByTestId('login').fill(login)
      await page.getByTestId('password').fill(role === 'mo_admin' ? account.password : password)
      await page.getByTestId('sign-in').click()
      pages.set(role, page)
      return page
    },
    async send(items, callingAe = 'STORESCU') {
      const { host, port, aeTitle: calledAe } = node.dimse
      await using scu = createStoreScu({ host, port, callingAe, calledAe })
      for await (const { status, comment } of scu.store(items)) {
        if (status !== 0) throw new Error(`refused: ${status} ${comment}`)
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function addPeople(admin: Client): Promise<void> {
  const people = [
    ['radiographer', 'Лаптева Анна Петровна', 'рентгенолаборант'],
    ['dept_head', 'Орлов Денис Юрьевич', 'заведующий отделением'],
  ] as const
  for (const [role, name, position] of people) {
    const person = { login: `${role}.okb`, password, name, position, department: 'ОЛД' }
    const answer = await admin.post('/api/accounts/users', { ...person, roles: [role] })
    if (!answer.ok) throw new Error(`no account: ${answer.status} ${await answer.text()}`)
  }
}

async function doctorOf(region: Region): Promise<Desk['doctor']> {
  const other = region.node('crb1')
  const there = await signIn(other.url, region.account('crb1', 'mo_admin'))
  const { users } = await there.json<{ users: { id: string; position: string }[] }>(
    '/api/accounts/users',
  )
  const found = users.find(({ position }) => position === 'врач-рентгенолог')
  if (found === undefined) throw new Error('crb1 has no radiologist')
  return { ...found, organization: other.organization.name }
}

export type Made = {
  study: string
  sop?: string
  name: string | Uint8Array
  id?: string
  birthDate?: string
  sex?: string
  description?: string
  charset?: string
}

/** A small radiograph whose patient is whoever the test says. */
export function radiograph(made: Made): StoreItem {
  const { study, sop = `${study}.1.1`, name, id = '', birthDate = '', sex = 'M' } = made
  const { charset = 'ISO_IR 192', description = 'Рентгенография ОГК' } = made
  const text = (vr: string, value: Value) => [vr, value] as const
  return storeItem({
    ...(charset !== '' && { '00080005': text('CS', charset) }),
    '00080016': text('UI', '1.2.840.10008.5.1.4.1.1.1.1'),
    '00080018': text('UI', sop),
    '00080020': text('DA', '20261120'),
    '00080030': text('TM', '101500'),
    '00080060': text('CS', 'DX'),
    '00081030': text('LO', charset === '' ? 'CHEST' : description),
    '00100010': text('PN', name),
    '00100020': text('LO', id),
    '00100030': text('DA', birthDate),
    '00100040': text('CS', sex),
    '0020000D': text('UI', study),
    '0020000E': text('UI', `${study}.1`),
    '00200011': text('IS', 1),
    ...pixelElements({ rows: 8, columns: 8, bitsStored: 12 }, new Uint16Array(64)),
  })
}
