import { printDate, dayOf } from '#protocol/fields/dates.ts'
import { signInAtRegistry, type Person } from './person.ts'
import { readText, said, type Hospital, type World } from './world.ts'

/** № 1 → keys → № 2: two hospitals join a federation that does not exist yet. */

export const today = (): string => printDate(dayOf(Date.now()))

/** People of the operator at their desks, and the root key's fingerprint. */
export type Joined = { operator: Person; chief: Person; authority: string }
/** Who administers a hospital at the registry. */
export type Administrator = { person: Person; login: string; password: string }

const pairs = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => [`--${name}`, value])

/** The ceremony: root, issuing, registry, log and witness keys, and the list that names them. */
export async function makeKeys(world: World): Promise<string> {
  const { certs, file, tally, holder, grantee } = world
  return await tally.act('0. Ключи КОМИАЦ', async () => {
    await certs('root', '--out', file('root.jwk'))
    await certs('issuing-key', '--out', file('registry/issuing.jwk'))
    await certs('node-key', '--out', file('registry/registry.jwk'))
    const origin = 'cami.kuzbass/registry'
    const log = await certs('log-key', '--out', file('registry/log.jwk'), '--name', origin)
    const witnesses: string[] = []
    for (const { key, oid } of [holder, grantee]) {
      const out = file(`${key}/witness.jwk`)
      const made = await certs('witness-key', '--out', out, '--oid', oid)
      witnesses.push('--witness', said(made, 'verifier'))
    }
    const list = await certs(
      'trust-list',
      ...pairs({
        root: file('root.jwk'),
        issuer: file('registry/issuing.jwk.pub'),
        registry: file('registry/registry.jwk.pub'),
        out: file('trust-list.jwt'),
        'second-factor': 'required',
        log: said(log, 'verifier'),
        transparency: 'required',
      }),
      ...witnesses,
    )
    const authority = said(list, 'authority')
    await world.startRegistry(authority)
    tally.step('реестр запущен')
    return authority
  })
}

/** The operator's two people sign in for the day. */
export async function openOffice(world: World, authority: string): Promise<Joined> {
  const { tally, operators, registryUrl } = world
  return await tally.act('1. Рабочие места оператора', async () => {
    const operator = await world.person('operator')
    operator.secret = operators.operator.totpSecret
    await signInAtRegistry(operator, registryUrl, operators.operator)
    const chief = await world.person('chief')
    chief.secret = operators.chief.totpSecret
    await signInAtRegistry(chief, registryUrl, operators.chief)
    tally.step('оператор и администратор ЦАМИ: вход')
    await operator.shoot('01-operator-empty')
    return { operator, chief, authority }
  })
}

/** From the paper of form № 1 to a one-time link. */
export async function enroll(
  world: World,
  { operator }: Joined,
  { one, admin }: { one: Hospital; admin: { name: string; snils: string; email: string } },
): Promise<string> {
  const { tally } = world
  return await tally.act(`2. Форма № 1: ${one.name}`, async () => {
    await operator.go(world.registryUrl)
    await operator.click('[data-testid=new-enrollment]')
    await operator.see('form.editor')
    await operator.enter({
      'orgStamp.name': one.name,
      'orgStamp.address': one.address,
      'persons.0.fullName': admin.name,
      'persons.0.snils': admin.snils,
      'persons.0.position': 'администратор ЦАМИ',
      'persons.0.phone': '8 (3842) 39-60-01',
      'persons.0.email': admin.email,
      'organization.fullName': one.name,
      'organization.address': one.address,
      'organization.phone': '8 (3842) 39-60-00',
      'organization.email': one.email,
      'organization.frmoOid': one.oid,
      notifyEmail: one.email,
      documentDate: today(),
      'headSignature.incomingNo': '512',
      'headSignature.date': today(),
      headName: 'И. А. Сидорова',
    })
    await operator.click('[name=confirmed]')
    await operator.shoot(`02-form1-${one.key}-typed`)
    await operator.click('[data-testid=submit-form]')
    tally.step('оператор, «Форма № 1 с бумаги»: ввод, подача')
    await register(operator, '512')
    await status(operator, 'На рассмотрении')
    tally.step('«№ 1»: регистрация')
    await operator.click('[data-testid=act-approve]')
    await operator.see('[data-testid=preview]')
    await operator.shoot(`03-form1-${one.key}-preview`)
    await operator.click('[data-testid=confirm]')
    await status(operator, 'Учётные записи созданы')
    tally.step('предпросмотр, одобрение, одноразовая ссылка')
    const link = await operator.page.locator('[data-testid=links] code').first().textContent()
    await operator.shoot(`04-form1-${one.key}-link`)
    return link ?? ''
  })
}

export async function register(operator: Person, no: string): Promise<void> {
  await operator.click('[data-testid=act-register]')
  await operator.enter({ no, date: today() })
  await operator.click('[data-testid=confirm]')
}

