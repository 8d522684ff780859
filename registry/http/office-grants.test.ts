import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { accessRequestContent } from '#protocol/forms.fixture.ts'
import { createRegion, join, until } from '../region.fixture.ts'
import type { Region } from '../region.fixture.ts'
import { connect, incoming, pdf, signIn } from './client.fixture.ts'

describe('form № 5', () => {
  test('rows are confirmed by the grantee, the grant is what the holder signs on that ground, and both end together', async () => {
    await using region = await createRegion({ office: true })
    const { holder, grantee } = region
    // The node acts under it, and it may have 500 characters.
    const name = `ГАУЗ «${'городская '.repeat(48)}больница»`
    const [, credentialFile = ''] = region.config.credentials
    await writeFile(credentialFile, await region.sign.credential(grantee, { name }))
    await using registry = await region.start()
    await using holderNode = await join(region, holder, registry)
    await using granteeNode = await join(region, grantee, registry)
    const operator = await signIn(registry.url, 'ivanova')
    const user = region.claims.grantRequest().users[0]
    assert.ok(user !== undefined)
    const row = { ...accessRequestContent().users[0], position: user.pos }
    const content = accessRequestContent({
      holderOrg: holder.oid,
      granteeOrg: grantee.oid,
      users: [row, { ...row, fullName: 'Новиков Илья Ильич', email: 'n@okb.kuzdrav.ru' }],
      signature: { kind: 'paper', incomingNo: '77', date: '25.11.2026' },
    })
    const { id } = await operator.post<{ id: string }>('/api/access-requests', { content })
    const actions = `/api/access-requests/${id}/actions`
    await operator.post(actions, { type: 'submit' })
    await operator.post(actions, { type: 'register', incoming })
    assert.equal(
      (await operator.refused(actions, { type: 'approve' })).reason,
      'grantee_not_connected',
    )
    await connect(operator, holder.oid)
    await connect(operator, grantee.oid)
    assert.equal((await operator.refused(actions, { type: 'approve' })).reason, 'nobody_confirmed')

    const { requests } = await granteeNode.request('access-requests.get', {})
    assert.deepEqual(
      requests.map(({ side, rows }) => [side, rows.length]),
      [['grantee', 2]],
    )
    const confirmation = {
      id,
      row: 1,
      uid: user.uid,
      fullName: { last: 'Ковалева', first: 'Анна', middle: 'Игоревна' },
      position: user.pos,
    }
    await assert.rejects(
      granteeNode.request('access-request.confirm', { ...confirmation, row: 2 }),
      { code: 'bad_request' },
    )
    await assert.rejects(holderNode.request('access-request.confirm', confirmation), {
      code: 'forbidden',
    })
    await granteeNode.request('access-request.confirm', confirmation)
    await operator.post(actions, { type: 'approve' })

    const waiting = (await holderNode.request('access-requests.get', {})).requests[0]
    assert.ok(waiting?.side === 'holder')
    const sign = (over: Parameters<Region['sign']['grantRequest']>[0]) =>
      region.sign.grantRequest({ form5: waiting.form5, ...over })
    const wrong = [
      await sign({ form5: { ...waiting.form5, sha256: 'a'.repeat(64) as never } }),
      await sign({ users: [user, { ...user, row: 2, uid: `${user.uid.slice(0, -1)}Z` as never }] }),
      await sign({ users: [{ ...user, pos: 'главный врач' }] }),
    ]
    for (const request of wrong) {
      await assert.rejects(holderNode.request('grant.submit', { request }), {
        code: 'grant_mismatch',
      })
    }
    const request = await sign({})
    await holderNode.request('grant.submit', { request })
    await holderNode.request('grant.submit', { request })
    const state = async () =>
      (await operator.get<{ status: string }>(`/api/access-requests/${id}`)).status
    assert.equal(await state(), 'effective')
    const { notices } = await operator.get<{ notices: { content: { kind: string } }[] }>(
      '/api/notices',
    )
    assert.deepEqual(
      notices.map(({ content }) => content.kind),
      ['grant_notice', 'grant_notice'],
    )

    const rowState = async () => {
      const { rows } = await operator.get<{ rows: { state: string }[] }>(
        `/api/access-requests/${id}`,
      )
      return rows[0]?.state
    }
    await granteeNode.request('user.report', { user: user.uid, isOff: true })
    assert.equal(await rowState(), 'ended')
    await granteeNode.request('user.report', { user: user.uid, isOff: false })
    assert.equal(await rowState(), 'confirmed')

    await operator.post(actions, { type: 'revoke', reason: 'договор окончен' })
    const { grants } = await granteeNode.request('grant.list', {})
    assert.deepEqual([await state(), grants[0]?.active], ['revoked', false])
  })
})

