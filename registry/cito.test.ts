import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeToken } from '#protocol/jws.ts'
import { epochKind } from '#protocol/epoch.ts'
import { createRegion, join } from './region.fixture.ts'
import { signIn } from './http/client.fixture.ts'
import type { Cito } from './cito.ts'

const hour = 3_600_000
const study = '1.2.643.5.1.13.13.12.2.42.1001.7.1'
const reason = 'Больной поступил с инсультом, нужна прежняя КТ'
const given = {
  scope: 'cami',
  level: 'no_consult',
  clause: '8.2.3',
  reason: 'пароли записаны на мониторе',
  remedy: 'сменить пароли',
  start: '25.11.2026',
}

test('a suspended organization may read one study for a day: its holder’s epoch says so, and its own node hears it', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  const { holder, grantee } = region
  await using node = await join(region, holder, registry)
  const operator = await signIn(registry.url, 'ivanova')
  const body = { organization: grantee.oid, holder: holder.oid, study, reason }
  const epoch = async () => {
    const { epoch } = await node.request('epoch.get', {})
    return decodeToken(epoch, epochKind).claims
  }
  assert.equal((await operator.refused('/api/cito', body)).code, 'conflict')
  const restriction = { ...given, organization: grantee.oid }
  const { id } = await operator.post<{ id: string }>('/api/restrictions', restriction)
  await operator.post(`/api/restrictions/${id}/actions`, { type: 'impose' })
  const own = async () => {
    await using suspended = await join(region, grantee, registry)
    return (await suspended.request('restrictions.get', {})).restrictions
  }
  assert.deepEqual(
    (await own()).map(({ cito }) => cito),
    [undefined],
  )
  await assert.rejects(own())
  assert.equal((await epoch()).cito, undefined)
  for (const wrong of [{ reason: 'надо' }, { study: 'x' }]) {
    assert.equal((await operator.refused('/api/cito', { ...body, ...wrong })).status, 400)
  }
  assert.equal(
    (await operator.refused('/api/cito', { ...body, holder: grantee.oid })).code,
    'not_found',
  )

  const opened = await operator.post<Cito>('/api/cito', body)
  assert.equal(opened.until - opened.openedAt, 24 * hour)
  const { mo_off, cito } = await epoch()
  assert.deepEqual(mo_off, [grantee.urn])
  const until = Math.floor(opened.until / 1000)
  assert.deepEqual(cito, [{ id: opened.id, org: grantee.urn, study, until }])
  assert.deepEqual(
    (await own()).map(({ cito }) => cito),
    [[{ study, until: opened.until }]],
  )
  const second = await operator.post<Cito>('/api/cito', body)
  await operator.post(`/api/cito/${second.id}/withdrawal`)
  const again = await operator.refused(`/api/cito/${second.id}/withdrawal`)
  assert.equal(again.code, 'conflict')
  assert.deepEqual(
    (await epoch()).cito?.map(({ id }) => id),
    [opened.id],
  )
  region.clock.advance(24 * hour)
  await node.request('epoch.get', {})
  assert.equal((await epoch()).cito, undefined, 'by itself')

  const chief = await signIn(registry.url, 'zuev')
  const { cito: all } = await chief.get<{ cito: Cito[] }>('/api/cito')
  assert.equal(all.length, 2)
  const { records } = await chief.get<{ records: { action: string; subject: string }[] }>(
    '/api/audit?limit=200',
  )
  assert.deepEqual(
    records.filter(({ action }) => action.startsWith('cito.')).map(({ action }) => action),
    ['cito.open', 'cito.open', 'cito.withdraw'],
  )
  assert.ok(!JSON.stringify(records).includes(study))
})
