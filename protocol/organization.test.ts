import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { conditionCodes, emptyChecklist, organizationState } from './organization.ts'

test('an organization is connected only when every condition is fulfilled', () => {
  const condition = fc.constantFrom('missing', 'fulfilled', 'not_required')
  const facts = fc.record({
    hasApplied: fc.boolean(),
    isEnrolled: fc.boolean(),
    isRestricted: fc.boolean(),
    isDisconnected: fc.boolean(),
    checklist: fc.tuple(...conditionCodes.map(() => condition)).map((states) => {
      const list = emptyChecklist()
      for (const [at, code] of conditionCodes.entries())
        list[code] = { state: states[at] ?? 'missing' }
      return list
    }),
  })
  fc.assert(
    fc.property(facts, (given) => {
      const isWhole = conditionCodes.every((code) => {
        const { state } = given.checklist[code]
        return state === 'fulfilled' || (code === 'J-4' && state === 'not_required')
      })
      const state = organizationState(given)
      if (state === 'connected') assert.ok(isWhole && given.isEnrolled && !given.isRestricted)
      if (given.isDisconnected) assert.equal(state, 'disconnected')
    }),
    { seed: 3, numRuns: 500 },
  )
})
