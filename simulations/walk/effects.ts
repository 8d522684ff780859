import type { Random } from '../random.ts'
import { status, today, type Administrator, type Joined } from './joining.ts'
import { signInAtRegistry, type Person } from './person.ts'
import { announceDevice, askAccess, sendCt, type Doctor } from './sharing.ts'
import { boundSeconds } from './tally.ts'
import type { World } from './world.ts'

/** What a decision does to screens that are open, and how soon. Nobody reloads a page here. */

/** A little more than the bound: what comes after it is reported as missed, what never comes ends the walk. */
const waitMs = (boundSeconds + 30) * 1000

type Viewer = { person: Person; study: string }

const closed = ({ person }: Viewer): Promise<void> =>
  person.see('[data-testid=study-closed]', waitMs)
const open = ({ person }: Viewer): Promise<void> =>
  person.see('[data-testid=viewport][data-quality=full]', waitMs)

/** The page itself asks for the slice that it showed a moment ago. */
async function frameStatus({ person, study }: Viewer, { series, sop }: Slice): Promise<number> {
  const path = `/dicom-web/studies/${study}/series/${series}/instances/${sop}/frames/1`
  const ask = `fetch(${JSON.stringify(path)}, { headers: { accept: 'multipart/related; type="application/octet-stream"' } }).then(({ status }) => status)`
  return Number(await person.page.evaluate(ask))
}

type Slice = { series: string; sop: string }

async function sliceOf({ person }: Viewer): Promise<Slice> {
  const viewport = person.page.locator('[data-testid=viewport]').first()
  const read = async (name: string) => (await viewport.getAttribute(name)) ?? ''
  return { series: await read('data-series'), sop: await read('data-sop') }
}

async function refused(viewer: Viewer, slice: Slice, expected: number): Promise<void> {
  const found = await frameStatus(viewer, slice)
  if (found !== expected) throw new Error(`a frame was answered with ${found}, not ${expected}`)
}

/** № 3: the hospital's own page says so, and nobody is let in. */
export async function refusal(
  world: World,
  joined: Joined,
  { administrator, head }: { administrator: Administrator; head: Administrator },
): Promise<void> {
  const { tally, registryUrl } = world
  const { operator } = joined
  await tally.act('11. Отказ по форме № 3', async () => {
    const { id } = await askAccess(world, joined, {
      administrator,
      head,
      names: ['Посторонний Семён Ильич'],
    })
    const { person } = administrator
    await person.go(`${registryUrl}/forms/access-requests/${id}`)
    await status(person, 'На рассмотрении')
    await operator.click('[data-testid=act-refuse]')
    await operator.choose('dialog [name=clause-0]', 'J-5')
    await operator.enter({ 'text-0': 'нет перечня помещений сторонней МО' })
    await operator.shoot('30-refusal-preview')
    await operator.click('[data-testid=confirm]')
    await tally.effect('отказ (№ 3)', 'открытая форма МО: «Отказано», ссылка на № 3', async () => {
      await person.see('.page-head .status:text-is("Отказано")', waitMs)
    })
    await person.see('[data-testid=notices]')
    await person.shoot('31-refused-at-the-hospital')
    tally.step('оператор, «№ 5»: отказ с основанием')
  })
}

/** An apparatus whose day has not come: what it sends is kept and shown to nobody but the administrator. */
export async function earlyDevice(
  world: World,
  joined: Joined,
  {
    administrator,
    holderNode,
    viewer,
    random,
  }: {
    administrator: Administrator
    holderNode: Person
    viewer: Viewer
    random: Random
  },
): Promise<void> {
  const { tally, holder } = world
  await tally.act('12. Аппарат с датой начала в будущем', async () => {
    const early = { administrator, one: holder, aeTitle: 'CTNEW', daysAhead: 10 }
    await announceDevice(world, joined, early)
    await holderNode.click('[data-testid=section-quarantine]')
    const study = await sendCt(holder, { callingAe: 'CTNEW', random, slices: 3 })
    await tally.effect('дата начала в будущем', 'карантин узла показывает снимки', async () => {
      const end = Date.now() + waitMs
      while (Date.now() < end) {
        await holderNode.page.locator('.desk-head [aria-label="Обновить"]').click()
        const row = holderNode.page.locator('.desk-main', { hasText: 'CTNEW' })
        if (await row.waitFor({ timeout: 2000 }).then(yes, no)) return
      }
      throw new Error('what an early apparatus sent is not in quarantine')
    })
    await holderNode.shoot('32-quarantine')
    // The list of the region asks by itself; the study is not there however long one waits.
    const list = await viewer.person.page.context().newPage()
    await list.goto(`${world.grantee.url}/?scope=region`)
    await list.getByTestId('study-row').first().waitFor()
    if ((await list.locator(`[data-study="${study}"]`).count()) > 0) {
      throw new Error('a study from before the start date is shown')
    }
    await list.close()
    tally.step('список региона врача: исследования нет')
  })
}

const yes = () => true
const no = () => false

