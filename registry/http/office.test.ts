import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import {
  accessRequestContent,
  deviceNoticeContent,
  enrollmentContent,
} from '#protocol/forms.fixture.ts'
import { createRegion, join, until } from '../region.fixture.ts'
import type { Region } from '../region.fixture.ts'
import { clientOf, signIn } from './client.fixture.ts'
import type { Client } from './client.fixture.ts'

type Form = { form: { id: string; status: string; number?: string }; activations?: Activation[] }
type Activation = { login: string; secret: string }

const incoming = { no: '512', date: '25.11.2026' }
const pdf = new TextEncoder().encode(`%PDF-1.4\n${'x'.repeat(1000)}`)

/** Form № 1 of an organization up to the operator's decision. */
async function enrolled(operator: Client, oid: string, over: Record<string, unknown> = {}) {
  const base = enrollmentContent()
  const content = { ...base, organization: { ...base.organization, frmoOid: oid }, ...over }
  const { id } = await operator.post<{ id: string }>('/api/enrollments', { content })
  const act = (action: unknown) => operator.post<Form>(`/api/enrollments/${id}/actions`, action)
  await act({ type: 'submit' })
  await act({ type: 'register', incoming })
  return { id, act }
}

/** Everything that has no form here is vouched for by a document. */
async function connect(operator: Client, oid: string) {
  for (const code of ['J-1', 'J-2', 'J-3', 'J-4', 'J-5', 'J-6']) {
    const body = { code, state: 'fulfilled', basis: 'приказ № 1 от 10.01.2026', date: '2026-01-10' }
    await operator.post(`/api/organizations/${oid}/checklist`, body)
  }
}

async function activated(url: string, { secret, login }: Activation) {
  const password = 'длинный пароль администратора'
  await clientOf(url).post('/api/activation', { secret, password })
  return await signIn(url, login, password)
}

describe('form № 1 from paper to the administrator’s account', () => {
  test('approval makes a card, an account and a link; № 2 has the login and no secret', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const { oid } = region.holder
    const { act, id } = await enrolled(operator, oid)
    const { activations = [], form } = await act({ type: 'approve' })
    assert.equal(form.status, 'provisioned')
    const [link] = activations
    assert.ok(link !== undefined && link.login === 'petrov.ps')
    await act({ type: 'issue_notice' })
    const view = () =>
      operator.get<{ state: string; missing: string[] }>(`/api/organizations/${oid}`)
    assert.deepEqual(await view(), {
      ...(await view()),
      state: 'onboarding',
      missing: ['J-3', 'J-4', 'J-5', 'J-6'],
    })

    const { notices } = await operator.get<{
      notices: { id: string; status: string; number: string }[]
    }>('/api/notices')
    assert.deepEqual(
      notices.map(({ status, number }) => [status, number]),
      [['issued', '2-1/2026']],
    )
    const read = async () =>
      Buffer.from(
        await (await operator.send('GET', `/api/notices/${notices[0]?.id}/pdf`)).arrayBuffer(),
      )
    assert.deepEqual(await read(), await read())
    assert.equal((await read()).subarray(0, 5).toString(), '%PDF-')

    const admin = await activated(registry.url, link)
    const again = await clientOf(registry.url).refused('/api/activation', {
      secret: link.secret,
      password: 'x'.repeat(20),
    })
    assert.equal(again.status, 403)
    const chief = await signIn(registry.url, 'zuev')
    const { records } = await chief.get<{ records: { action: string }[] }>('/api/audit?limit=1000')
    assert.ok(
      records.some(({ action }) => action === 'security-alert'),
      'the second use is an alarm',
    )
    const after = await admin.get<{ notices: { status: string }[] }>('/api/notices')
    assert.deepEqual(
      after.notices.map(({ status }) => status),
      ['acknowledged'],
    )

    const shown = await admin.get<{ content: { persons: { snils: string }[] } }>(
      `/api/enrollments/${id}`,
    )
    assert.equal(shown.content.persons[0]?.snils, '***-***-445 95')
    await assertSealed(region)
  })

  test('a refusal needs a reason, issues № 3, and can be applied for again', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const { act, id } = await enrolled(operator, region.holder.oid)
    const path = `/api/enrollments/${id}/actions`
    const without = await operator.refused(path, { type: 'refuse', reasons: [] })
    assert.deepEqual([without.status, without.reason], [400, 'no_reason'])
    await act({ type: 'refuse', reasons: [{ clause: 'J-5', text: 'нет перечня помещений' }] })
    const late = await operator.refused(path, { type: 'approve' })
    assert.deepEqual([late.status, late.reason], [409, 'wrong_state'])
    const { notices } = await operator.get<{ notices: { number: string }[] }>('/api/notices')
    assert.deepEqual(
      notices.map(({ number }) => number),
      ['3-1/2026'],
    )
    const next = await operator.post<{ status: string; previousId: string }>(
      `/api/enrollments/${id}/reapply`,
    )
    assert.deepEqual([next.status, next.previousId], ['draft', id])
  })

  test('wrong fields come back with their places, and a masked СНИЛС is not lost', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const content = { ...enrollmentContent(), notifyEmail: 'не адрес' }
    const { id } = await operator.post<{ id: string }>('/api/enrollments', { content })
    const actions = `/api/enrollments/${id}/actions`
    const wrong = await operator.refused(actions, { type: 'submit' })
    assert.deepEqual(
      [wrong.reason, wrong.fields?.map(({ path }) => path)],
      ['invalid', ['notifyEmail']],
    )
    assert.match(wrong.fields?.[0]?.message ?? '', /Укажите адрес/)
    const shown = await operator.get<{ content: Record<string, unknown> }>(`/api/enrollments/${id}`)
    const corrected = { ...shown.content, notifyEmail: 'priem@crb.kuzdrav.ru' }
    await operator.post(actions, { type: 'edit', content: corrected })
    await operator.post(actions, { type: 'submit' })
    // Two approvals of one OID cannot be.
    const first = await enrolled(operator, region.holder.oid)
    await first.act({ type: 'approve' })
    const person = {
      ...enrollmentContent().persons[0],
      snils: '123-456-789 64',
      email: 'b@crb.kuzdrav.ru',
    }
    const second = await enrolled(operator, region.holder.oid, { persons: [person] })
    const taken = await operator.refused(`/api/enrollments/${second.id}/actions`, {
      type: 'approve',
    })
    assert.deepEqual([taken.status, taken.reason], [409, 'oid_taken'])
  })

  test('attachments are what their bytes say, at most 20 MB, and whole or not there', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const operator = await signIn(registry.url, 'ivanova')
    const { id } = await operator.post<{ id: string }>('/api/enrollments', { content: {} })
    const place = `/api/enrollments/${id}/attachments?name=scan.pdf`
    const kept = (await (await operator.upload(place, 'application/pdf', pdf)).json()) as {
      sha256: string
      bytes: number
    }
    assert.equal(kept.bytes, pdf.byteLength)
    const back = await operator.send('GET', `/api/enrollments/${id}/attachments/${kept.sha256}`)
    assert.deepEqual(new Uint8Array(await back.arrayBuffer()), pdf)
    const script = new TextEncoder().encode('<script>alert(1)</script> and more')
    assert.equal((await operator.upload(place, 'application/pdf', script)).status, 415)
    const large = new Uint8Array(20 * 1024 * 1024 + 1)
    large.set(pdf)
    const status = await operator.upload(place, 'application/pdf', large).then(
      (answer) => answer.status,
      () => 413,
    )
    assert.equal(status, 413)
    const files = await readdir(path.join(region.dir, 'data', 'attachments'))
    assert.deepEqual(files, [kept.sha256])
  })
})

