import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { deviceNoticeContent, enrollmentContent } from '#protocol/forms.fixture.ts'
import { studyRecord } from '#protocol/federation.fixture.ts'
import { createIndexWriter, createRegion, join, until } from '../region.fixture.ts'
import type { Region } from '../region.fixture.ts'
import { clientOf, incoming, pdf, signIn } from './client.fixture.ts'
import type { Client } from './client.fixture.ts'

type Form = { form: { id: string; status: string; number?: string }; activations?: Activation[] }
type Activation = { login: string; secret: string }

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

test('what no form takes does not stay on the disk, and what another form has does', async () => {
  await using region = await createRegion({ office: true })
  const dir = path.join(region.dir, 'data', 'attachments')
  await mkdir(dir, { recursive: true })
  // Of an upload that a stop has cut off.
  await writeFile(path.join(dir, '8d3f1c52-0000-4000-8000-000000000000.part'), pdf)
  await using registry = await region.start()
  assert.deepEqual(await readdir(dir), [])
  const operator = await signIn(registry.url, 'ivanova')
  const { id } = await operator.post<{ id: string }>('/api/enrollments', { content: {} })
  const upload = (form: string, body: typeof pdf, name = 'scan.pdf') =>
    operator.upload(`/api/enrollments/${form}/attachments?name=${name}`, 'application/pdf', body)
  const kept = (await (await upload(id, pdf)).json()) as { sha256: string }
  const refused = await enrolled(operator, region.holder.oid)
  await refused.act({ type: 'refuse', reasons: [{ clause: 'J-5', text: 'нет перечня помещений' }] })
  const before = await readdir(dir)
  const another = new TextEncoder().encode(`%PDF-1.7\n${'y'.repeat(1000)}`)
  assert.equal((await upload(refused.id, another)).status, 409)
  assert.equal((await upload(refused.id, pdf)).status, 409)
  assert.deepEqual(await readdir(dir), before)
  assert.equal((await upload(id, another, '%20')).status, 400)
  assert.deepEqual(await readdir(dir), before)
  assert.ok(before.includes(kept.sha256))
})

test('a form with one attachment too many is refused, and no list is closed by it', async () => {
  await using region = await createRegion({ office: true })
  await using registry = await region.start()
  const operator = await signIn(registry.url, 'ivanova')
  const { id } = await operator.post<{ id: string }>('/api/enrollments', { content: {} })
  const place = `/api/enrollments/${id}/attachments?name=scan.pdf`
  const statuses = new Set<number>()
  for (let at = 0; at < 50; at++) {
    statuses.add((await operator.upload(place, 'application/pdf', pdf)).status)
  }
  assert.deepEqual([...statuses], [200])
  const last = await operator.upload(place, 'application/pdf', pdf)
  assert.equal(last.status, 400)
  assert.match(await last.text(), /"path":"attachments","message":"Сократите: не больше 50\."/)
  const { forms } = await operator.get<{ forms: unknown[] }>('/api/enrollments')
  assert.equal(forms.length, 1)
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
  const first = all.find(({ device }) => device.aeTitle === 'TISUL_CT')
  const life = `/api/devices/${first?.id}/actions`
  await operator.post(life, { type: 'test' })
  await operator.post(life, { type: 'pass', checks: { echo: true, testObject: true, tags: true } })
  const next = createIndexWriter(region, region.holder)
  const push = async () => {
    const record = { ...studyRecord, device: first?.id ?? '' }
    await node.request('index.push', { entries: [await next({ record })] })
  }
  const statuses = async () =>
    (await node.request('devices.get', {})).devices.map(({ status }) => status)
  await push()
  region.clock.advance(7 * 24 * 3600_000)
  assert.deepEqual((await statuses()).toSorted(), ['decommissioned', 'scheduled'])
  await push()
  const hasBegun = async () => (await statuses()).includes('broadcasting')
  await until(hasBegun, 'the broadcast has begun')
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
