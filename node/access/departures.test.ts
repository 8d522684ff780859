import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { createAccounts } from './accounts.ts'
import { openDepartures } from './departures.ts'
import type { FederationChange, RegistryAccess } from './federation.ts'

const organization = '1.2.643.5.1.13.13.12.2.42.1001' as OrganizationOid
const person = {
  name: 'Ковалева Анна Игоревна',
  position: 'врач-рентгенолог',
  department: '',
  roles: ['radiologist' as const],
  password: 'a long password 17',
}

test('who leaves is told to the registry once, also when it was away or the node stopped; a return takes it back', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-departures-'))
  const heard: [string, boolean][] = []
  const state: { isAway: boolean; isRefusing: boolean; isDeaf: boolean } = {
    isAway: false,
    isRefusing: false,
    isDeaf: false,
  }
  const listeners = new Set<(change: FederationChange) => void>()
  const access = {
    request: async (_: string, { user, isOff }: { user: string; isOff: boolean }) => {
      if (state.isRefusing) throw new ProtocolError('stream_closed', 'cut before the registry')
      heard.push([user, isOff])
      if (state.isDeaf) throw new ProtocolError('stream_closed', 'cut before the answer')
      return {}
    },
  } as unknown as RegistryAccess
  const federation = {
    registry: () => (state.isAway ? undefined : access),
    onChange: (listener: (change: FederationChange) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const start = async () => {
    await using stack = new AsyncDisposableStack()
    const records = stack.use(await openRecords(dir))
    const random = (count: number) => crypto.getRandomValues(new Uint8Array(count))
    const accounts = await createAccounts({ records, organization, clock: Date.now, random })
    const departures = stack.use(
      await openDepartures({ accounts, records, federation, log: silentLog }),
    )
    const owned = stack.move()
    return { accounts, departures, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }
  let [anna, boris] = ['', '']
  {
    await using node = await start()
    anna = (await node.accounts.create({ ...person, login: 'anna' })).id
    boris = (await node.accounts.create({ ...person, login: 'boris' })).id
    await node.accounts.setPassword(anna, 'another password 17')
    await node.departures.report()
    assert.deepEqual(heard, [], 'who works here is not spoken of')
    await node.accounts.disable(anna)
    await node.departures.report()
    await node.departures.report()
    assert.deepEqual(heard.splice(0), [[`${organization}#${anna}`, true]])
    state.isAway = true
    await node.accounts.disable(boris)
    await node.departures.report()
    state.isAway = false
    state.isRefusing = true
    await node.departures.report()
    assert.deepEqual(heard, [])
  }
  state.isRefusing = false
  {
    await using node = await start()
    for (const listener of listeners) listener('registry')
    await node.departures.report()
    assert.deepEqual(heard.splice(0), [[`${organization}#${boris}`, true]])
    await node.accounts.enable(anna)
    await node.departures.report()
    assert.deepEqual(heard.splice(0), [[`${organization}#${anna}`, false]])
    state.isDeaf = true
    await node.accounts.disable(anna)
    await node.departures.report()
    assert.ok(heard.splice(0).length > 0, 'it was heard, and nobody knows it')
    state.isDeaf = false
    state.isAway = true
    await node.accounts.enable(anna)
  }
  state.isAway = false
  {
    await using node = await start()
    await node.departures.report()
    await node.departures.report()
    assert.deepEqual(heard, [[`${organization}#${anna}`, false]], 'what may have been heard')
    heard.splice(0)
    await node.accounts.disable(boris)
    await node.departures.report()
    state.isDeaf = true
    await node.accounts.enable(boris)
    await node.departures.report()
    state.isDeaf = false
    heard.splice(0)
    await node.accounts.disable(boris)
    await node.departures.report()
    assert.deepEqual(heard, [[`${organization}#${boris}`, true]], 'and the same of a return')
  }
  assert.equal(listeners.size, 0)
  await rm(dir, { recursive: true })
})
