import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { Ulid } from '#protocol/ids.ts'
import type { Actor } from '#protocol/life-cycle.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { Account, AccountRole, Accounts } from './accounts.ts'
import type { Audit } from './audit.ts'
import { createCounter, createLockout } from '#protocol/secrets/lockout.ts'
import type { Store } from './store/store.ts'

/** A signed-in person. */
export type SessionUser = {
  account: Account
  session: string
  amr: ('pwd' | 'otp')[]
  address: string
  expiresAt: number
}

/** How a user acts on forms: with the first of her roles that the action asks for. */
export function actorOf({ account }: SessionUser, roles: readonly AccountRole[]): Actor {
  const role = roles.find((one) => account.roles.includes(one)) ?? account.roles[0]
  if (role === undefined || role === 'ministry_observer') {
    throw new ProtocolError('role_missing', 'an observer does not act')
  }
  const { id, name, organization } = account
  return {
    role,
    account: id,
    name: printName(name),
    ...(organization !== undefined && { organization }),
  }
}

const Session = z.strictObject({
  account: Ulid,
  createdAt: z.int(),
  usedAt: z.int(),
  amr: z.array(z.enum(['pwd', 'otp'])),
  address: z.string(),
  /** Of the account, when the session began: one with an earlier password is over, whatever the clock did since. */
  passwordSetAt: z.int().exactOptional(),
})
type Session = z.infer<typeof Session>

export type SignIn = { login: string; password: string; code?: string; address: string }

export type Sessions = {
  /** Throws `unauthenticated`, `second_factor_required`, `rate_limited`; every attempt is audited. */
  signIn(attempt: SignIn): Promise<{ secret: string; user: SessionUser }>
  resume(secret: string): Promise<SessionUser | undefined>
  signOut(secret: string): Promise<void>
  endAll(account: string): Promise<void>
}

type Deps = {
  store: Store
  accounts: Accounts
  audit: Audit
  clock: () => number
  random: (bytes: number) => Uint8Array
  /** The trust list's policy at this moment. */
  needsSecondFactor: () => boolean
}

const idOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

export async function openSessions(deps: Deps): Promise<Sessions> {
  const { store, accounts, audit, clock, random } = deps
  const sessions = await readSessions(store)
  // Also when the clock has been set back since: a session would last longer by as much.
  const isOver = ({ usedAt, createdAt }: Session) =>
    Math.abs(clock() - usedAt) >= httpLimits.sessionIdleMs ||
    clock() - createdAt >= httpLimits.sessionMs
  const end = async (ids: readonly string[]) => {
    for (const id of ids) sessions.delete(id)
    if (ids.length > 0) await store.write(ids.map((id) => ({ del: `session/${id}` })))
  }
  const authenticate = createAuthentication(deps)
  const userOf = (id: string, session: Session, account: Account): SessionUser => ({
    account,
    session: id,
    amr: session.amr,
    address: session.address,
    expiresAt: session.createdAt + httpLimits.sessionMs,
  })
  const resume: Sessions['resume'] = async (secret) => {
    const id = idOf(secret)
    const session = sessions.get(id)
    if (session === undefined) return undefined
    const account = accounts.get(session.account)
    const isStale = account === undefined || session.passwordSetAt !== account.passwordSetAt
    if (isStale || !account.enabled || isOver(session)) {
      await end([id])
      return undefined
    }
    session.usedAt = clock()
    return userOf(id, session, account)
  }
  return {
    async signIn(attempt) {
      const { account, amr } = await authenticate(attempt)
      await end([...sessions].filter(([, session]) => isOver(session)).map(([id]) => id))
      await end(excessOf(sessions, account.id))
      if (sessions.size >= httpLimits.sessionsMax) {
        throw new ProtocolError('unavailable', 'there are too many sessions')
      }
      const secret = Buffer.from(random(32)).toString('base64url')
      const id = idOf(secret)
      const now = clock()
      const session: Session = {
        account: account.id,
        createdAt: now,
        usedAt: now,
        amr,
        address: attempt.address,
        passwordSetAt: account.passwordSetAt,
      }
      const write = { put: `session/${id}`, value: JSON.stringify(session) }
      await audit.append(actOf('login', account, attempt.address), [write])
      sessions.set(id, session)
      return { secret, user: userOf(id, session, account) }
    },
    resume,
    async signOut(secret) {
      const user = await resume(secret)
      if (user === undefined) return
      await end([idOf(secret)])
      await audit.append(actOf('logout', user.account, user.address))
    },
    async endAll(account) {
      await end([...sessions].filter(([, one]) => one.account === account).map(([id]) => id))
    },
  }
}

async function readSessions(store: Store): Promise<Map<string, Session>> {
  const rows = await store.list('session/', { limit: httpLimits.sessionsMax })
  return new Map(
    rows.map(({ key, value }) => [key.slice('session/'.length), Session.parse(JSON.parse(value))]),
  )
}

/** The longest unused sessions of one person, which make room for one more. */
function excessOf(sessions: ReadonlyMap<string, Session>, account: string): string[] {
  const own = [...sessions].filter(([, session]) => session.account === account)
  own.sort(([, one], [, other]) => one.usedAt - other.usedAt)
  const excess = Math.max(0, own.length - httpLimits.sessionsPerAccount + 1)
  return own.slice(0, excess).map(([id]) => id)
}

const actOf = (action: string, account: Account, source: string) => ({
  actor: account.id,
  role: account.roles[0] ?? '',
  source,
  action,
  subject: account.login,
  outcome: 'success' as const,
})

function createAuthentication({ accounts, audit, clock, needsSecondFactor }: Deps) {
  const lockout = createLockout(clock)
  // By person, from wherever it is tried: who guesses codes has her password already.
  const codes = createCounter(clock, httpLimits.loginLockMs)
  const alert = async ({ login, address }: SignIn, detail: string): Promise<void> => {
    const outcome = 'denied' as const
    const act = { actor: login, role: '', source: address, subject: '', outcome }
    await audit.append({ ...act, action: 'security-alert', detail })
  }
  return async (attempt: SignIn): Promise<{ account: Account; amr: Session['amr'] }> => {
    const { login, password, code, address } = attempt
    const refuse = async (why: ErrorCode) => {
      const outcome = 'denied' as const
      const act = { actor: login, role: '', source: address, action: 'login', subject: '', outcome }
      await audit.append({ ...act, detail: why })
      return new ProtocolError(why, 'sign-in refused')
    }
    const { isLocked, failures } = lockout.attempt(login, address)
    if (isLocked) throw await refuse('rate_limited')
    if (failures === httpLimits.loginAlertFailures) {
      await alert(attempt, 'many failed sign-ins')
    }
    const account = await accounts.verifyPassword(login, password)
    if (account === undefined) throw await refuse('unauthenticated')
    if (code === undefined) {
      if (needsSecondFactor()) throw await refuse('second_factor_required')
    } else {
      if (codes.count(account.id) >= httpLimits.codeFailuresMax) throw await refuse('rate_limited')
      // Counted as wrong when it begins, so that many at once are not all let through.
      const wrong = codes.add(account.id)
      if (!(await accounts.verifyCode(account, code))) {
        if (wrong === httpLimits.codeFailuresMax) await alert(attempt, 'many wrong codes')
        throw await refuse('unauthenticated')
      }
      codes.clear(account.id)
    }
    lockout.succeed(login, address)
    return { account, amr: code === undefined ? ['pwd'] : ['pwd', 'otp'] }
  }
}
