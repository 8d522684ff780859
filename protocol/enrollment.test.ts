import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  advanceEnrollment,
  enrollmentWarnings,
  newEnrollment,
  readEnrollment,
  terminalEnrollmentStates,
} from './enrollment.ts'
import type { Enrollment, EnrollmentAction } from './enrollment.ts'
import { foldName } from './fields/full-name.ts'
import { actors, enrollmentContent, formsNow } from './forms.fixture.ts'
import { ulid } from './ids.ts'
import { reached, walk } from './life-cycle.fixture.ts'
import type { Table } from './life-cycle.fixture.ts'
import type { Actor } from './life-cycle.ts'

const id = (number: number) => ulid(number, new Uint8Array(10))
const envelope = { id: id(1), createdBy: 'mo_admin.1', createdAt: formsNow }
const incoming = { no: '512', date: '2026-11-25' }
const reasons = [{ clause: 'J-5', text: 'нет перечня помещений' }]
const comments = [{ field: 'organization.address', comment: 'уточните индекс' }]

describe('form № 1', () => {
  const filling = 'applicant mo_admin head_of_mo cami_operator'
  const operators = 'cami_operator cami_admin'
  const table: Table = {
    'draft edit draft': filling,
    'needs_correction edit needs_correction': filling,
    'draft submit submitted': filling,
    'submitted register under_review': operators,
    'submitted receive_signature submitted': operators,
    'under_review receive_signature under_review': operators,
    'under_review return_for_correction needs_correction': operators,
    'under_review approve approved': operators,
    'under_review refuse refused': operators,
    'needs_correction resubmit under_review': filling,
    'needs_correction withdraw withdrawn': filling,
    'approved provision provisioned': 'system',
    'provisioned issue_notice completed': operators,
  }
  const actions: EnrollmentAction[] = [
    { type: 'edit', content: enrollmentContent() },
    { type: 'edit', content: enrollmentContent({ headSignature: undefined }) },
    { type: 'edit', content: enrollmentContent({ confirmed: false }) },
    { type: 'submit' },
    { type: 'resubmit' },
    { type: 'withdraw' },
    { type: 'register', number: '1-1/2026', incoming },
    { type: 'approve' },
    { type: 'return_for_correction', comments },
    { type: 'return_for_correction', comments: [] },
    { type: 'refuse', reasons: [] },
    { type: 'refuse', reasons },
    { type: 'provision', logins: [{ row: 1, login: 'petrov' }] },
    { type: 'provision', logins: [] },
    { type: 'issue_notice' },
    {
      type: 'receive_signature',
      signature: { kind: 'paper', incomingNo: '1', date: '2026-11-25' },
    },
  ]
  const start = newEnrollment({ ...envelope, content: enrollmentContent() })
  const step = (
    form: Enrollment,
    action: EnrollmentAction,
    actor: Actor,
    flags: readonly boolean[] = [false],
  ) =>
    advanceEnrollment(form, action, {
      actor,
      now: formsNow,
      facts: { oidTaken: flags[0] ?? false, takenPersons: [] },
    })

  test('no path skips a step or a condition', () => {
    const seen = walk<Enrollment, EnrollmentAction>({
      start,
      actions,
      step,
      table,
      terminal: terminalEnrollmentStates,
      holds(form, before, actor, flags) {
        if (form.status === 'submitted') assert.equal(readEnrollment(form).confirmed, true)
        if (form.status === 'refused') assert.ok(form.reasons.length > 0)
        if (form.status === 'needs_correction' && before.status !== form.status) {
          assert.ok(form.comments.length > 0)
        }
        if (form.status === 'approved') {
          const { headSignature, persons } = readEnrollment(form)
          assert.ok(headSignature !== undefined && flags[0] === false)
          assert.ok(persons.every(({ fullName }) => foldName(fullName) !== foldName(actor.name)))
        }
        assert.equal(
          form.version,
          before.version +
            Number(before.status === 'needs_correction' && form.status === 'under_review'),
        )
      },
    })
    reached(seen, 'completed', 'refused', 'withdrawn')
  })

  test('who is named in the form does not approve it', () => {
    const { operator } = actors
    const under = [{ type: 'submit' }, { type: 'register', number: '1-1/2026', incoming }] as const
    let form = start
    for (const action of under) {
      const outcome = step(form, action, operator)
      assert.ok(outcome.ok)
      form = outcome.form
    }
    const named = { ...operator, name: 'ПЕТРОВ Петр Сергеевич' }
    assert.deepEqual(step(form, { type: 'approve' }, named), { ok: false, code: 'same_person' })
    assert.ok(step(form, { type: 'approve' }, operator).ok)
  })

  test('every wrong field has a sentence in Russian at its place', () => {
    const content = enrollmentContent({
      persons: [{ responsibility: 'mo_admin', fullName: 'Петров П.С.', snils: '112-233-445 96' }],
      confirmed: false,
      notifyEmail: undefined,
      extra: 1,
    })
    const outcome = step({ ...start, content }, { type: 'submit' }, actors.applicant)
    assert.ok(!outcome.ok && outcome.code === 'invalid')
    const paths = new Set(outcome.fields?.map(({ path }) => path))
    for (const path of [
      'persons.0.snils',
      'persons.0.fullName.first',
      'persons.0.phone',
      'confirmed',
      'notifyEmail',
    ]) {
      assert.ok(paths.has(path), path)
    }
    for (const { message } of outcome.fields ?? []) assert.match(message, /[а-яё]/)
    const twice = enrollmentContent()
    const doubled = { ...twice, persons: [...twice.persons, ...twice.persons] }
    const again = step({ ...start, content: doubled }, { type: 'submit' }, actors.applicant)
    assert.ok(!again.ok && again.fields?.some(({ path }) => path === 'persons.1.snils'))
  })

  test('another region is a warning, not an error', () => {
    const base = enrollmentContent()
    const organization = { ...base.organization, frmoOid: '1.2.643.5.1.13.13.12.2.77.7799' }
    const outcome = step(
      { ...start, content: { ...base, organization } },
      { type: 'submit' },
      actors.applicant,
    )
    assert.ok(outcome.ok)
    const warnings = enrollmentWarnings(readEnrollment(outcome.form))
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['organization.frmoOid'],
    )
  })
})
