import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import {
  advanceAccessRequest,
  newAccessRequest,
  terminalAccessRequestStates,
} from './access-request.ts'
import type { AccessRequest, AccessRequestAction } from './access-request.ts'
import { checkAccessRequest, readAccessRequest } from './access-request-content.ts'
import { accessRequestContent, actors, formsNow, granteeOid, holderOid } from './forms.fixture.ts'
import { ulid, UserId } from './ids.ts'
import { reached, walk } from './life-cycle.fixture.ts'
import type { Table } from './life-cycle.fixture.ts'
import type { Actor } from './life-cycle.ts'

const id = (number: number) => ulid(number, new Uint8Array(10))
const uidOf = (number: number) => UserId.parse(`${granteeOid}#${id(number)}`)
const envelope = { id: id(1), createdBy: 'mo_admin.1', createdAt: formsNow }
const incoming = { no: '512', date: '2026-11-25' }
const reasons = [{ clause: 'J-5', text: 'нет перечня помещений' }]
const comments = [{ field: 'organization.address', comment: 'уточните индекс' }]

describe('form № 5', () => {
  const filling = 'mo_admin consult_organizer cami_operator'
  const own = 'mo_admin consult_organizer head_of_mo cami_operator'
  const operators = 'cami_operator cami_admin'
  const revokers = 'mo_admin head_of_mo cami_operator cami_admin system'
  const table: Table = {
    'draft edit draft': filling,
    'needs_correction edit needs_correction': filling,
    'draft confirm draft': 'head_of_mo',
    'needs_correction confirm needs_correction': 'head_of_mo',
    'draft submit submitted': own,
    'submitted register under_review': operators,
    'under_review confirm_row under_review': 'mo_admin system',
    'approved confirm_row approved': 'mo_admin system',
    'under_review deny_row under_review': 'mo_admin',
    'approved deny_row approved': 'mo_admin',
    'under_review approve approved': operators,
    'under_review return_for_correction needs_correction': operators,
    'under_review refuse refused': operators,
    'needs_correction resubmit under_review': own,
    'needs_correction withdraw withdrawn': own,
    'approved activate effective': 'system',
    'effective pause paused': 'system',
    'paused resume effective': 'system',
    ...Object.fromEntries(
      ['approved', 'effective', 'paused'].flatMap((from) => [
        [`${from} revoke revoked`, revokers],
        [`${from} expire expired`, 'system'],
      ]),
    ),
    ...Object.fromEntries(
      ['under_review', 'approved', 'effective', 'paused'].flatMap((from) => [
        [`${from} end_row ${from}`, 'system'],
        [`${from} restore_row ${from}`, 'system'],
      ]),
    ),
  }
  const row = {
    type: 'confirm_row',
    row: 1,
    uid: uidOf(1),
    fullName: { last: 'Ковалева', first: 'Анна', middle: 'Игоревна' },
    position: 'Врач-рентгенолог',
  } as const
  const actions: AccessRequestAction[] = [
    { type: 'edit', content: accessRequestContent() },
    { type: 'edit', content: accessRequestContent({ confirmed: false }) },
    { type: 'confirm' },
    { type: 'submit' },
    { type: 'resubmit' },
    { type: 'register', number: '5-1/2026', incoming },
    row,
    { ...row, position: 'санитар' },
    { type: 'deny_row', row: 1 },
    { type: 'approve' },
    { type: 'return_for_correction', comments },
    { type: 'refuse', reasons },
    { type: 'refuse', reasons: [] },
    { type: 'withdraw' },
    { type: 'activate', grant: id(9), users: [uidOf(1)] },
    { type: 'activate', grant: id(9), users: [uidOf(1), uidOf(2)] },
    { type: 'end_row', uid: uidOf(1) },
    { type: 'restore_row', uid: uidOf(1) },
    { type: 'pause' },
    { type: 'resume' },
    { type: 'expire' },
    { type: 'revoke', reason: 'договор окончен' },
  ]
  const start = newAccessRequest({
    ...envelope,
    content: accessRequestContent(),
    holder: holderOid,
  })
  const step = (
    form: AccessRequest,
    action: AccessRequestAction,
    actor: Actor,
    [isCut, which]: readonly boolean[],
  ) =>
    advanceAccessRequest(form, action, {
      actor,
      now: formsNow,
      facts: {
        granteeConnected: !(isCut === true && which === true),
        holderConnected: !(isCut === true && which === false),
      },
    })

  const confirmed = (): AccessRequest => {
    const path: [AccessRequestAction, Actor][] = [
      [{ type: 'confirm' }, actors.head],
      [{ type: 'submit' }, actors.admin],
      [{ type: 'register', number: '5-1/2026', incoming }, actors.operator],
      [row, actors.granteeAdmin],
    ]
    return path.reduce((form, [action, actor]) => {
      const outcome = step(form, action, actor, [false, false])
      assert.ok(outcome.ok, action.type)
      return outcome.form
    }, start)
  }

  test('no path skips the head, the grantee or the operator', () => {
    const seen = walk<AccessRequest, AccessRequestAction>({
      start,
      later: [confirmed(), confirmed()],
      actions,
      step,
      table,
      terminal: terminalAccessRequestStates,
      holds(form, before, actor, flags) {
        const { confirmedBy } = form
        if (form.status === 'submitted') assert.equal(confirmedBy?.role, 'head_of_mo')
        if (form.status === 'approved' && before.status === 'under_review') {
          assert.equal(flags[0], false)
          assert.ok(form.rows.some(({ state }) => state === 'confirmed'))
        }
        if (form.status === 'effective' && before.status === 'approved') {
          assert.ok(form.grant !== undefined && form.rows.some(({ uid }) => uid === uidOf(1)))
        }
        if (
          form.rows.some(
            (one, at) => one.state === 'confirmed' && before.rows[at]?.state !== 'confirmed',
          )
        ) {
          assert.ok(actor.organization === granteeOid || actor.role === 'system')
        }
      },
    })
    reached(seen, 'effective', 'paused', 'revoked', 'expired', 'refused', 'withdrawn')
  })

  test('a form is about another organization, and is the holder’s', () => {
    const content = readAccessRequest({ content: accessRequestContent({ granteeOrg: holderOid }) })
    const paths = (holder: string) =>
      checkAccessRequest(content, holder, formsNow).map(({ path }) => path)
    assert.deepEqual(paths(holderOid), ['granteeOrg'])
    assert.deepEqual(paths(granteeOid), ['holderOrg', 'granteeOrg'])
  })
})
