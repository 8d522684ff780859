import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createFederation } from '#protocol/federation.fixture.ts'
import { actors } from '#protocol/forms.fixture.ts'
import { Restriction } from '#protocol/restriction.ts'
import { createOffice } from './office.fixture.ts'
import { openRestrictions } from './restrictions.ts'
import { createRows } from './rows.ts'

test('an organization stays out whose second restriction is imposed while the first is being lifted', async () => {
  await using office = await createOffice()
  const { oid: organization } = (await createFederation()).holder
  const by = { actor: actors.operator, source: 'test' }
  const rows = createRows(office, 'restriction', Restriction)
  const keep = async (id: string, status: Restriction['status']) => {
    const restriction = Restriction.parse({
      id,
      organization,
      number: id,
      status,
      scope: 'cami',
      level: 'no_consult',
      clause: '8.2.3',
      reason: 'пароли записаны на мониторе',
      remedy: 'сменить пароли',
      start: '25.11.2026',
      evidence: [],
      proof: [],
      proposedBy: actors.operator,
      history: [],
    })
    await office.store.write([rows.write(id, restriction)])
    return id
  }
  const first = await keep('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'verified')
  const second = await keep('01ARZ3NDEKTSV4RRFFQ69G5FAW', 'proposed')
  const lifting = Promise.withResolvers<void>()
  const written = Promise.withResolvers<void>()
  let isSuspended = true
  const restrictions = await openRestrictions({
    office,
    organizations: () => ({ view: async () => undefined }),
    notices: { issue: async () => undefined, makeUp: async () => undefined },
    async suspend(_, off) {
      if (!off) {
        lifting.resolve()
        await written.promise
      }
      isSuspended = off
    },
    isSuspended: () => isSuspended,
    cito: () => [],
    changed: () => undefined,
  })
  const lifted = restrictions.act(first, { type: 'lift' }, by)
  await lifting.promise
  const imposed = restrictions.act(second, { type: 'impose' }, by)
  await new Promise((resolve) => void setTimeout(resolve, 100))
  written.resolve()
  await Promise.all([lifted, imposed])
  assert.equal(isSuspended, true)
})