test('form № 4: registered apparatus reach their node, and one without an address does not', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  await using node = await join(region, region.holder, registry)
  const operator = await signIn(registry.url, 'ivanova')
  const [device] = deviceNoticeContent().devices
  const bare = { ...device, serialNumber: 'SN-2', inventoryNumber: '2', aeTitle: undefined }
  const content = {
    ...deviceNoticeContent({ devices: [device, bare] }),
    organization: region.holder.oid,
  }
  const { id } = await operator.post<{ id: string }>('/api/device-notices', { content })
  const act = (action: unknown) => operator.post(`/api/device-notices/${id}/actions`, action)
  await act({ type: 'submit' })
  await act({ type: 'register', incoming })
  await until(() => node.heard('devices').length > 0, 'the node is told')
  const { devices } = await node.request('devices.get', {})
  assert.deepEqual(
    devices.map(({ aeTitle, modality, startDate, status }) => [
      aeTitle,
      modality,
      startDate,
      status,
    ]),
    [['TISUL_CT', 'CT', '2026-12-01', 'announced']],
  )
  const { notices } = await operator.get<{
    notices: { number: string; content: { kind: string } }[]
  }>('/api/notices')
  assert.deepEqual(
    notices.map(({ number, content }) => [number, content.kind]),
    [['У4-1/2026', 'device_receipt']],
  )
  const { devices: all } = await operator.get<{
    devices: { id: string; device: { aeTitle?: string } }[]
  }>('/api/devices')
  const other = all.find(({ device }) => device.aeTitle === undefined)
  const taken = { aeTitle: 'TISUL_CT', addresses: ['10.42.7.21'] }
  assert.equal((await operator.refused(`/api/devices/${other?.id}/technical`, taken)).status, 409)
  await operator.post(`/api/devices/${other?.id}/technical`, { ...taken, aeTitle: 'TISUL_DX' })
  await operator.post(`/api/devices/${other?.id}/actions`, { type: 'decommission' })
  const records = (await node.request('devices.get', {})).devices
  assert.deepEqual(
    records.map(({ status }) => status),
    ['announced', 'decommissioned'],
  )
})

describe('form № 5', () => {
  test('rows are confirmed by the grantee, the grant is what the holder signs on that ground, and both end together', async () => {
    await using region = await createRegion({ office: true })
    await using registry = await region.start()
    const { holder, grantee } = region
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

/** Nothing on the disk has what personal data consist of. */
async function assertSealed(region: Region): Promise<void> {
  const dir = path.join(region.dir, 'data', 'registry')
  for (const name of await readdir(dir)) {
    const bytes = await readFile(path.join(dir, name))
    for (const text of ['11223344595', 'Петров', 'petrov@crb']) {
      assert.ok(!bytes.includes(Buffer.from(text)), `${text} in ${name}`)
    }
  }
}
