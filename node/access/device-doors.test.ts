import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { holder, openTestArchive, sendSlice, temporaryFolder } from '../archive/archive.fixture.ts'
import type { Device } from '../config.ts'
import { createDeviceDoors } from './device-doors.ts'

const now = Date.parse('2026-03-01T12:00:00')
const workstation: Device = {
  id: 'ws-1',
  aeTitle: 'WS1',
  addresses: ['10.1.0.0/16'],
  modality: 'OT',
  startDate: '2026-01-01',
  services: ['query', 'retrieve'],
}
const caller = { device: 'ws-1', ae: 'WS1', address: '10.1.0.7' }
const study = '1.2.3' as StudyUid
const query = { level: 'study', match: {}, limit: 10, offset: 0 } as const

async function open(device: Device | undefined) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const archive = stack.use(await openTestArchive(folder.path, { clock: () => now }))
  await sendSlice(archive, { study, series: '1.2.3.1', sop: '1.2.3.1.1' })
  const audited: AuditEntry[] = []
  const doors = createDeviceDoors({
    archive,
    audit: { append: async (entry) => void audited.push(entry) },
    devices: { get: (id) => (device?.id === id ? device : undefined) },
    self: { oid: holder },
    clock: () => now,
  })
  const owned = stack.move()
  return { doors, audited, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test('a registered device lists and opens own studies, and each is audited first', async () => {
  await using node = await open(workstation)
  const found = await node.doors.search(caller, query, 'query')
  assert.equal(found.matches.length, 1)
  await using reader = await node.doors.open(caller, study)
  assert.equal((await reader.instances()).length, 1)
  assert.deepEqual(
    node.audited.map(({ event, outcome, user, role, source }) => [
      event,
      outcome,
      user,
      role,
      source,
    ]),
    [
      ['query', 'success', 'WS1', 'device', '10.1.0.7'],
      ['study-opened', 'success', 'WS1', 'device', '10.1.0.7'],
    ],
  )
})

for (const [what, device, from, code] of [
  ['that was taken from the register', undefined, caller, 'forbidden'],
  ['before its start date', { ...workstation, startDate: '2026-03-02' }, caller, 'forbidden'],
  ['at another address', workstation, { ...caller, address: '10.2.0.7' }, 'forbidden'],
  ['with another title', workstation, { ...caller, ae: 'WS2' }, 'forbidden'],
  ['that only stores', { ...workstation, services: ['store'] }, caller, 'operation_not_granted'],
  ['whose entry names no services', withoutServices(workstation), caller, 'operation_not_granted'],
] as [string, Device | undefined, typeof caller, string][]) {
  test(`a device ${what} gets nothing, and the audit knows why`, async () => {
    await using node = await open(device)
    const refused = (error: unknown) => codeOf(error) === 'forbidden'
    await assert.rejects(node.doors.search(from, query, 'query'), refused)
    await assert.rejects(node.doors.open(from, study), refused)
    assert.deepEqual(
      node.audited.map(({ event, outcome, code }) => [event, outcome, code]),
      [
        ['query', 'denied', code],
        ['study-opened', 'denied', code],
      ],
    )
  })
}

function withoutServices(device: Device): Device {
  const { services, ...rest } = device
  assert.ok(services !== undefined)
  return rest
}

test('a study that is not here and one that may not be read are refused alike', async () => {
  await using node = await open(workstation)
  const refused = (error: unknown) => codeOf(error) === 'forbidden'
  await assert.rejects(node.doors.open(caller, '1.2.99' as StudyUid), refused)
  assert.equal(node.audited.at(-1)?.code, 'study_not_held')
})
