import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorizeCorrection } from './authorize.ts'
import type { CorrectionAct, OwnUser, Role } from './authorize.ts'
import { roles } from './facts.ts'
import { OrganizationOid, UserId } from './ids.ts'

const self = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const now = 1_800_000_000_000
const user = (over: Partial<OwnUser> = {}): OwnUser => ({
  uid: UserId.parse(`${self}#01KB0000000000000000000004`),
  organization: self,
  roles: ['mo_admin'],
  enabled: true,
  authTime: now - 1000,
  amr: ['pwd'],
  ...over,
})
const policy = { secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' } as const
const decide = (over: Partial<OwnUser>, act: CorrectionAct, reason = 'паспорт') => {
  const decision = authorizeCorrection({ user: user(over), self, now, policy, act, reason })
  return decision.ok ? 'allowed' : decision.code
}

const allowed: Record<CorrectionAct, readonly Role[]> = {
  demographics: ['radiographer', 'dept_head', 'mo_admin'],
  attributes: ['dept_head', 'mo_admin'],
  patients: ['dept_head', 'mo_admin'],
  rejection: ['dept_head', 'mo_admin'],
  quarantine: ['mo_admin'],
  history: ['radiographer', 'dept_head', 'mo_admin', 'security_auditor'],
}

for (const [act, wanted] of Object.entries(allowed) as [CorrectionAct, readonly Role[]][]) {
  test(`${act}: the roles that may, and nobody else`, () => {
    assert.deepEqual(
      roles.filter((role) => decide({ roles: [role] }, act) === 'allowed'),
      wanted,
    )
  })
}

test('a change needs a reason, looking back needs none', () => {
  assert.equal(decide({}, 'quarantine', '  '), 'bad_request')
  assert.equal(decide({}, 'history', ''), 'allowed')
})

test('a user of elsewhere, a disabled one and an old session change nothing', () => {
  const elsewhere = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9002')
  assert.equal(decide({ organization: elsewhere }, 'rejection'), 'forbidden')
  assert.equal(decide({ enabled: false }, 'rejection'), 'user_disabled')
  assert.equal(decide({ authTime: now - 13 * 3600 * 1000 }, 'rejection'), 'session_too_old')
})

test('the proof keeps the reason and the document, and cannot be changed', () => {
  const facts = { user: user(), self, now, policy, act: 'patients' as const, reason: ' паспорт ' }
  const decision = authorizeCorrection({ ...facts, basis: 'акт № 7' })
  assert.ok(decision.ok)
  const { act, reason, basis } = decision.grant
  assert.deepEqual([act, reason, basis], ['patients', 'паспорт', 'акт № 7'])
  assert.throws(() => Object.assign(decision.grant, { act: 'quarantine' }), TypeError)
})
