import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { AuditEvent } from '#protocol/audit-event.ts'
import { exchangeLimits } from '#protocol/limits.ts'
import { accountsFile, type SeededAccount } from '../accounts.ts'
import { eventually, signIn, type Client } from '../client.ts'
import { grantAccess } from '../consultation.ts'
import { openPage, type OpenPage } from './open-page.ts'
import { signInAtOffice, type Office } from './office.ts'
import {
  listed,
  promise,
  reader,
  readWhole,
  sendCt,
  type SentStudy,
  type World,
} from './scenario.ts'

/** In which an access that has ended must have ended on an open page, too. */
const boundSeconds = 60
const waitMs = (boundSeconds + 30) * 1000

/**
 * Everything that ends an access, while somebody in okb reads a study of crb1 that has come over whole: her own hospital
 * could show it for ever. After each the access is given anew, and the page opens by itself.
 */
export async function revocation(world: World): Promise<string> {
  const stage = await setUp(world)
  await cutTransfer(stage)
  await giveAgain(stage)
  await using page = await openStage(stage)
  const seconds: number[] = []
  const measure = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const since = performance.now()
    await act()
    const { told, refused } = await page.closes(since, waitMs)
    seconds.push(told, refused)
    console.log(
      `${what}: page told after ${told.toFixed(1)} s, frames refused after ${refused.toFixed(1)} s`,
    )
    promise(Math.max(told, refused) <= boundSeconds, `${what}: not within ${boundSeconds} s`)
  }
  const again = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    const since = performance.now()
    await act()
    const after = await page.opens(since, 2 * waitMs)
    console.log(`${what}: the page is open again after ${after.toFixed(1)} s`)
  }
  await measure('owner revokes', () => revoke(stage))
  await again('access given anew', () => giveAgain(stage))
  await measure('operator revokes', () =>
    stage.office.must(`/api/federation/grants/${stage.grant}/revoke`, {}),
  )
  await again('access given anew', () => giveAgain(stage))
  await restriction(stage, { measure, again })
  await withoutRegistry(stage, { measure, again })
  await dismissal(stage, { measure })
  return `every end within ${Math.max(...seconds).toFixed(1)} s on an open page`
}

type Stage = {
  world: World
  study: SentStudy
  okb: Client
  crb1Admin: Client
  okbAdmin: Client
  office: Office
  named: SeededAccount
  grant: string
}
type Steps = {
  measure: (what: string, act: () => Promise<unknown>) => Promise<void>
  again: (what: string, act: () => Promise<unknown>) => Promise<void>
}

async function setUp(world: World): Promise<Stage> {
  const { region } = world
  const admin = (key: string) => signIn(region.node(key).url, region.account(key, 'mo_admin'))
  const file = accountsFile(path.dirname(region.file), 'okb')
  const accounts = JSON.parse(await readFile(file, 'utf8'))
  const named = (accounts as SeededAccount[]).find(({ roles }) => roles.includes('radiologist'))
  if (named === undefined) throw new Error('okb has no radiologist')
  const stage = {
    world,
    study: await sendCt(world, 'crb1', { slices: 4 }),
    okb: await reader(world, 'okb'),
    crb1Admin: await admin('crb1'),
    okbAdmin: await admin('okb'),
    office: await signInAtOffice(region),
    named,
    grant: '',
  }
  await listed(stage.okb, stage.study)
  return { ...stage, grant: await activeGrant(stage) }
}

async function activeGrant({ crb1Admin }: Pick<Stage, 'crb1Admin'>): Promise<string> {
  const { given } = await crb1Admin.json<{ given: { jti: string; active: boolean }[] }>(
    '/api/grants',
  )
  const active = given.find((one) => one.active)
  if (active === undefined) throw new Error('crb1 has given nothing')
  return active.jti
}

/** The page of a study that is here whole. */
async function openStage({ okb, study }: Stage): Promise<OpenPage> {
  await listed(okb, study)
  await readWhole(okb, study)
  return await openPage(okb, study)
}

async function revoke({ world, crb1Admin, grant }: Stage): Promise<void> {
  const answer = await fetch(`${world.region.node('crb1').url}/api/grants/${grant}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${crb1Admin.token}` },
  })
  promise(answer.ok, `the revocation was answered with ${answer.status}`)
}

async function giveAgain(stage: Stage): Promise<void> {
  const { region } = stage.world
  const [holder, grantee] = [region.node('crb1'), region.node('okb')]
  const { registry } = region.description
  stage.grant = await grantAccess({ registry, holder, grantee, reader: stage.named })
}