/** The reader's hospital is restricted by two persons; the viewer says why, and opens again by itself. */
export async function restriction(
  world: World,
  { operator, chief }: Joined,
  { granteeAdministrator, viewer }: { granteeAdministrator: Administrator; viewer: Viewer },
): Promise<void> {
  const { tally, registryUrl, grantee } = world
  const slice = await sliceOf(viewer)
  await tally.act('13. Ограничение и снятие', async () => {
    await operator.go(`${registryUrl}/organizations/${grantee.oid}`)
    await operator.click('[data-testid=propose]')
    await operator.choose('dialog [name=scope]', 'both')
    await operator.choose('dialog [name=level]', 'no_login')
    await operator.enter({
      clause: '8.2.1',
      start: today(),
      reason: 'доступ под чужой учётной записью',
      remedy: 'сменить пароли, провести инструктаж',
    })
    await operator.click('[data-testid=confirm]')
    await operator.see('[data-testid=act-impose]')
    await operator.shoot('33-restriction-proposed')
    await chief.go(operator.page.url())
    await chief.click('[data-testid=act-impose]')
    await chief.see('dialog [data-testid=preview]')
    await chief.shoot('34-restriction-preview')
    await chief.click('[data-testid=confirm]')
    await tally.effect('ограничение МО врача', 'просмотр закрыт, причина и № решения', () =>
      closed(viewer),
    )
    await viewer.person.shoot('35-viewer-restricted')
    await refused(viewer, slice, 403)
    tally.step('оператор предложил, администратор ЦАМИ наложил; кадры отвечают 403')
    await reportRemedy(world, granteeAdministrator, chief.page.url())
    await chief.page.reload()
    await chief.click('[data-testid=act-verify]')
    await chief.enter({ note: 'акт проверен' })
    await chief.click('[data-testid=confirm]')
    await chief.see('[data-testid=act-lift]')
    await chief.click('[data-testid=act-lift]')
    await chief.shoot('37-lift-preview')
    await chief.click('[data-testid=confirm]')
    await tally.effect('снятие ограничения', 'то же исследование открылось само', () =>
      open(viewer),
    )
    await viewer.person.shoot('38-viewer-open-again')
    tally.step('проверено и снято')
  })
}

async function reportRemedy(
  world: World,
  administrator: Administrator,
  url: string,
): Promise<void> {
  const { person } = administrator
  await person.go(world.registryUrl)
  await person.see('.places, [name=login]')
  if (await person.page.locator('[name=login]').isVisible()) {
    await signInAtRegistry(person, world.registryUrl, administrator)
  }
  await person.go(url)
  await person.click('[data-testid=act-report_remedy]')
  await person.enter({ note: 'пароли сменены, инструктаж проведён' })
  await person.click('[data-testid=confirm]')
  await person.attach('.card:has-text("Подтверждения устранения") input[type=file]', 'акт.pdf')
  await person.see('.files :text("акт.pdf")')
  await person.shoot('36-remedy-reported')
  world.tally.step('администратор ограниченной МО: доклад и акт')
}

/** The reader's own administrator dismisses her; the others read on. */
export async function dismissal(
  world: World,
  {
    granteeNode,
    doctor,
    viewer,
    other,
  }: {
    granteeNode: Person
    doctor: Doctor
    viewer: Viewer
    other: Viewer
  },
): Promise<void> {
  const { tally } = world
  const slice = await sliceOf(viewer)
  await tally.act('14. Увольнение врача', async () => {
    await granteeNode.click('[data-testid=section-people]')
    await granteeNode.click(`[data-testid=person-row]:has-text("${doctor.name}") button`)
    await granteeNode.enter({ basis: 'приказ № 17-к от 01.12.2026' })
    await granteeNode.shoot('39-dismissal')
    await granteeNode.click('[data-testid=dismiss]')
    await tally.effect('увольнение врача', 'вместо снимка — вход: «Учётная запись отключена»', () =>
      viewer.person.see('.login-card .notice:has-text("Учётная запись отключена")', waitMs),
    )
    await viewer.person.shoot('40-viewer-dismissed')
    await refused(viewer, slice, 401)
    await stays(other)
    tally.step('администратор узла, «Сотрудники»; кадры отвечают 401, другой врач читает')
  })
}

/** A whole round of the viewer's questions later it is still there. */
async function stays({ person }: Viewer): Promise<void> {
  await person.page.waitForTimeout(12_000)
  if ((await person.page.getByTestId('viewport').count()) === 0) {
    throw new Error('another reader lost the study, too')
  }
}

/** The operator switches a named doctor off in the whole federation. */
export async function switchOff(
  world: World,
  { operator }: Joined,
  { doctor, viewer }: { doctor: Doctor; viewer: Viewer },
): Promise<void> {
  const { tally } = world
  const slice = await sliceOf(viewer)
  await tally.act('15. Отключение врача оператором', async () => {
    await operator.click('.places a[href="/grants"]')
    await operator.click('[data-testid=matrix] .cell')
    await operator.shoot('41-grants')
    await operator.click(`.chosen tr:has-text("${doctor.name}") [data-testid=user-off]`)
    await operator.see('[data-testid=preview]')
    await operator.shoot('42-switch-off-preview')
    await operator.click('[data-testid=confirm]')
    await tally.effect('отключение врача оператором', 'просмотр закрыт, названа причина', () =>
      closed(viewer),
    )
    await viewer.person.shoot('43-viewer-switched-off')
    await refused(viewer, slice, 403)
    tally.step('оператор, «Доступы»; кадры отвечают 403')
  })
}

/** The hospital that holds the study takes the access back. */
export async function revocation(
  world: World,
  { holderNode, viewer }: { holderNode: Person; viewer: Viewer },
): Promise<void> {
  const { tally } = world
  const slice = await sliceOf(viewer)
  await tally.act('16. Отзыв доступа держателем', async () => {
    await holderNode.click('[data-testid=section-access]')
    await holderNode.click('[data-testid=grantee-row] button')
    await holderNode.shoot('44-revoke-sure')
    await holderNode.click('[data-testid=grantee-row] button.danger')
    await tally.effect('отзыв доступа', 'просмотр закрыт, названа причина', () => closed(viewer))
    await viewer.person.shoot('45-viewer-revoked')
    await refused(viewer, slice, 403)
    tally.step('администратор узла держателя, «Доступ других МО»; кадры отвечают 403')
  })
}
