import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempDisposable } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { OrganizationOid } from '#protocol/ids.ts'
import { openRecords } from '../store/records.ts'
import { createAccounts } from './accounts.ts'
import { openAuditLog } from './audit-log.ts'
import { createDeviceUsers } from './device-users.ts'
import { createSessions } from './sessions.ts'

const organization = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001')
const login = 'radiographer.okb'
const password = 'mn4x-7kqa-b2ss-pprw'

test('a passcode of an account that was switched off is refused as a wrong one is', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-device-users-'))
  const clock = () => 1_795_000_000_000
  await using records = await openRecords(path.join(folder.path, 'records'))
  await using audit = await openAuditLog(path.join(folder.path, 'audit'), { clock })
  const deps = { records, organization, clock, random: randomBytes, audit }
  const accounts = await createAccounts(deps)
  const { id } = await accounts.create({
    login,
    password,
    name: 'Иванова Ольга',
    position: 'рентгенолаборант',
    department: 'КТ',
    roles: ['radiographer'],
  })
  const factors = { has: () => false, use: () => Promise.resolve(undefined) }
  const sessions = await createSessions({ ...deps, accounts, factors })
  const judge = createDeviceUsers({ sessions, audit, self: { oid: organization } })
  const ask = (passcode: string) =>
    judge({ kind: 'passcode', name: login, passcode, address: '10.0.0.7', callingAe: 'CT1' })
  assert.equal(await ask(password), true)
  assert.equal(await ask(`${password}.`), false)
  await accounts.disable(id)
  assert.equal(await ask(password), false)
  const codes = (await audit.list({ filter: { outcome: 'denied' } })).map(({ code }) => code)
  assert.deepEqual(codes, ['unauthenticated', 'user_disabled'])
})
