import { test } from 'node:test'
import assert from 'node:assert/strict'
import { signIn } from './http/client.fixture.ts'
import { createRegion } from './region.fixture.ts'

type View = { card: { persons: { id: string; to?: string }[] } }

test('only a person of the card is dismissed, and her last day stays', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  const operator = await signIn(registry.url, 'ivanova')
  const persons = `/api/organizations/${region.holder.oid}/persons`
  const { card } = await operator.post<View>(persons, {
    kind: 'technical',
    fullName: { last: 'Петров', first: 'Пётр' },
    position: 'инженер',
    phone: '83844721540',
    email: 'p@crb.kuzdrav.ru',
    from: '2026-11-20',
  })
  const dismiss = async (id: string | undefined) =>
    await operator.send('DELETE', `${persons}/${id}`)
  assert.equal((await dismiss('01ARZ3NDEKTSV4RRFFQ69G5FAV')).status, 404)
  const id = card.persons[0]?.id
  const lastDay = async () => {
    const answer = await dismiss(id)
    assert.equal(answer.status, 200)
    return ((await answer.json()) as View).card.persons[0]?.to
  }
  const first = await lastDay()
  assert.ok(first)
  region.clock.advance(2 * 24 * 3_600_000)
  const later = await signIn(registry.url, 'ivanova')
  const again = await later.send('DELETE', `${persons}/${id}`)
  assert.equal(((await again.json()) as View).card.persons[0]?.to, first)
  const chief = await signIn(registry.url, 'zuev')
  const { records } = await chief.get<{ records: { action: string }[] }>('/api/audit')
  assert.equal(records.filter(({ action }) => action === 'organization.dismiss').length, 2)
})
