import { test } from 'node:test'
import assert from 'node:assert/strict'
import { authorizeRoute, type RouteFacts, type StudyFacts } from './authorize.ts'
import { OrganizationOid, StudyUid } from './ids.ts'

const self = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const other = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9002')
const study: StudyFacts = {
  study: StudyUid.parse('1.2.3'),
  holder: self,
  modalities: ['CT', 'SR'],
  date: '20260101',
  device: 'ct-1',
  withheld: false,
}
const codeOf = (route: Partial<RouteFacts['route']>, change: Partial<StudyFacts> = {}): string => {
  const facts = { now: 1, self, route: { to: 'ARCHIVE', ...route }, study: { ...study, ...change } }
  const decision = authorizeRoute(facts)
  return decision.ok ? decision.grant.user : decision.code
}

test('a route opens the own studies that fit all of its lists, and no other', () => {
  assert.equal(codeOf({}), 'route:ARCHIVE')
  assert.equal(codeOf({ devices: ['ct-1'], modalities: ['CT'] }), 'route:ARCHIVE')
  assert.equal(codeOf({ devices: ['ct-2'], modalities: ['CT'] }), 'study_out_of_scope')
  assert.equal(codeOf({ devices: ['ct-1'], modalities: ['MR'] }), 'study_out_of_scope')
  assert.equal(codeOf({ devices: [] }), 'study_out_of_scope')
  assert.equal(codeOf({}, { withheld: true }), 'study_withheld')
  assert.equal(codeOf({}, { holder: other }), 'study_not_held')
  const absent = authorizeRoute({ now: 1, self, route: { to: 'ARCHIVE' } })
  assert.equal(absent.ok ? '' : absent.code, 'study_not_held')
})