/** In the middle of a transfer the owner's word stops the bytes. */
async function cutTransfer(stage: Stage): Promise<void> {
  const { world, okb, crb1Admin } = stage
  const study = await sendCt(world, 'crb1', { slices: 200 })
  await listed(okb, study)
  type Transfer = { bytes: { done: number; total: number } }
  const progress = () => okb.json<Transfer>(`/api/studies/${study.uid}/transfer`)
  const opened = await okb.get(`/dicom-web/studies/${study.uid}/series`)
  promise(opened.status === 200, `the study opened with ${opened.status}`)
  const { bytes } = await eventually('a tenth of the study here', async () => {
    const transfer = await progress()
    return transfer.bytes.done > transfer.bytes.total / 10 ? transfer : undefined
  })
  const since = performance.now()
  await revoke(stage)
  type Events = { events: AuditEvent[] }
  const cut = await eventually('the end of the transfer in the holder’s audit', async () => {
    const { events } = await crb1Admin.json<Events>(`/api/audit?study=${study.uid}&limit=500`)
    return events.find(({ event, code }) => event === 'instances-transferred' && code !== undefined)
  })
  const after = (performance.now() - since) / 1000
  promise((cut.bytes ?? 0) < bytes.total, 'the transfer was over before the revocation')
  const { status } = await okb.get(`/dicom-web/studies/${study.uid}/metadata`)
  promise(status === 403, `after the revocation the study opened with ${status}`)
  console.log(
    `owner revokes in the middle of a transfer: cut and audited within ${after.toFixed(1)} s, ${cut.bytes ?? 0} of ${bytes.total} bytes had come over that stream`,
  )
}

/** The holder is limited: nobody else sees its studies, and its own work goes on. */
async function restriction(stage: Stage, { measure, again }: Steps): Promise<void> {
  const { world, office } = stage
  const own = await reader(world, 'crb1')
  let lift: () => Promise<void> = () => Promise.resolve()
  await measure('operator restricts the holder', async () => {
    lift = await office.restrict('crb1')
  })
  await readWhole(own, stage.study)
  const meanwhile = await sendCt(world, 'crb1', { slices: 2, size: 64 })
  await readWhole(own, meanwhile)
  console.log('the restricted holder takes in and reads its own studies')
  await again('restriction lifted', () => lift())
  await listed(stage.okb, meanwhile)
}

/** Her own hospital dismisses the named doctor: the registry hears of it, and takes it back with the account. */
async function dismissal(stage: Stage, { measure }: Pick<Steps, 'measure'>): Promise<void> {
  const { okbAdmin, named, world, study } = stage
  const change = async (what: 'disable' | 'enable'): Promise<void> => {
    const { ok } = await okbAdmin.post(`/api/accounts/${named.id}/${what}`, {})
    promise(ok, `${what}: the account was not changed`)
  }
  const chief = await signInAs(stage, 'cami_admin')
  const isAudited = async (action: string): Promise<true | undefined> => {
    type Records = { records: { action: string }[] }
    const { records } = await chief.json<Records>('/api/audit?limit=1000')
    return records.some((one) => one.action === action) || undefined
  }
  const told = async (action: string): Promise<void> => {
    const since = performance.now()
    await eventually(`the operator reads ${action}`, () => isAudited(action), waitMs)
    const after = (performance.now() - since) / 1000
    console.log(`named doctor, ${action}: in the operator’s audit after ${after.toFixed(1)} s`)
  }
  await measure('named doctor dismissed by her hospital', async () => {
    await change('disable')
    await told('user.left')
  })
  await change('enable')
  await told('user.back')
  const back = await reader(world, 'okb')
  await eventually(
    'she reads again',
    async () => {
      const { status } = await back.get(`/dicom-web/studies/${study.uid}/metadata`)
      return status === 200 || undefined
    },
    waitMs,
  )
}

async function signInAs({ world }: Stage, role: string): Promise<Client> {
  const { url, accounts } = world.region.description.registry
  const account = accounts.find((one) => one.role === role)
  if (account === undefined) throw new Error(`the registry has no ${role}`)
  return await signIn(url, account)
}

/** Only the holder knows; the page hears it from there, and an opening at once. */
async function withoutRegistry(stage: Stage, { measure, again }: Steps): Promise<void> {
  const { world, study, okbAdmin } = stage
  const other = await reader(world, 'okb')
  await readWhole(other, study)
  await world.region.kill('registry')
  // An answer of a second ago would do for an opening, too.
  await new Promise((resolve) => setTimeout(resolve, exchangeLimits.openingAskMs))
  await measure('owner revokes, registry away', async () => {
    await revoke(stage)
    const since = performance.now()
    const { status } = await other.get(`/dicom-web/studies/${study.uid}/metadata`)
    promise(status === 403, `an opening after the revocation was answered with ${status}`)
    const after = (performance.now() - since) / 1000
    console.log(`owner revokes, registry away: an opening is refused after ${after.toFixed(1)} s`)
  })
  await world.region.start('registry')
  await eventually(
    'the registry has heard of it, and both nodes of the registry',
    async () => {
      type Grants = { received: { jti: string; active: boolean }[] }
      const { received } = await okbAdmin.json<Grants>('/api/grants')
      return received.every(({ active }) => !active) || undefined
    },
    2 * waitMs,
  )
  await again('registry back, access given anew', () => giveAgain(stage))
}
