import { test } from 'node:test'
import assert from 'node:assert/strict'
import { actors, formsNow, holderOid } from './forms.fixture.ts'
import { ulid } from './ids.ts'
import { reached, walk } from './life-cycle.fixture.ts'
import {
  advanceRestriction,
  needsTwo,
  restrictionAgainst,
  terminalRestrictionStates,
} from './restriction.ts'
import type { Restriction, RestrictionAction, RestrictionRecord } from './restriction.ts'

const id = (number: number) => ulid(number, new Uint8Array(10))

test('a restriction is lifted only after a remedy with proof, and the hardest take two people', () => {
  const operators = 'cami_operator cami_admin'
  const own = 'mo_admin head_of_mo cami_operator cami_admin'
  const attachment = {
    sha256: 'a'.repeat(64),
    name: 'акт.pdf',
    type: 'application/pdf',
    bytes: 10,
    at: formsNow,
  } as unknown as Restriction['proof'][number]
  const start = {
    id: id(3),
    number: 'О-1/2026',
    organization: holderOid,
    scope: 'both',
    level: 'read_only',
    clause: '8.2.3',
    reason: 'пароли записаны на мониторе',
    remedy: 'сменить пароли',
    start: '2026-11-25',
    status: 'proposed',
    evidence: [],
    proof: [],
    proposedBy: actors.operator,
    history: [],
  } as const satisfies Restriction
  const seen = walk<Restriction, RestrictionAction>({
    start: { ...start, evidence: [], proof: [], history: [] },
    actions: [
      { type: 'impose' },
      { type: 'add_proof', attachment },
      { type: 'add_evidence', attachment },
      { type: 'report_remedy', text: 'сменили' },
      { type: 'reject_remedy', text: 'не все' },
      { type: 'verify', text: 'проверено' },
      { type: 'lift' },
    ],
    step: (form, action, actor) =>
      advanceRestriction(form, action, { actor, now: formsNow, facts: null }),
    table: {
      'proposed impose imposed': operators,
      'proposed discard lifted': operators,
      'imposed report_remedy remedy_reported': own,
      'remedy_reported reject_remedy imposed': operators,
      'remedy_reported verify verified': operators,
      'verified lift lifted': operators,
      'imposed add_proof imposed': own,
      'remedy_reported add_proof remedy_reported': own,
      ...Object.fromEntries(
        ['proposed', 'imposed', 'remedy_reported', 'verified'].map((from) => [
          `${from} add_evidence ${from}`,
          operators,
        ]),
      ),
    },
    terminal: terminalRestrictionStates,
    holds(form, before, actor) {
      if (before.status === 'proposed' && form.status === 'imposed') {
        assert.notEqual(actor.account, actors.operator.account)
      }
      if (form.status === 'verified' || form.status === 'lifted') assert.ok(form.proof.length > 0)
    },
  })
  reached(seen, 'verified', 'lifted')
  assert.ok(needsTwo({ scope: 'proxy', level: 'no_login' }))
  assert.ok(!needsTwo({ scope: 'proxy', level: 'no_export' }))
})

test('what a restriction forbids at the node follows its scope and level', () => {
  const record = (scope: RestrictionRecord['scope'], level: RestrictionRecord['level']) =>
    [
      { number: '1', scope, level, clause: '8', reason: '', remedy: '', start: '2026-11-25' },
    ] as const
  const acts = ['login', 'write', 'export', 'consult'] as const
  const forbidden = (scope: RestrictionRecord['scope'], level: RestrictionRecord['level']) =>
    acts.filter((act) => restrictionAgainst(act, record(scope, level)) !== undefined).join(' ')
  assert.equal(forbidden('proxy', 'no_login'), 'login write export consult')
  assert.equal(forbidden('both', 'read_only'), 'write consult')
  assert.equal(forbidden('both', 'no_export'), 'export')
  assert.equal(forbidden('proxy', 'no_consult'), 'consult')
  assert.equal(forbidden('cami', 'no_login'), '')
})
