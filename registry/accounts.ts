import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Email } from '#protocol/fields/email.ts'
import { FullName, printName } from '#protocol/fields/full-name.ts'
import { Phone } from '#protocol/fields/phone.ts'
import { Snils } from '#protocol/fields/snils.ts'
import { text } from '#protocol/fields/text.ts'
import { OrganizationOid, ulid, Ulid } from '#protocol/ids.ts'
import { formLimits, httpLimits } from '#protocol/limits.ts'
import { freeLogin } from './logins.ts'
import { checkPassword, createPasswords } from '#protocol/secrets/passwords.ts'
import { createRows } from './rows.ts'
import type { Seal } from '#protocol/secrets/seal.ts'
import { newTotp, totpStep } from '#protocol/secrets/totp.ts'
import type { Store, Write } from './store/store.ts'
import { createTurns } from '#protocol/turns.ts'

export const accountRoles = [
  'cami_operator',
  'cami_admin',
  'ministry_observer',
  'mo_admin',
  'consult_organizer',
  'head_of_mo',
] as const
export const AccountRole = z.enum(accountRoles)
export type AccountRole = z.infer<typeof AccountRole>

/** One person at the registry. Accounts are never deleted: forms and the audit name them. */
export const Account = z.strictObject({
  id: Ulid,
  login: z.string(),
  name: FullName,
  position: text(200),
  email: Email,
  phone: Phone,
  snils: Snils.exactOptional(),
  roles: z.array(AccountRole).min(1).max(4),
  /** Absent for the operator's people and the observer's. */
  organization: OrganizationOid.exactOptional(),
  enabled: z.boolean(),
  createdAt: z.int(),
  /** Absent until the person has activated the account. */
  passwordHash: z.string().exactOptional(),
  passwordSetAt: z.int(),
  totpSecret: z.string().exactOptional(),
  /** The last step whose code was used. */
  totpUsed: z.int(),
})
export type Account = z.infer<typeof Account>

export const NewAccount = Account.pick({
  name: true,
  position: true,
  email: true,
  phone: true,
  snils: true,
  roles: true,
  organization: true,
})
export type NewAccount = z.infer<typeof NewAccount>

export type Accounts = {
  get(id: string): Account | undefined
  find(login: string): Account | undefined
  all(): Account[]
  /** Without a password: the person sets it with the secret of `invite`. One person has one account (B-3). */
  create(account: NewAccount): Promise<Account>
  /** For the configuration's first accounts. */
  seed(
    account: NewAccount & { login: string; password: string; totpSecret?: string },
  ): Promise<void>
  addRole(id: string, role: AccountRole): Promise<Account>
  /** A new one-time secret, 72 h; an earlier one stops working. Only its digest is kept. */
  invite(id: string): Promise<{ secret: string; expiresAt: number }>
  /** Throws `forbidden` for a secret that is unknown, used or over; says whose it was if it was used before. */
  activate(
    secret: string,
    password: string,
  ): Promise<{ account: Account; totp: { secret: string; uri: string } }>
  verifyPassword(login: string, password: string): Promise<Account | undefined>
  /** Uses up the code. */
  verifyCode(account: Account, code: string): Promise<boolean>
  setEnabled(id: string, enabled: boolean): Promise<Account>
}

const Invitation = z.strictObject({ account: Ulid, expiresAt: z.int(), used: z.boolean() })

type Deps = {
  store: Store
  seal: Seal
  clock: () => number
  random: (bytes: number) => Uint8Array
  /** The trust list's policy at this moment. */
  needsSecondFactor: () => boolean
}

/** A secret that was used already: somebody has it who should not. */
export class UsedTwice extends ProtocolError {
  readonly account: string
  constructor(account: string) {
    super('forbidden', 'the secret has been used')
    this.account = account
  }
}

export async function openAccounts(deps: Deps): Promise<Accounts> {
  const { clock } = deps
  const passwords = createPasswords()
  const people = await openPeople(deps)
  const invitations = openInvitations(deps)
  return {
    get: people.get,
    find: people.find,
    all: people.all,
    create: (given) =>
      people.inTurn(async () => {
        const login = freeLogin(given.name, (taken) => people.find(taken) !== undefined)
        return await people.add(freshAccount(deps, given, login))
      }),
    seed: ({ login, password, totpSecret, ...given }) =>
      people.inTurn(async () => {
        if (people.find(login) !== undefined) return
        await people.add({
          ...freshAccount(deps, given, login),
          passwordHash: await passwords.hash(password),
          passwordSetAt: clock(),
          ...(totpSecret !== undefined && { totpSecret }),
        })
      }),
    addRole: (id, role) =>
      people.change(id, ({ roles }) => ({ roles: [...new Set([...roles, role])] })),
    invite: (id) =>
      people.inTurn(async () => {
        people.known(id)
        return await invitations.issue(id)
      }),
    activate: (secret, password) =>
      people.inTurn(async () => {
        const { account: id, spend } = await invitations.take(secret)
        const account = people.known(id)
        if (!account.enabled) throw new ProtocolError('forbidden', 'the account is off')
        checkPassword(password, account.login, lengthMin(deps.needsSecondFactor()))
        const totp = newTotp(account.login)
        const changed: Account = {
          ...account,
          passwordHash: await passwords.hash(password),
          passwordSetAt: clock(),
          totpSecret: totp.secret,
          totpUsed: 0,
        }
        await people.save(changed, [spend])
        return { account: changed, totp }
      }),
    async verifyPassword(login, password) {
      const account = people.find(login)
      const isRight = await passwords.verify(account?.passwordHash, password)
      const current = account === undefined ? undefined : people.get(account.id)
      const isCurrent = current?.enabled === true && current.passwordHash === account?.passwordHash
      return isRight && isCurrent ? current : undefined
    },
    verifyCode: ({ id }, code) =>
      people.inTurn(async () => {
        const account = people.known(id)
        const { totpSecret, totpUsed: used } = account
        if (totpSecret === undefined) return false
        const step = totpStep(totpSecret, code, { now: clock(), used })
        if (step === undefined) return false
        await people.save({ ...account, totpUsed: step })
        return true
      }),
    setEnabled: (id, enabled) => people.change(id, () => ({ enabled })),
  }
}

