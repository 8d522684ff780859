import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { Sha256, type OrganizationOid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { Records } from '../store/records.ts'
import type { Restrictions } from './restrictions.ts'
import type { Account, Accounts } from './accounts.ts'
import type { AuditLog } from './audit-log.ts'
import { createCounter, createLockout } from '#protocol/secrets/lockout.ts'
import type { SecondFactors } from './second-factors.ts'
import {
  isOver,
  loadSessions,
  sessionId,
  type Session,
  type SessionStore,
} from './session-store.ts'
import type { SessionUser } from './session-user.ts'

export type SignIn = {
  login: string
  password: string
  /** Of her second factor, when she has one. */
  code?: string
  address: string
  workstation: string
}

/** Who is signed in. A secret is 256 random bits, new with each sign-in; it means nothing outside this node. */
export type Sessions = {
  /**
   * Throws `unauthenticated`, `second_factor_required` when the password is right and the code is missing,
   * `rate_limited`, `unavailable`; each attempt is audited.
   */
  signIn(attempt: SignIn): Promise<{ secret: string; user: SessionUser }>
  /** `touch: false` for what a page asks by itself: it does not keep a session alive. */
  resume(secret: string, options?: { touch?: boolean }): Promise<SessionUser | undefined>
  signOut(secret: string): Promise<void>
  endAll(account: Account): Promise<void>
  /** Why a session that is over has ended, where its owner should hear it: her account was switched off. */
  endOf(secret: string): ErrorCode | undefined
  /** Asks for the password once more; guesses count as they do at the sign-in. Throws `forbidden`, `rate_limited`. */
  confirm(user: Confirming, password: string): Promise<Account>
  /** The same with a code of her second factor, when she has one. Throws `second_factor_required`, too. */
  prove(user: Confirming, given: { password: string; code?: string }): Promise<Account>
  /** After she has set a second factor up: all her sessions end but this one, which gets another secret. */
  renew(user: SessionUser): Promise<{ secret: string; user: SessionUser }>
  count(): number
}

/** What a confirmation needs to know of whoever confirms. */
export type Confirming = Pick<SessionUser, 'login' | 'address' | 'workstation'>

type Deps = {
  records: Records
  accounts: Accounts
  factors: Pick<SecondFactors, 'has' | 'use'>
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
  const askCode = createCodeCheck(deps, record)

  const switchedOff = createSwitchedOff()
  const liveUser = async (id: Sha256, touch: boolean) => {
    const session = store.get(id)
    const account = session === undefined ? undefined : accounts.get(session.account)
    if (session === undefined || account === undefined) return undefined
    if (!account.enabled || isStale(deps, session, account)) {
      if (!account.enabled) switchedOff.add([id])
      await store.end(id)
      return undefined
    }
    if (touch) await store.use(id, session)
    return userOf(deps, { id, session, account })
  }
  return {
    async signIn(attempt) {
      // Before anything is looked at: what changes meanwhile is newer than this sign-in.
      const now = clock()
      const account = await authenticate(attempt)
      const code = await askCode(account, attempt)
      deps.restrictions?.check('login')
      await store.makeRoom(account.id)
      const secret = freshSecret(deps)
      const id = sessionId(secret)
      const session: Session = {
        account: account.id,
        createdAt: now,
        usedAt: now,
        authTime: now,
        passwordSetAt: account.passwordSetAt,
        amr: code === undefined ? ['pwd'] : ['pwd', 'otp'],
        address: attempt.address,
        workstation: attempt.workstation,
      }
      const user = userOf(deps, { id, session, account })
      const detail = code === 'recovery' ? { detail: 'with a recovery code' } : {}
      await record('login', { ...actorOf(user), outcome: 'success', ...detail })
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
    confirm: ({ login, address, workstation }, password) =>
      asForbidden(authenticate({ login, password, address, workstation })),
    async prove(user, given) {
      const attempt = { ...user, ...given }
      const account = await asForbidden(authenticate(attempt))
      return await asForbidden(askCode(account, attempt).then(() => account))
    },
    renew: (user) => renew(deps, store, user),
    count: () => store.count(),
  }
}

/** What it rests on is taken away by a new password or a reset, also from a sign-in that was under way. */
const isStale = ({ factors, clock }: Deps, session: Session, account: Account): boolean =>
  isOver(session, clock()) ||
  !isByPassword(session, account) ||
  (session.amr.includes('otp') && !factors.has(account.id))

/** Which of the two was later is not asked: a clock may have been mended between them. */
const isByPassword = ({ authTime, passwordSetAt }: Session, account: Account): boolean =>
  passwordSetAt === undefined
    ? authTime >= account.passwordSetAt
    : passwordSetAt === account.passwordSetAt

const freshSecret = ({ random }: Pick<Deps, 'random'>): string =>
  Buffer.from(random(32)).toString('base64url')

/** Who is signed in goes on being so, whatever else she gets wrong. */
async function asForbidden(work: Promise<Account>): Promise<Account> {
  try {
    return await work
  } catch (error) {
    if (codeOf(error) !== 'unauthenticated') throw error
    throw new ProtocolError('forbidden', 'a wrong password or code', { cause: error })
  }
}

async function renew(deps: Deps, store: SessionStore, { session: old }: SessionUser) {
  const session = store.get(Sha256.parse(old))
  const account = session === undefined ? undefined : deps.accounts.get(session.account)
  if (session === undefined || account === undefined) {
    throw new ProtocolError('unauthenticated', 'the session is over')
  }
  await store.endAll(account.id)
  const secret = freshSecret(deps)
  const id = sessionId(secret)
  // As old as it was: a second factor does not make a sign-in younger.
  const renewed: Session = { ...session, usedAt: deps.clock(), amr: ['pwd', 'otp'] }
  await store.add(id, renewed)
  return { secret, user: userOf(deps, { id, session: renewed, account }) }
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

/** The second step of whoever has given the right password: what was used, when she has a second factor. */
function createCodeCheck({ factors, clock }: Deps, record: Recorder) {
  // By person, from wherever it is tried: who guesses codes has her password already.
  const codes = createCounter(clock, httpLimits.loginLockMs)
  return async ({ id }: Account, { login, code, address }: SignIn) => {
    if (!factors.has(id)) return undefined
    const actor = { user: login, role: '', address, outcome: 'denied' as const }
    const refuse = async (why: ErrorCode, detail: string) => {
      await record('login', { ...actor, code: why, detail })
      return new ProtocolError(why, 'sign-in refused')
    }
    if (code === undefined) throw await refuse('second_factor_required', 'the code is missing')
    if (codes.count(id) >= httpLimits.codeFailuresMax) {
      throw await refuse('rate_limited', 'too many wrong codes')
    }
    // Counted as wrong when it begins, so that many at once are not all let through.
    const failures = codes.add(id)
    const used = await factors.use(id, code)
    if (used !== undefined) {
      codes.clear(id)
      return used
    }
    if (failures === httpLimits.codeFailuresMax) {
      const detail = 'wrong codes after the right password'
      await record('security-alert', { ...actor, code: 'unauthenticated', detail })
    }
    throw await refuse('unauthenticated', 'a wrong code')
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
  detail?: string
}

function createRecorder({ audit, organization }: Deps) {
  return (
    event: 'login' | 'logout' | 'security-alert',
    { address, ...facts }: AuditFacts,
  ): Promise<unknown> =>
    audit.append({ event, organization, holder: organization, source: address, ...facts })
}
