import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  answerNeed,
  answerOwn,
  anyOwnWorld,
  expectedNeed,
  expectedOwn,
  ownFacts,
  type OwnWorld,
} from './authorize-own.fixture.ts'
import { authorizeLocal, authorizeSearch } from './authorize.ts'
import { studyFacts } from './federation.fixture.ts'

const runs = { seed: 856, numRuns: 30_000 }
const admin: OwnWorld = {
  organization: 'this one',
  account: 'on',
  signedIn: 'just now',
  factors: 'one',
  policy: 'required',
  roles: ['mo_admin'],
  door: 'quarantine',
  allowed: [],
}

test('at home each door answers as the rules say, whatever comes together', () => {
  const reached = new Set<string>()
  fc.assert(
    fc.property(anyOwnWorld, (world) => {
      const answer = answerOwn(world)
      reached.add(answer)
      assert.equal(answer, expectedOwn(world))
    }),
    runs,
  )
  assert.equal(reached.size, 6)
})

test('who is led to a second factor: those alone whom it keeps from something', () => {
  fc.assert(
    fc.property(anyOwnWorld, (world) => assert.deepEqual(answerNeed(world), expectedNeed(world))),
    runs,
  )
})

test('an administrator without a second factor is told so where the policy requires one', () => {
  assert.equal(answerOwn(admin), 'second_factor_required')
  assert.equal(answerOwn({ ...admin, policy: 'optional' }), 'allowed')
  assert.equal(answerOwn({ ...admin, factors: 'two' }), 'allowed')
  assert.equal(answerOwn({ ...admin, factors: 'a key' }), 'allowed')
})

test('a role that needs none opens what it opens, beside one that does', () => {
  const roles: OwnWorld['roles'] = ['mo_admin', 'radiographer']
  assert.equal(answerOwn({ ...admin, roles, door: 'store' }), 'allowed')
  assert.equal(answerOwn({ ...admin, roles }), 'second_factor_required')
})

test('what she reads and finds at home needs no second factor', () => {
  const { policy, ...facts } = ownFacts({ ...admin, roles: ['radiologist'] })
  assert.equal(policy.secondFactor, 'required')
  const study = studyFacts(facts.self)
  assert.equal(authorizeLocal({ ...facts, operation: 'view', study }).ok, true)
  assert.equal(authorizeSearch(facts.user, facts.self, facts.now).ok, true)
})
