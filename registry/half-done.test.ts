import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import { Enrollment } from '#protocol/enrollment.ts'
import { enrollmentContent } from '#protocol/forms.fixture.ts'
import { Restriction } from '#protocol/restriction.ts'
import { createSeal, readSealKey } from '#protocol/secrets/seal.ts'
import type { z } from 'zod'
import { incoming, signIn } from './http/client.fixture.ts'
import type { Client } from './http/client.fixture.ts'
import { createRegion, join } from './region.fixture.ts'
import type { Region } from './region.fixture.ts'
import { createRows } from './rows.ts'
import { openLevelStore } from './store/level-store.ts'

/** Puts one row into the state that a stop in the middle leaves, while no registry runs. */
async function change<T>(
  { config: { dataDir } }: Region,
  what: { kind: string; schema: z.ZodType<T>; id: string; to: (row: T) => T },
): Promise<void> {
  await using store = await openLevelStore(path.join(dataDir, 'registry'))
  const seal = createSeal(await readSealKey(path.join(dataDir, 'data-key')))
  const rows = createRows({ store, seal }, what.kind, what.schema)
  const row = await rows.get(what.id)
  assert.ok(row !== undefined)
  await store.write([rows.write(what.id, what.to(row))])
}

test('an organization whose restriction was lifted is not left suspended by a stop in the middle', async () => {
  await using region = await createRegion({ office: true })
  const { oid: organization } = region.holder
  let id = ''
  {
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const body = {
      organization,
      scope: 'cami',
      level: 'no_consult',
      clause: '8.2.3',
      reason: 'пароли записаны на мониторе',
      remedy: 'сменить пароли',
      start: '25.11.2026',
    }
    ;({ id } = await operator.post<{ id: string }>('/api/restrictions', body))
    await operator.post(`/api/restrictions/${id}/actions`, { type: 'impose' })
  }
  const to = (row: Restriction): Restriction => ({ ...row, status: 'lifted' })
  await change(region, { kind: 'restriction', schema: Restriction, id, to })
  await using registry = await region.start()
  await using node = await join(region, region.holder, registry)
  assert.deepEqual((await node.request('restrictions.get', {})).restrictions, [])
  await using again = await join(region, region.holder, registry)
  assert.ok(await again.request('epoch.get', {}))
})

describe('a form № 1 with somebody who has an account elsewhere', () => {
  const enroll = async (operator: Client, oid: string) => {
    const base = enrollmentContent()
    const content = { ...base, organization: { ...base.organization, frmoOid: oid } }
    const { id } = await operator.post<{ id: string }>('/api/enrollments', { content })
    const actions = `/api/enrollments/${id}/actions`
    await operator.post(actions, { type: 'submit' })
    await operator.post(actions, { type: 'register', incoming })
    return { id, actions }
  }

  test('is not approved, and says which row; the operator can still return it, and the registry starts', async () => {
    await using region = await createRegion({ office: true })
    let second = { id: '', actions: '' }
    {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      const first = await enroll(operator, region.holder.oid)
      await operator.post(first.actions, { type: 'approve' })
      second = await enroll(operator, region.grantee.oid)
      const refused = await operator.refused(second.actions, { type: 'approve' })
      assert.deepEqual(
        [refused.reason, refused.fields?.map((field) => field.path)],
        ['invalid', ['persons.0.snils']],
      )
    }
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const { status } = await operator.get<{ status: string }>(`/api/enrollments/${second.id}`)
    assert.equal(status, 'under_review')
  })

  test('approved all the same, as by an earlier registry, keeps no registry from starting', async () => {
    await using region = await createRegion({ office: true })
    let id = ''
    {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      const first = await enroll(operator, region.holder.oid)
      await operator.post(first.actions, { type: 'approve' })
      ;({ id } = await enroll(operator, region.grantee.oid))
    }
    const to = (row: Enrollment): Enrollment => ({ ...row, status: 'approved' })
    await change(region, { kind: 'enrollment', schema: Enrollment, id, to })
    await using registry = await region.start()
    assert.equal((await fetch(`${registry.url}/health`)).status, 200)
  })
})
