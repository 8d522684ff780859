import {
  advanceEnrollment,
  Enrollment,
  EnrollmentContent,
  newEnrollment,
  readEnrollment,
} from '#protocol/enrollment.ts'
import type { EnrollmentAction, EnrollmentEffect, EnrollmentFacts } from '#protocol/enrollment.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import { printName } from '#protocol/fields/full-name.ts'
import type { Draft } from '#protocol/form.ts'
import { ulid } from '#protocol/ids.ts'
import type { Account, Accounts } from './accounts.ts'
import { createDesk } from './desk.ts'
import { forEach } from './each.ts'
import type { NewNotice, Notices, Owed } from './notices.ts'
import { byOf, system } from './office.ts'
import type { By, Office } from './office.ts'
import type { Organizations } from './organizations.ts'

/** A link that a person opens once to set a password; handed over apart from the login. */
export type Activation = {
  login: string
  name: string
  email: string
  secret: string
  expiresAt: number
}

/** As an operator gives it; the number is the registry's own. */
export type EnrollmentStep =
  | Exclude<EnrollmentAction, { type: 'register' | 'provision' }>
  | Omit<Extract<EnrollmentAction, { type: 'register' }>, 'number'>

export type Enrollments = {
  get(id: string): Promise<Enrollment>
  all(): Promise<Enrollment[]>
  create(content: Draft, by: By): Promise<Enrollment>
  act(
    id: string,
    action: EnrollmentStep,
    by: By,
  ): Promise<{ form: Enrollment; activations: Activation[] }>
  /** A new draft with what the refused one said. */
  reapply(id: string, by: By): Promise<Enrollment>
  /** Ends what a crash has left half done. */
  resume(): Promise<void>
}

type Deps = { office: Office; accounts: Accounts; organizations: Organizations; notices: Notices }

export function createEnrollments(deps: Deps): Enrollments {
  const { office, organizations } = deps
  const { clock, random, numbers } = office
  const desk = createDesk<Enrollment, EnrollmentAction, EnrollmentFacts, EnrollmentEffect>({
    office,
    kind: 'enrollment',
    schema: Enrollment,
    advance: advanceEnrollment,
    facts: async (form): Promise<EnrollmentFacts> => ({
      oidTaken: isOidTaken(form, await desk.all()),
      takenPersons: takenPersonsOf(form, deps.accounts.all()),
    }),
  })
  const provision = createProvision(deps, async (id, logins) => {
    await desk.act(id, { type: 'provision', logins }, system)
  })
  const create = async (content: Draft, by: By, previousId?: string) => {
    const form = newEnrollment({
      id: ulid(clock(), random(10)),
      content,
      createdBy: by.actor.account,
      createdAt: clock(),
      ...(previousId !== undefined && { previousId }),
    })
    return await desk.add(form, by)
  }
  return {
    get: desk.get,
    all: desk.all,
    create: (content, by) => create(content, by),
    async act(id, step, by) {
      const { form, effects } = await desk.act(
        id,
        async () => {
          if (step.type !== 'register') return { action: step }
          const year = dayOf(clock()).slice(0, 4)
          const { number, write } = await numbers.next('enrollment', year)
          return { action: { ...step, number }, writes: [write] }
        },
        by,
      )
      let activations: Activation[] = []
      for (const { type } of effects) {
        if (type === 'provision') activations = await provision(form)
        else if (type === 'acknowledge') await organizations.applied(readEnrollment(form), id)
        else if (type === 'issue_refusal_notice') await deps.notices.issue(refusalOf(form), by)
        else if (type === 'issue_access_notice') {
          await deps.notices.issue(accessOf(form), by)
        }
      }
      return { form: await desk.get(id), activations }
    },
    async reapply(id, by) {
      const refused = await desk.get(id)
      if (refused.status !== 'refused') throw new ProtocolError('conflict', 'it is not refused')
      return await create(refused.content, by, id)
    },
    async resume() {
      const forms = await desk.all()
      const left = forms.filter(({ status }) => status === 'approved')
      const provisions = () => forEach(left, async (form) => void (await provision(form)))
      const letters = () => deps.notices.makeUp(forms, owedOf)
      await forEach([provisions, letters], (work) => work())
    },
  }
}

