import * as fc from 'fast-check'
import {
  authorizeCorrection,
  authorizeQuarantine,
  authorizeRemoteArchive,
  authorizeResource,
  authorizeStore,
  needsFactor,
  needsFactorToRead,
} from './authorize.ts'
import type { OwnUser, Role } from './authorize.ts'
import type { ErrorCode } from './errors.ts'
import { roles, type OwnFacts } from './facts.ts'
import { OrganizationOid, UserId } from './ids.ts'

/**
 * People at their own node, each told by words, and the doors that they try; what the answer must be follows from the
 * words alone. It is the same idea as in `authorize-worlds.fixture.ts`, for what happens at home.
 */
const situations = {
  organization: ['this one', 'another', 'another in her number'],
  account: ['on', 'off'],
  signedIn: ['just now', '12 hours less 1 ms ago', '12 hours ago', 'in a minute', 'later'],
  factors: ['one', 'two', 'a key'],
  policy: ['required', 'optional'],
} as const
type Situations = typeof situations
export type OwnWorld = { [K in keyof Situations]: Situations[K][number] } & {
  roles: Role[]
  door: Door
  /** Of a resource: who may use it. */
  allowed: Role[]
}

/** Who may go through each door, written out. */
const doors = {
  quarantine: ['mo_admin'],
  store: ['radiographer', 'radiologist', 'diagnostician', 'dept_head', 'mo_admin'],
  'remote archive': ['radiographer', 'mo_admin'],
  demographics: ['radiographer', 'dept_head', 'mo_admin'],
  history: ['radiographer', 'dept_head', 'mo_admin', 'security_auditor'],
  resource: [],
} as const satisfies Record<string, readonly Role[]>
type Door = keyof typeof doors

const oneOf = (words: readonly string[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(words[0]) },
    { weight: words.length, arbitrary: fc.constantFrom(...words) },
  )
export const anyOwnWorld: fc.Arbitrary<OwnWorld> = fc.record({
  ...Object.fromEntries(Object.entries(situations).map(([name, words]) => [name, oneOf(words)])),
  roles: fc.subarray([...roles], { maxLength: 3 }),
  door: fc.constantFrom(...Object.keys(doors)),
  allowed: fc.subarray([...roles], { maxLength: 4 }),
}) as fc.Arbitrary<OwnWorld>

const administrators: readonly Role[] = ['mo_admin', 'head_of_mo', 'cami_operator', 'cami_admin']
const readers: readonly Role[] = ['radiologist', 'diagnostician', 'consultant']

function refusedAtOnce(world: OwnWorld): ErrorCode | undefined {
  if (world.organization !== 'this one') return 'forbidden'
  if (world.account === 'off') return 'user_disabled'
  const isOld = world.signedIn === '12 hours ago' || world.signedIn === 'later'
  return isOld ? 'session_too_old' : undefined
}

const isShort = ({ policy, factors }: OwnWorld) => policy === 'required' && factors === 'one'

/** With one factor where two are required she is as one who has no administrator's role, but is told why. */
export function expectedOwn(world: OwnWorld): ErrorCode | 'allowed' {
  const refused = refusedAtOnce(world)
  if (refused !== undefined) return refused
  const may: readonly Role[] = world.door === 'resource' ? world.allowed : doors[world.door]
  const counted = world.roles.filter((role) => !isShort(world) || !administrators.includes(role))
  if (counted.some((role) => may.includes(role))) return 'allowed'
  return world.roles.some((role) => may.includes(role)) ? 'second_factor_required' : 'role_missing'
}

/** Whether she is to be led to setting a second factor up, and whether readings of others' studies want it. */
export function expectedNeed(world: OwnWorld): { any: boolean; reading: boolean } {
  const isHer = (some: readonly Role[]) => world.roles.some((role) => some.includes(role))
  const lacks = refusedAtOnce(world) === undefined && isShort(world)
  return {
    any: lacks && (isHer(readers) || isHer(administrators)),
    reading: lacks && isHer(readers),
  }
}

const self = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const other = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9002')
const hour = 3_600_000
export const now = Date.UTC(2026, 10, 25, 4) + 617

const authTimes: Record<OwnWorld['signedIn'], number> = {
  'just now': now,
  '12 hours less 1 ms ago': now - 12 * hour + 1,
  '12 hours ago': now - 12 * hour,
  'in a minute': now + 60_000,
  later: now + 60_001,
}
const methods: Record<OwnWorld['factors'], OwnUser['amr']> = {
  one: ['pwd'],
  two: ['pwd', 'otp'],
  'a key': ['hwk'],
}

export const ownFacts = (world: OwnWorld): OwnFacts => ({
  now,
  self,
  policy: { secondFactor: world.policy, staleAfterHours: 24, transparency: 'off' },
  user: {
    uid: UserId.parse(
      `${world.organization === 'another in her number' ? other : self}#01KB0000000000000000000004`,
    ),
    organization: world.organization === 'another' ? other : self,
    roles: world.roles,
    enabled: world.account === 'on',
    authTime: authTimes[world.signedIn],
    amr: methods[world.factors],
  },
})

export function answerOwn(world: OwnWorld): ErrorCode | 'allowed' {
  const facts = ownFacts(world)
  const decision = decide(world, facts)
  return decision.ok ? 'allowed' : decision.code
}

function decide({ door, allowed }: OwnWorld, facts: OwnFacts) {
  if (door === 'quarantine') return authorizeQuarantine(facts)
  if (door === 'store') return authorizeStore(facts)
  if (door === 'remote archive') return authorizeRemoteArchive(facts)
  if (door === 'resource') return authorizeResource(facts, allowed)
  return authorizeCorrection({ ...facts, act: door, reason: 'паспорт' })
}

export const answerNeed = (world: OwnWorld) => {
  const facts = ownFacts(world)
  return { any: needsFactor(facts), reading: needsFactorToRead(facts) }
}
