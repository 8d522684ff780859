import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import type { OrganizationOid, Sha256 } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { Records } from '../store/records.ts'
import type { Restrictions } from './restrictions.ts'
import type { Account, Accounts } from './accounts.ts'
import type { AuditLog } from './audit-log.ts'
import { createLockout } from '#protocol/secrets/lockout.ts'
import { isOver, loadSessions, sessionId, type Session } from './session-store.ts'
import type { SessionUser } from './session-user.ts'

export type SignIn = { login: string; password: string; address: string; workstation: string }

/** Who is signed in. A secret is 256 random bits, new with each sign-in; it means nothing outside this node. */
export type Sessions = {
  /** Throws `unauthenticated`, `rate_limited`, `unavailable`; each attempt is audited. */
  signIn(attempt: SignIn): Promise<{ secret: string; user: SessionUser }>
  /** `touch: false` for what a page asks by itself: it does not keep a session alive. */
  resume(secret: string, options?: { touch?: boolean }): Promise<SessionUser | undefined>
  signOut(secret: string): Promise<void>
  endAll(account: Account): Promise<void>
  /** Why a session that is over has ended, where its owner should hear it: her account was switched off. */
  endOf(secret: string): ErrorCode | undefined
  /** Asks for the password once more; guesses count as they do at the sign-in. Throws `forbidden`, `rate_limited`. */
  confirm(user: Confirming, password: string): Promise<Account>
  count(): number
}

/** What a confirmation needs to know of whoever confirms. */
export type Confirming = Pick<SessionUser, 'login' | 'address' | 'workstation'>

type Deps = {
  records: Records
  accounts: Accounts
  organization: OrganizationOid
  audit: Pick<AuditLog, 'append'>
  clock: () => number
  random: (count: number) => Uint8Array
  /** What the operator has limited here; the node's own tests have none. */
  restrictions?: Pick<Restrictions, 'check'>
}

export async function createSessions(deps: Deps): Promise<Sessions> {
  const { accounts, clock } = deps
  const store = await loadSessions(deps.records, clock)
  const lockout = createLockout(clock)
  const record = createRecorder(deps)
  const authenticate = createAuthentication(deps, { lockout, record })

  const switchedOff = createSwitchedOff()
  const liveUser = async (id: Sha256, touch: boolean) => {
    const session = store.get(id)
    const account = session === undefined ? undefined : accounts.get(session.account)
    if (session === undefined || account === undefined) return undefined
    const isStale = session.authTime < account.passwordSetAt || isOver(session, clock())
    if (isStale || !account.enabled) {
      if (!account.enabled) switchedOff.add([id])
      await store.end(id)
      return undefined
    }
    if (touch) await store.use(id, session)
    return userOf(deps, { id, session, account })
  }
  return {
    async signIn(attempt) {
      const account = await authenticate(attempt)
      deps.restrictions?.check('login')
      await store.makeRoom(account.id)
      const secret = Buffer.from(deps.random(32)).toString('base64url')
      const id = sessionId(secret)
      const now = clock()
      const session: Session = {
        account: account.id,
        createdAt: now,
        usedAt: now,
        authTime: now,
        amr: ['pwd'],
        address: attempt.address,
        workstation: attempt.workstation,
      }
      const user = userOf(deps, { id, session, account })
      await record('login', { ...actorOf(user), outcome: 'success' })
      await store.add(id, session)
      return { secret, user }
    },
    resume: (secret, { touch = true } = {}) => liveUser(sessionId(secret), touch),
    async signOut(secret) {
      const user = await liveUser(sessionId(secret), false)
      if (user === undefined) return
      await store.end(sessionId(secret))
      await record('logout', { ...actorOf(user), outcome: 'success' })
    },
    async endAll({ id, enabled }) {
      if (!enabled) switchedOff.add(store.of(id))
      await store.endAll(id)
    },
    endOf: (secret) => (switchedOff.has(sessionId(secret)) ? 'user_disabled' : undefined),
    async confirm({ login, address, workstation }, password) {
      try {
        return await authenticate({ login, password, address, workstation })
      } catch (error) {
        if (codeOf(error) !== 'unauthenticated') throw error
        throw new ProtocolError('forbidden', 'a wrong password', { cause: error })
      }
    },
    count: () => store.count(),
  }
}

/** Sessions that ended because their account was switched off, the latest of them. */
function createSwitchedOff() {
  const ids = new Set<Sha256>()
  return {
    has: (id: Sha256): boolean => ids.has(id),
    add(more: readonly Sha256[]): void {
      for (const id of more) {
        ids.add(id)
        const [oldest] = ids
        if (ids.size > httpLimits.sessionsMax && oldest !== undefined) ids.delete(oldest)
      }
    },
  }
}

type Recorder = ReturnType<typeof createRecorder>

/** Login, password, and how often both were wrong. */
function createAuthentication(
  { accounts }: Deps,
  { lockout, record }: { lockout: ReturnType<typeof createLockout>; record: Recorder },
) {
  return async ({ login, password, address }: SignIn): Promise<Account> => {
    const actor = { user: login, role: '', address }
    const refuse = async (code: ErrorCode) => {
      await record('login', { ...actor, outcome: 'denied', code })
      return new ProtocolError(code, 'sign-in refused')
    }
    const { isLocked, failures } = lockout.attempt(login, address)
    if (isLocked) throw await refuse('rate_limited')
    const account = await accounts.verify(login, password, { withOff: true })
    // Whoever has the right password may know why it opens nothing; a guess does not learn that there is an account.
    if (account?.enabled === false) throw await refuse('user_disabled')
    if (account !== undefined) {
      lockout.succeed(login, address)
      return account
    }
    if (failures === httpLimits.loginAlertFailures) {
      await record('security-alert', { ...actor, outcome: 'denied', code: 'unauthenticated' })
    }
    throw await refuse('unauthenticated')
  }
}

function userOf(
  { accounts, organization }: Deps,
  { id, session, account }: { id: Sha256; session: Session; account: Account },
): SessionUser {
  const { roles, enabled, login, name, position, department } = account
  const { authTime, amr, workstation, address } = session
  return {
    uid: accounts.userId(account),
    organization,
    roles,
    enabled,
    authTime,
    amr,
    login,
    name,
    position,
    department,
    workstation,
    address,
    session: id,
    expiresAt: session.createdAt + httpLimits.sessionMs,
  }
}

const actorOf = ({ uid, roles, address }: SessionUser) => ({
  user: uid,
  role: roles[0] ?? '',
  address,
})

type AuditFacts = {
  user: string
  role: string
  address: string
  outcome: AuditEntry['outcome']
  code?: ErrorCode
}

function createRecorder({ audit, organization }: Deps) {
  return (
    event: 'login' | 'logout' | 'security-alert',
    { address, ...facts }: AuditFacts,
  ): Promise<unknown> =>
    audit.append({ event, organization, holder: organization, source: address, ...facts })
}