function freshAccount({ clock, random }: Deps, given: NewAccount, login: string): Account {
  return {
    ...NewAccount.parse(given),
    id: ulid(clock(), random(10)),
    login,
    enabled: true,
    createdAt: clock(),
    passwordSetAt: 0,
    totpUsed: 0,
  }
}

async function openPeople(deps: Deps) {
  const { store } = deps
  const rows = createRows(deps, 'account', Account)
  const inTurn = createTurns()
  const byId = new Map((await rows.all()).map((account) => [account.id, account]))
  const find = (login: string) => {
    const wanted = login.normalize('NFKC').trim().toLowerCase()
    return [...byId.values()].find((account) => account.login === wanted)
  }
  const known = (id: string): Account => {
    const account = byId.get(id)
    if (account === undefined) throw new ProtocolError('not_found', 'no such account')
    return account
  }
  const save = async (account: Account, more: readonly Write[] = []) => {
    await store.write([rows.write(account.id, account), ...more])
    byId.set(account.id, account)
  }
  return {
    inTurn,
    find,
    known,
    save,
    get: (id: string) => byId.get(id),
    all: () => [...byId.values()],
    async add(account: Account): Promise<Account> {
      checkRoles(account)
      const others = [...byId.values()].filter(({ enabled }) => enabled)
      if (byId.size >= formLimits.accountsMax)
        throw new ProtocolError('conflict', 'too many accounts')
      const isTaken = others.some(
        (other) =>
          other.email === account.email ||
          (account.snils !== undefined && other.snils === account.snils),
      )
      if (isTaken) {
        throw new ProtocolError('conflict', `${printName(account.name)} has an account already`)
      }
      await save(account)
      return account
    },
    change: (id: string, to: (account: Account) => Partial<Account>) =>
      inTurn(async () => {
        const account = known(id)
        const changed = { ...account, ...to(account) }
        checkRoles(changed)
        await save(changed)
        return changed
      }),
  }
}

const lengthMin = (hasSecondFactor: boolean): number =>
  hasSecondFactor ? httpLimits.passwordLengthMinWithFactor : httpLimits.passwordLengthMin

const central: readonly AccountRole[] = ['cami_operator', 'cami_admin', 'ministry_observer']

/** The operator's roles belong to no organization, and an organization's to exactly one (O-2). */
function checkRoles({ roles, organization }: Pick<Account, 'roles' | 'organization'>): void {
  const isCentral = roles.some((role) => central.includes(role))
  const isAll = roles.every((role) => central.includes(role))
  if (isCentral !== isAll || isAll !== (organization === undefined)) {
    throw new ProtocolError('bad_request', 'the roles do not fit together or the organization')
  }
  if (roles.includes('ministry_observer') && roles.length > 1) {
    throw new ProtocolError('bad_request', 'an observer has no other role')
  }
}

const digestOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

function openInvitations({ store, clock, random }: Deps) {
  return {
    async issue(account: string) {
      const secret = Buffer.from(random(32)).toString('base64url')
      const expiresAt = clock() + formLimits.activationMs
      const before = await store.get(`invited/${account}`)
      await store.write([
        ...(before === undefined ? [] : [{ del: `invitation/${before}` }]),
        { put: `invited/${account}`, value: digestOf(secret) },
        {
          put: `invitation/${digestOf(secret)}`,
          value: JSON.stringify({ account, expiresAt, used: false }),
        },
      ])
      return { secret, expiresAt }
    },
    async take(secret: string) {
      const key = `invitation/${digestOf(secret)}`
      const row = await store.get(key)
      const found = row === undefined ? undefined : Invitation.parse(JSON.parse(row))
      if (found?.used === true) throw new UsedTwice(found.account)
      if (found === undefined || clock() >= found.expiresAt) {
        throw new ProtocolError('forbidden', 'the secret is not valid')
      }
      const spend: Write = { put: key, value: JSON.stringify({ ...found, used: true }) }
      return { account: found.account, spend }
    },
  }
}