describe('a restriction', () => {
  const given = {
    scope: 'both',
    level: 'no_login',
    clause: '8.2.3',
    reason: 'пароли записаны на мониторе',
    remedy: 'сменить пароли',
    start: '25.11.2026',
  }

  test('takes two people, reaches the node and the epochs, and is lifted with proof', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const { holder, grantee } = region
    await using other = await join(region, grantee, registry)
    const one = await signIn(registry.url, 'ivanova')
    const two = await signIn(registry.url, 'orlov')
    await connect(one, holder.oid)
    const state = async () =>
      (await one.get<{ state: string }>(`/api/organizations/${holder.oid}`)).state
    assert.equal(await state(), 'connected')
    const body = { ...given, organization: holder.oid }
    const { id } = await one.post<{ id: string }>('/api/restrictions', body)
    const actions = `/api/restrictions/${id}/actions`
    const preview = await one.get<Record<string, number>>(`/api/restrictions/${id}/preview`)
    assert.deepEqual(preview, { given: 0, received: 0, theirUsers: 0, ownUsers: 0, devices: 0 })
    assert.equal((await one.refused(actions, { type: 'impose' })).reason, 'two_persons_needed')
    await two.post(actions, { type: 'impose' })
    assert.equal(await state(), 'restricted')

    // Its node is let in once more, for the reason alone.
    await using node = await join(region, holder, registry)
    await assert.rejects(node.request('epoch.get', {}), { code: 'peer_suspended' })
    const { restrictions } = await node.request('restrictions.get', {})
    assert.deepEqual(
      restrictions.map(({ scope, level, clause }) => [scope, level, clause]),
      [['both', 'no_login', '8.2.3']],
    )
    await until(() => node.host.peers().length === 0, 'it is cut off then')
    await assert.rejects(join(region, holder, registry))
    await other.request('epoch.get', {})

    await one.post(actions, { type: 'report_remedy', text: 'пароли сменены' })
    assert.equal(
      (await one.refused(actions, { type: 'verify', text: 'проверено' })).reason,
      'no_proof',
    )
    await one.upload(
      `/api/restrictions/${id}/attachments?as=proof&name=act.pdf`,
      'application/pdf',
      pdf,
    )
    await one.post(actions, { type: 'verify', text: 'проверено на месте' })
    await one.post(actions, { type: 'lift' })
    assert.equal(await state(), 'connected')
    await using again = await join(region, holder, registry)
    assert.deepEqual((await again.request('restrictions.get', {})).restrictions, [])
    const { notices } = await one.get<{ notices: { content: { kind: string } }[] }>('/api/notices')
    assert.deepEqual(
      notices.map(({ content }) => content.kind),
      ['restriction_notice', 'restoration_notice'],
    )
  })

  test('survives a restart', async () => {
    await using region = await createRegion({ office: true })
    const body = { ...given, scope: 'cami', level: 'no_consult', organization: region.holder.oid }
    {
      await using registry = await region.start()
      const operator = await signIn(registry.url, 'ivanova')
      const { id } = await operator.post<{ id: string }>('/api/restrictions', body)
      await operator.post(`/api/restrictions/${id}/actions`, { type: 'impose' })
    }
    await using registry = await region.start()
    const chief = await signIn(registry.url, 'zuev')
    const { restrictions } = await chief.get<{ restrictions: { status: string }[] }>(
      '/api/restrictions',
    )
    assert.deepEqual(
      restrictions.map(({ status }) => status),
      ['imposed'],
    )
    const check = await chief.get<{ ok: boolean }>('/api/audit/check')
    assert.equal(check.ok, true)
  })
})
