import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import { AccessRequest } from '#protocol/access-request.ts'
import { Enrollment } from '#protocol/enrollment.ts'
import {
  accessRequestContent,
  deviceNoticeContent,
  enrollmentContent,
} from '#protocol/forms.fixture.ts'
import { Notice } from '#protocol/notice.ts'
import { Restriction } from '#protocol/restriction.ts'
import { createSeal, readSealKey } from '#protocol/secrets/seal.ts'
import type { z } from 'zod'
import { connect, incoming, signIn } from './http/client.fixture.ts'
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

type Running = Awaited<ReturnType<Region['start']>>

/** Form № 5 up to the operator's approval, and what the holder signs on its ground. */
async function approved(region: Region, registry: Running) {
  const { holder, grantee } = region
  await using node = await join(region, grantee, registry)
  const operator = await signIn(registry.url, 'ivanova')
  const [user] = region.claims.grantRequest().users
  assert.ok(user !== undefined)
  const content = accessRequestContent({
    holderOrg: holder.oid,
    granteeOrg: grantee.oid,
    users: [{ ...accessRequestContent().users[0], position: user.pos }],
    signature: { kind: 'paper', incomingNo: '77', date: '25.11.2026' },
  })
  const { id } = await operator.post<{ id: string }>('/api/access-requests', { content })
  const act = (action: unknown) => operator.post(`/api/access-requests/${id}/actions`, action)
  await act({ type: 'submit' })
  await act({ type: 'register', incoming })
  await connect(operator, holder.oid)
  await connect(operator, grantee.oid)
  const fullName = { last: 'Ковалева', first: 'Анна', middle: 'Игоревна' }
  const row = { id, row: 1, uid: user.uid, fullName, position: user.pos }
  await node.request('access-request.confirm', row)
  await act({ type: 'approve' })
  await using own = await join(region, holder, registry)
  const [waiting] = (await own.request('access-requests.get', {})).requests
  assert.ok(waiting !== undefined)
  return { id, request: await region.sign.grantRequest({ form5: waiting.form5 }) }
}

const submit = async (region: Region, registry: Running, request: string): Promise<void> => {
  await using node = await join(region, region.holder, registry)
  await node.request('grant.submit', { request })
}

/** A form whose grant is in force, at a registry that has stopped since. */
async function granted(region: Region): Promise<string> {
  await using registry = await region.start()
  const { id, request } = await approved(region, registry)
  await submit(region, registry, request)
  return id
}

const actives = async (region: Region, registry: Running): Promise<boolean[]> => {
  await using node = await join(region, region.grantee, registry)
  return (await node.request('grant.list', {})).grants.map(({ active }) => active)
}

const statusOf = async (operator: Client, id: string): Promise<string> =>
  (await operator.get<{ status: string }>(`/api/access-requests/${id}`)).status

describe('a form № 5 and its grant end together', () => {
  test('a stop after the form was revoked and before its grant was does not leave the grant in force', async () => {
    await using region = await createRegion({ office: true })
    const form = await granted(region)
    const to = (row: AccessRequest): AccessRequest => ({ ...row, status: 'revoked' })
    await change(region, { kind: 'access_request', schema: AccessRequest, id: form, to })
    await using registry = await region.start()
    assert.deepEqual(await actives(region, registry), [false])
  })

  test('a grant whose form did not hear of it before a stop is the form’s, and ends with it', async () => {
    await using region = await createRegion({ office: true })
    const form = await granted(region)
    const to = ({ grant: _grant, ...row }: AccessRequest): AccessRequest => ({
      ...row,
      status: 'approved',
      history: row.history.filter(({ action }) => action !== 'activate'),
    })
    await change(region, { kind: 'access_request', schema: AccessRequest, id: form, to })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    assert.equal(await statusOf(operator, form), 'effective')
    const action = { type: 'revoke', reason: 'договор окончен' }
    await operator.post(`/api/access-requests/${form}/actions`, action)
    assert.deepEqual(await actives(region, registry), [false])
  })

  test('a request that comes twice at once is one grant, which stays in force, and each side gets one letter', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const { id, request } = await approved(region, registry)
    await using node = await join(region, region.holder, registry)
    const answers = [1, 2, 3].map(() => node.request('grant.submit', { request }))
    const [first, ...others] = await Promise.all(answers)
    assert.deepEqual(others, [first, first])
    assert.deepEqual(await actives(region, registry), [true])
    const operator = await signIn(registry.url, 'ivanova')
    assert.equal(await statusOf(operator, id), 'effective')
    const { notices } = await operator.get<{ notices: unknown[] }>('/api/notices')
    assert.equal(notices.length, 2)
  })

  test('a form that did not hear of the end of its grant before a stop ends with it', async () => {
    await using region = await createRegion({ office: true })
    const form = await granted(region)
    {
      await using registry = await region.start()
      await using node = await join(region, region.grantee, registry)
      await node.request('grant.revoke', { jti: region.claims.grantRequest().jti })
    }
    const to = (row: AccessRequest): AccessRequest => ({ ...row, status: 'effective' })
    await change(region, { kind: 'access_request', schema: AccessRequest, id: form, to })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    assert.equal(await statusOf(operator, form), 'revoked')
  })

  test('no grant is made for an organization whose connection was ended after the approval', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const { id, request } = await approved(region, registry)
    const chief = await signIn(registry.url, 'zuev')
    const connection = `/api/organizations/${region.grantee.oid}/connection`
    await chief.post(connection, { isDisconnected: true })
    await assert.rejects(submit(region, registry, request))
    assert.deepEqual(await actives(region, registry), [])
    assert.equal(await statusOf(chief, id), 'approved')
    await chief.post(connection, { isDisconnected: false })
    await submit(region, registry, request)
    assert.deepEqual(await actives(region, registry), [true])
  })
})

