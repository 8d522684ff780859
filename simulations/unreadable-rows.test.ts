import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { pino } from 'pino'
import { ProtocolError } from '#protocol/errors.ts'
import type { NodeConfig } from '../node/config.ts'
import { createNode } from '../node/node.ts'
import { bytesOfRow, damageRow } from '../node/store/damage.fixture.ts'
import { openRecords, type Records } from '../node/store/records.ts'
import { seedAccounts } from './accounts.ts'
import { ensureCertificate } from './certificate.ts'
import { nodeConfig } from './configuration.ts'
import { createIdentities } from './identities.ts'
import { freePorts, members } from './layout.ts'

const id = (last: string): string => `01J000000000000000000000${last}`
/** Of each kind one row that is of another version and one whose bytes are not those that were written. */
const rows: Record<string, { malformed: string; damaged: string }> = {
  device: { malformed: 'okb-storescu', damaged: 'okb-any-scu' },
  'text-encoding': { malformed: 'okb-getscu', damaged: 'okb-findscu' },
  'text-learning': { malformed: 'okb-getscu', damaged: 'okb-findscu' },
  'device-clock': { malformed: 'okb-getscu', damaged: 'okb-findscu' },
  send: { malformed: id('A1'), damaged: id('A2') },
  'commitment-report': { malformed: id('B1'), damaged: id('B2') },
  'procedure-step': { malformed: '1.2.3.1', damaged: '1.2.3.2' },
  'procedure-step-awaited': { malformed: '1.2.3.3', damaged: '1.2.3.4' },
  referral: { malformed: id('C1'), damaged: id('C2') },
  'send-cursor': { malformed: 'OTHER@127.0.0.1:104', damaged: 'PACS@127.0.0.1:104' },
}
/** Their keys are nobody's data. */
const told = new Set(Object.keys(rows).filter((kind) => !kind.startsWith('procedure-step')))

test('a node starts with rows of every kind that it cannot read, leaves them and says so', async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-unreadable-'))
  const config = await configurationIn(dataDir)
  const dir = path.join(config.dataDir, 'records')
  await writeRows(dir)
  const before = await bytesOfAll(dir)
  const lines: Record<string, unknown>[] = []
  const log = pino(
    { level: 'error' },
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  )
  {
    await using node = await createNode(config, { log, clock: Date.now, random: randomBytes })
    assert.ok(node.ready.http)
    const admin = `http://127.0.0.1:${config.admin?.port}`
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    const health = (await (await fetch(`${admin}/health`)).json()) as { unreadable: object }
    for (const kind of Object.keys(rows)) {
      assert.ok(metrics.includes(`cami_records_unreadable{kind="${kind}"} 2\n`), kind)
    }
    const counts = Object.fromEntries(Object.keys(rows).map((kind) => [kind, 2]))
    assert.deepEqual({ ...health.unreadable }, counts)
  }
  const said = lines.filter(({ rows: count }) => count !== undefined)
  assert.deepEqual(
    Object.fromEntries(said.map(({ kind, keys }) => [String(kind), keys])),
    Object.fromEntries(
      Object.entries(rows).map(([kind, { malformed, damaged }]) => [
        kind,
        told.has(kind) ? [malformed, damaged].toSorted() : undefined,
      ]),
    ),
  )
  assert.equal(said.length, Object.keys(rows).length, 'once each')
  assert.deepEqual(await bytesOfAll(dir), before)
  await rm(dataDir, { recursive: true })
})

/** What decides who may do what, and is never left out. */
const deciding: Record<string, string> = {
  account: 'x',
  session: 'x',
  'second-factor': 'x',
  restriction: 'current',
  trust: 'list',
  emergency: 'x',
  reading: 'x',
  'held-grant': 'x',
  'received-grant': 'x',
  'ended-grant': 'x',
  'member-key': 'x',
  member: 'x',
  'own-key': 'x',
  reconciliation: '2026-11-01/x',
  'reported-departure': 'x',
  'log-submitted': '1',
  'log-mirror': 'newest',
  'log-evidence': 'first',
}

test('a node does not start without a row that decides who may do what, and says which and what to do', async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-deciding-'))
  const config = await configurationIn(dataDir)
  const dir = path.join(config.dataDir, 'records')
  const log = pino({ level: 'silent' })
  const start = () => createNode(config, { log, clock: Date.now, random: randomBytes })
  const row = { of: 'a later version', name: 'Иванова' }
  for (const [kind, key] of Object.entries(deciding)) {
    for (const damage of [() => undefined, damageRow]) {
      await inRecords(dir, (records) => records.put(kind, key, row))
      await damage(dir, kind, key)
      await assert.rejects(start, (error: Error) => {
        assert.ok(error instanceof ProtocolError, `${kind}: ${error.name}`)
        assert.equal(error.code, 'storage_corrupt')
        assert.ok(error.message.startsWith(`a ${kind} record in ${dir} is damaged`), error.message)
        assert.match(error.message, /put this folder of a backup back$/)
        assert.doesNotMatch(inspect(error), /later|Иванова/)
        return true
      })
      await inRecords(dir, (records) => records.del(kind, key))
    }
  }
  await using node = await start()
  assert.ok(node.ready.http)
})

async function inRecords(dir: string, act: (records: Records) => Promise<void>): Promise<void> {
  await using records = await openRecords(dir)
  await act(records)
}

/** A hospital whose registry is away, and which sends on to the two archives of the rows. */
async function configurationIn(dataDir: string): Promise<NodeConfig> {
  const [member] = members(1)
  const ports = await freePorts(1)
  const [at] = ports.nodes
  assert.ok(member && at)
  const { key } = member
  for (const folder of ['registry', key]) await mkdir(path.join(dataDir, folder))
  await ensureCertificate({ dataDir, key, now: Date.now() })
  const identities = await createIdentities({ seed: 1, dataDir, organizations: [member] })
  await seedAccounts({ seed: 2, key, dataDir })
  const targets = ['OTHER', 'PACS'].map((aeTitle) => ({ aeTitle, host: '127.0.0.1', port: 104 }))
  return {
    ...nodeConfig({ dataDir, member, at, ports, identities }),
    routes: targets.map((to) => ({ to, commitment: false })),
  }
}

async function writeRows(dir: string): Promise<void> {
  {
    await using records = await openRecords(dir)
    for (const [kind, { malformed, damaged }] of Object.entries(rows)) {
      await records.put(kind, malformed, { of: 'a later version' })
      await records.put(kind, damaged, { of: 'a later version' })
    }
    for (const key of Object.values(rows['procedure-step'] ?? {})) {
      await records.put('procedure-step-awaited', key, true)
    }
  }
  for (const [kind, { damaged }] of Object.entries(rows)) await damageRow(dir, kind, damaged)
}

async function bytesOfAll(dir: string): Promise<Record<string, string | undefined>> {
  const found: Record<string, string | undefined> = {}
  for (const [kind, keys] of Object.entries(rows)) {
    for (const key of Object.values(keys))
      found[`${kind} ${key}`] = await bytesOfRow(dir, kind, key)
  }
  return found
}