export const status = (person: Person, text: string): Promise<void> =>
  person.see(`.page-head .status:text-is("${text}")`)

/** The hospital's key, the fingerprint read aloud, the credential, and the node's first start. */
export async function issueCredential(
  world: World,
  { operator, authority }: Joined,
  one: Hospital,
): Promise<void> {
  const { certs, file, tally } = world
  await tally.act(`3. Ключ узла: ${one.name}`, async () => {
    const key = file(`${one.key}/node.jwk`)
    const made = said(await certs('node-key', '--out', key), 'digits')
    const challenge = file(`${one.key}/challenge.json`)
    await certs('challenge', '--oid', one.oid, '--key', `${key}.pub`, '--out', challenge)
    const proof = file(`${one.key}/proof.jwt`)
    const answer = await certs('prove', '--key', key, '--challenge', challenge, '--out', proof)
    const heard = said(answer, 'digits')
    if (made !== heard) throw new Error('the fingerprints differ')
    const out = file(`${one.key}/credential.jwt`)
    await certs(
      'credential',
      ...pairs({
        issuer: file('registry/issuing.jwk'),
        oid: one.oid,
        name: one.name,
        key: `${key}.pub`,
        out,
        'form1-no': '512',
        'form1-date': dayOf(Date.now()),
        challenge,
        proof,
        digits: heard,
      }),
    )
    await operator.click('.places a[href="/identities"]')
    await operator.see('[name=credential]')
    // A credential is pasted, not typed.
    await operator.page.locator('[name=credential]').fill(await readText(out))
    tally.click()
    await operator.click('form.card button')
    await operator.see('[data-testid=members] tr:has-text("' + one.name + '")')
    tally.step('оператор, «Ключи и доверие»: удостоверение опубликовано')
    await world.startNode(one, authority)
    tally.step('узел запущен')
    await operator.see(`[data-testid=members] tr:has-text("${one.name}")`)
    await operator.shoot(`05-credential-${one.key}`)
  })
}

/** № 2 goes out; the person it names opens her link and signs in. */
export async function finishEnrollment(
  world: World,
  { operator }: Joined,
  { one, link, name }: { one: Hospital; link: string; name: string },
): Promise<Administrator> {
  const { tally, registryUrl } = world
  return await tally.act(`4. Уведомление № 2: ${one.name}`, async () => {
    await operator.click('.places a[href="/"]')
    await operator.click(`[data-testid=forms] tr:has-text("${one.name}") a`)
    await operator.click('[data-testid=act-issue_notice]')
    await operator.click('[data-testid=confirm]')
    await status(operator, 'Завершена')
    await operator.see('[data-testid=notices]')
    await operator.shoot(`06-notice2-${one.key}`)
    tally.step('оператор, «№ 1»: № 2 выдано')
    const administrator = await activate(world, { link, name })
    tally.step('администратор МО: пароль и второй фактор по ссылке')
    await signInAtRegistry(administrator.person, registryUrl, administrator)
    await administrator.person.see('[data-testid=forms] tr')
    await administrator.person.shoot(`07-own-forms-${one.key}`)
    tally.step('администратор МО, «Формы»: № 1 завершена')
    return administrator
  })
}

/** The one-time link: a password, and the key of the second factor. */
export async function activate(
  world: World,
  { link, name }: { link: string; name: string },
): Promise<Administrator> {
  const person = await world.person(name)
  const password = 'осенний лес за рекой 47'
  await person.go(link)
  await person.enter({ new: password, repeat: password })
  await person.click('button.primary')
  await person.see('[data-testid=activated]')
  person.secret = (await person.page.locator('code.secret').textContent()) ?? ''
  const said = await person.page.locator('[data-testid=activated] h2').textContent()
  const login = /:\s*(\S+)$/.exec(said ?? '')?.[1] ?? ''
  return { person, login, password }
}

/** Section 7: what the operator vouches for by a document; the rest follows from the forms. */
export async function vouch(
  world: World,
  { operator }: Joined,
  { one, codes }: { one: Hospital; codes: readonly ('J-1' | 'J-3' | 'J-4' | 'J-5' | 'J-6')[] },
): Promise<void> {
  const { tally } = world
  await tally.act(`5. Условия подключения: ${one.name}`, async () => {
    await operator.click('.places a[href="/organizations"]')
    await operator.click(`[data-testid=organizations] a:has-text("${one.name}")`)
    for (const code of codes) {
      await operator.click(`[data-testid=attest-${code}]`)
      if (code === 'J-4') await operator.choose('dialog [name=state]', 'not_required')
      await operator.enter({ basis: `приказ № ${code.slice(2)}`, date: today() })
      await operator.click('[data-testid=confirm]')
      await operator.see(`.checklist li.is-done:has-text("${code}")`)
    }
    await operator.shoot(`08-checklist-${one.key}`)
    tally.step('оператор, «Организации»: отметки по документам')
  })
}