/** The organization's card, its responsible persons, an account for each administrator; done again, it changes nothing. */
function createProvision(
  { accounts, organizations }: Deps,
  done: (id: string, logins: Enrollment['logins']) => Promise<void>,
) {
  return async (form: Enrollment): Promise<Activation[]> => {
    const content = readEnrollment(form)
    const organization = content.organization.frmoOid
    await organizations.enroll(content, form.id)
    const logins: Enrollment['logins'] = []
    const activations: Activation[] = []
    for (const [at, person] of content.persons.entries()) {
      if (person.responsibility === 'consult_performer') continue
      const { fullName: name, snils, position, email, phone, responsibility: role } = person
      const known = accounts.all().find((one) => one.enabled && one.snils === snils)
      if (known !== undefined && known.organization !== organization) {
        throw new ProtocolError('conflict', 'the person has an account of another organization')
      }
      const given = { name, snils, position, email, phone, roles: [role], organization }
      const account =
        known === undefined ? await accounts.create(given) : await accounts.addRole(known.id, role)
      if (role === 'mo_admin') logins.push({ row: at + 1, login: account.login })
      if (account.passwordHash !== undefined) continue
      const { secret, expiresAt } = await accounts.invite(account.id)
      activations.push({ login: account.login, name: printName(name), email, secret, expiresAt })
    }
    await done(form.id, logins)
    return activations
  }
}

const isOidTaken = (form: Enrollment, all: readonly Enrollment[]): boolean =>
  all.some(
    (other) =>
      other.id !== form.id &&
      oidOf(other) === oidOf(form) &&
      ['approved', 'provisioned', 'completed'].includes(other.status),
  )

type Taken = EnrollmentFacts['takenPersons'][number]

/** Whom `createProvision` could give no account, so that nothing is approved and then left undone. */
function takenPersonsOf({ content }: Enrollment, accounts: readonly Account[]): Taken[] {
  const parsed = EnrollmentContent.safeParse(content)
  if (!parsed.success) return []
  const { persons, organization } = parsed.data
  const enabled = accounts.filter((one) => one.enabled)
  return persons.flatMap(({ responsibility, snils, email }, row): Taken[] => {
    if (responsibility === 'consult_performer') return []
    const known = enabled.find((one) => one.snils === snils)
    if (known !== undefined) {
      return known.organization === organization.frmoOid ? [] : [{ row, field: 'snils' }]
    }
    return enabled.some((one) => one.email === email) ? [{ row, field: 'email' }] : []
  })
}

const oidOf = ({ content }: Enrollment): unknown =>
  (content['organization'] as { frmoOid?: unknown } | undefined)?.frmoOid

function owedOf(form: Enrollment): Owed[] {
  if (form.status === 'refused') return [{ notice: refusalOf(form), by: byOf(form, 'refuse') }]
  if (form.status !== 'completed') return []
  return [{ notice: accessOf(form), by: byOf(form, 'issue_notice') }]
}

function refusalOf(form: Enrollment): NewNotice {
  const { organization, notifyEmail } = readEnrollment(form)
  return {
    content: {
      kind: 'refusal_notice',
      organizationName: organization.fullName,
      reasons: form.reasons,
    },
    source: form.id,
    recipient: notifyEmail,
    organization: organization.frmoOid,
  }
}

function accessOf(form: Enrollment): NewNotice {
  const { organization, notifyEmail, persons } = readEnrollment(form)
  const accounts = form.logins.flatMap(({ row, login }) => {
    const person = persons[row - 1]
    return person === undefined ? [] : [{ name: printName(person.fullName), login }]
  })
  return {
    content: { kind: 'access_notice', organizationName: organization.fullName, accounts },
    source: form.id,
    recipient: notifyEmail,
    organization: organization.frmoOid,
  }
}
