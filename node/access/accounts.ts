import { z } from 'zod'
import { roles, type Role as RoleName } from '#protocol/facts.ts'
import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { Ulid, ulid, UserId, type OrganizationOid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { Records } from '../store/records.ts'
import { checkPassword, createPasswords } from '#protocol/secrets/passwords.ts'
import { createTurns } from '#protocol/turns.ts'

export const Role = z.enum(roles)

/** One person. Accounts are never deleted: the audit names them for as long as it is kept. */
export const Account = z.strictObject({
  id: Ulid,
  login: z.string(),
  name: z.string().min(1).max(200),
  position: z.string().max(200),
  department: z.string().max(200),
  roles: z.array(Role).min(1).max(8),
  enabled: z.boolean(),
  createdAt: z.int(),
  passwordHash: z.string(),
  passwordSetAt: z.int(),
})
export type Account = z.infer<typeof Account>

export const NewAccount = Account.pick({
  name: true,
  position: true,
  department: true,
  roles: true,
}).extend({
  login: z.string().min(1).max(64),
  password: z.string().max(1024),
  /** For simulations, which must know whom a grant names before the node runs. */
  id: Ulid.exactOptional(),
})
export type NewAccount = z.infer<typeof NewAccount>

/** The people of this organization. All are held in memory: hospitals have hundreds, and every request asks. */
export type Accounts = {
  create(account: NewAccount): Promise<Account>
  find(login: string): Account | undefined
  get(id: string): Account | undefined
  /**
   * Checks the password in the same time whether or not the login exists. A switched-off account is one that does not
   * exist, unless `withOff` says otherwise.
   */
  verify(
    login: string,
    password: string,
    options?: { withOff?: boolean },
  ): Promise<Account | undefined>
  setPassword(id: string, password: string): Promise<void>
  /** Her sessions end with the next request, and the grants that name her are told. */
  disable(id: string): Promise<void>
  enable(id: string): Promise<void>
  list(): Account[]
  userId(account: Pick<Account, 'id'>): UserId
  onChange(listener: (account: Account) => void): () => void
}

const kind = 'account'

export async function createAccounts(deps: {
  records: Records
  organization: OrganizationOid
  clock: () => number
  random: (count: number) => Uint8Array
}): Promise<Accounts> {
  const { clock } = deps
  const passwords = createPasswords()
  const people = await loadPeople(deps.records)
  const { change } = people
  return {
    async create(given) {
      const { password, id = ulid(clock(), deps.random(10)), ...rest } = NewAccount.parse(given)
      const login = checkLogin(rest.login)
      checkRoles(rest.roles)
      checkPassword(password, login)
      const passwordHash = await passwords.hash(password)
      const now = clock()
      const times = { createdAt: now, passwordSetAt: now }
      const account: Account = { ...rest, id, login, enabled: true, passwordHash, ...times }
      await people.add(account)
      return account
    },
    find: (login) => people.find(loginOf(login)),
    get: (id) => people.get(id),
    async verify(login, password, { withOff = false } = {}) {
      const account = people.find(loginOf(login))
      const isRight = await passwords.verify(account?.passwordHash, password)
      const current = account === undefined ? undefined : people.get(account.id)
      // Disabled, or with another password meanwhile: the answer is the one of a wrong password.
      const isOn = withOff || current?.enabled === true
      const isCurrent = current?.passwordHash === account?.passwordHash
      return isRight && isOn && isCurrent ? current : undefined
    },
    async setPassword(id, password) {
      checkPassword(password, people.known(id).login)
      const passwordHash = await passwords.hash(password)
      await change(id, { passwordHash, passwordSetAt: clock() })
    },
    disable: (id) => change(id, { enabled: false }),
    enable: (id) => change(id, { enabled: true }),
    list: () => people.all().toSorted((a, b) => (a.login < b.login ? -1 : 1)),
    userId: ({ id }) => UserId.parse(`${deps.organization}#${id}`),
    onChange: (listener) => people.onChange(listener),
  }
}

async function loadPeople(records: Records) {
  const byId = new Map<string, Account>()
  const byLogin = new Map<string, Account>()
  const listeners = new Set<(account: Account) => void>()
  const keep = (account: Account) => {
    byId.set(account.id, account)
    byLogin.set(account.login, account)
  }
  for await (const { value } of records.list(kind, Account)) keep(value)
  const inTurn = createTurns()
  const save = async (account: Account) => {
    await records.put(kind, account.id, account)
    keep(account)
    for (const listener of listeners) listener(account)
  }
  const known = (id: string): Account => {
    const account = byId.get(id)
    if (account === undefined) throw new ProtocolError('not_found', 'no such account')
    return account
  }
  return {
    get: (id: string) => byId.get(id),
    find: (login: string) => byLogin.get(login),
    all: () => [...byId.values()],
    known,
    /** One after another: each change rests on the one before. */
    change: (id: string, changes: Partial<Account>) =>
      inTurn(async () => save({ ...known(id), ...changes })),
    /** In turn, so that two at once cannot both have one login; known when it is on the disk. */
    add: (account: Account) =>
      inTurn(async () => {
        if (byId.size >= httpLimits.accountsMax) {
          throw new ProtocolError('conflict', 'there are too many accounts')
        }
        if (byLogin.has(account.login) || byId.has(account.id)) {
          throw new ProtocolError('conflict', 'the login is taken')
        }
        await save(account)
      }),
    onChange(listener: (account: Account) => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** One person, one login: letters that differ only in case are the same ones. */
const loginOf = (login: string) => login.normalize('NFKC').trim().toLowerCase()

function checkLogin(given: string): string {
  const login = loginOf(given)
  if (/^[\p{L}\p{N}][\p{L}\p{N}._@-]{1,63}$/u.test(login)) return login
  throw new WrongRequest('a login is 2 to 64 letters, digits, and . _ @ -')
}

const admins: readonly RoleName[] = ['mo_admin', 'cami_admin', 'cami_operator']

/** Duties that one person must not have together. */
function checkRoles(roles: readonly RoleName[]): void {
  const has = (role: RoleName) => roles.includes(role)
  if (has('security_auditor') && admins.some(has)) {
    throw new WrongRequest('an administrator cannot be the auditor')
  }
  if (has('cami_operator') && has('radiologist')) {
    throw new WrongRequest('an operator cannot be a radiologist')
  }
}