const restriction = {
  scope: 'cami',
  level: 'no_consult',
  clause: '8.2.3',
  reason: 'пароли записаны на мониторе',
  remedy: 'сменить пароли',
  start: '25.11.2026',
}

test('an organization whose restriction was lifted is not left suspended by a stop in the middle', async () => {
  await using region = await createRegion({ office: true })
  const { oid: organization } = region.holder
  let id = ''
  {
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const body = { ...restriction, organization }
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

/** Form № 1 up to the operator's decision. */
async function enroll(operator: Client, oid: string) {
  const base = enrollmentContent()
  const content = { ...base, organization: { ...base.organization, frmoOid: oid } }
  const { id } = await operator.post<{ id: string }>('/api/enrollments', { content })
  const actions = `/api/enrollments/${id}/actions`
  await operator.post(actions, { type: 'submit' })
  await operator.post(actions, { type: 'register', incoming })
  return { id, actions }
}

describe('a form № 1 with somebody who has an account elsewhere', () => {
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

describe('a letter that a stop after the decision has kept from being written', () => {
  type Letter = { id: string; number?: string; sha256?: string; content: { kind: string } }

  /** Puts the letters back to where a stop leaves them: gone, or without a number. */
  async function lose({ config: { dataDir } }: Region, isBegun: boolean): Promise<void> {
    await using store = await openLevelStore(path.join(dataDir, 'registry'))
    const seal = createSeal(await readSealKey(path.join(dataDir, 'data-key')))
    const rows = createRows({ store, seal }, 'notice', Notice)
    for (const { number: _, issuedDate: __, sha256: ___, ...notice } of await rows.all()) {
      const { id } = notice
      const begun: Notice = { ...notice, status: 'generated', history: [] }
      await store.write([isBegun ? rows.write(id, begun) : { del: `notice/${id}` }])
    }
  }
  /** What the letters say, after the first run, after a stop that lost them, and after one more. */
  async function runs(region: Region, isBegun: boolean) {
    const read = async () => {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      return (await operator.get<{ notices: Letter[] }>('/api/notices')).notices
    }
    const before = await read()
    await lose(region, isBegun)
    const after = await read()
    assert.deepEqual(await read(), after)
    assert.ok(after.every(({ sha256 }) => sha256 !== undefined))
    const contents = (letters: Letter[]) => letters.map(({ content }) => content)
    assert.deepEqual(contents(after), contents(before))
    return after.map(({ content: { kind } }) => kind)
  }
  for (const isBegun of [false, true]) {
    const state = isBegun ? 'begun' : 'not begun'
    test(`is written at the next start: № 2 and № 3, ${state}`, async () => {
      await using region = await createRegion({ office: true })
      {
        await using registry = await region.start()
        const operator = await signIn(registry.url, 'ivanova')
        const first = await enroll(operator, region.holder.oid)
        await operator.post(first.actions, { type: 'approve' })
        await operator.post(first.actions, { type: 'issue_notice' })
        const second = await enroll(operator, region.grantee.oid)
        const reasons = [{ clause: 'J-5', text: 'нет перечня помещений' }]
        await operator.post(second.actions, { type: 'refuse', reasons })
      }
      assert.deepEqual(await runs(region, isBegun), ['access_notice', 'refusal_notice'])
    })

    test(`is written at the next start: of a grant to both sides, ${state}`, async () => {
      await using region = await createRegion({ office: true })
      await granted(region)
      assert.deepEqual(await runs(region, isBegun), ['grant_notice', 'grant_notice'])
    })
  }

  test('is written at the next start also when an older form can no longer be read', async () => {
    await using region = await createRegion({ office: true })
    const ids: string[] = []
    {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      for (const { oid } of [region.holder, region.grantee]) {
        const { id, actions } = await enroll(operator, oid)
        await operator.post(actions, {
          type: 'refuse',
          reasons: [{ clause: 'J-5', text: 'нет перечня помещений' }],
        })
        ids.push(id)
      }
    }
    const [id = '', other] = ids
    const to = (row: Enrollment): Enrollment => ({ ...row, content: {} })
    await change(region, { kind: 'enrollment', schema: Enrollment, id, to })
    await lose(region, false)
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const { notices } = await operator.get<{ notices: { source: string }[] }>('/api/notices')
    assert.deepEqual(
      notices.map(({ source }) => source),
      [other],
    )
  })

  test('is written at the next start: of apparatus and of a restriction', async () => {
    await using region = await createRegion({ office: true })
    const { oid: organization } = region.holder
    {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      const content = { ...deviceNoticeContent(), organization }
      const form = await operator.post<{ id: string }>('/api/device-notices', { content })
      const act = (action: unknown) =>
        operator.post(`/api/device-notices/${form.id}/actions`, action)
      await act({ type: 'submit' })
      await act({ type: 'register', incoming })
      const { id } = await operator.post<{ id: string }>('/api/restrictions', {
        ...restriction,
        organization,
      })
      await operator.post(`/api/restrictions/${id}/actions`, { type: 'impose' })
    }
    assert.deepEqual(await runs(region, false), ['device_receipt', 'restriction_notice'])
  })
})
