import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { AuditEvent, type AuditEntry } from '#protocol/audit-event.ts'
import { auditCodes, auditXml, messageOf } from '#protocol/audit-message.ts'
import { openAuditExport } from '#protocol/transport/audit-export.ts'
import { silentLog } from '../log.ts'
import {
  makeCertificate,
  parseXml,
  startReceiver,
  type Receiver,
  type XmlNode,
} from './audit-export.fixture.ts'
import { openAuditLog } from './audit-log.ts'

const oid = '1.2.643.5.1.13.13.12.2.42.1001'
const entry = (over: Partial<AuditEntry> = {}): AuditEntry => ({
  event: 'instances-accessed',
  outcome: 'success',
  organization: oid,
  user: `${oid}#01KB0000000000000000000004`,
  role: 'radiologist',
  source: '10.0.0.7',
  holder: oid,
  ...over,
})
const limits = { retryMs: 20, retryMsMax: 100, pollMs: 5, settleMs: 60_000 }

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 6000; i++) {
    if (await holds()) return
    await delay(10)
  }
  assert.fail(`${what} never came`)
}

async function createPlace() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-export-'))
  const identity = await makeCertificate(dir, 'receiver')
  const audit = await openAuditLog(path.join(dir, 'audit'), { clock: () => 1_795_000_000_000 })
  const positionFile = path.join(dir, 'exported')
  const start = (port: number, over: object = {}, shorter: object = {}) =>
    openAuditExport({
      config: {
        host: '127.0.0.1',
        port,
        serverName: 'localhost',
        authorityFile: identity.certificateFile,
        ...over,
      },
      program: 'cami-node',
      positionFile,
      log: silentLog,
      limits: { ...limits, ...shorter },
      source: {
        newest: audit.count,
        read: async (after, limit) =>
          (await audit.list({ after, limit })).map((record) => ({
            seq: record.seq,
            message: messageOf(record, oid),
          })),
      },
    })
  return {
    dir,
    identity,
    audit,
    positionFile,
    start,
    async [Symbol.asyncDispose]() {
      await audit[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
}

/** Every number came, and each for the first time after the one before. */
function assertWhole(receiver: Pick<Receiver, 'sequence'>[], count: number): void {
  const first = [...new Set(receiver.flatMap((one) => one.sequence()))]
  assert.deepEqual(
    first,
    Array.from({ length: count }, (_, index) => index + 1),
  )
}

const named = (node: XmlNode, name: string) => node.children.filter((one) => one.name === name)

test('every kind of record is well-formed XML in the order of the schema, with its codes', () => {
  const events = AuditEvent.shape.event.options
  const nasty = 'a"<&>\u0000\u0007\n\ud800 «Кузбасс» ]]>'
  for (const event of events) {
    const record = AuditEvent.parse({
      ...entry({ event, outcome: 'denied', code: 'role_missing', detail: nasty, role: nasty }),
      study: '1.2.3',
      grant: '01KB0000000000000000000001',
      instances: 3,
      bytes: 9,
      seq: 7,
      at: 1_795_000_000_617,
    })
    const root = parseXml(auditXml(messageOf(record, oid)))
    assert.equal(root.name, 'AuditMessage')
    const order = root.children.map(({ name }) => name)
    const model =
      /^EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification ?)*$/
    assert.match(`${order.join(' ')} `, model)
    const [identification] = root.children
    assert.deepEqual(identification?.attributes['EventOutcomeIndicator'], '4')
    assert.equal(identification?.attributes['EventDateTime'], '2026-11-18T11:06:40.617Z')
    const [id] = named(identification ?? root, 'EventID')
    const { codeSystemName, 'csd-code': code = '' } = id?.attributes ?? {}
    assert.match(`${codeSystemName} ${code}`, /^(DCM 1101\d\d|99CAMI [a-z-]+)$/)
    for (const object of named(root, 'ParticipantObjectIdentification')) {
      assert.match(
        object.children.map(({ name }) => name).join(' '),
        /^ParticipantObjectIDTypeCode ParticipantObjectName( ParticipantObjectDetail)*$/,
      )
    }
    const details = named(root, 'ParticipantObjectIdentification').flatMap((one) =>
      named(one, 'ParticipantObjectDetail'),
    )
    const detail = details.find(({ attributes }) => attributes['type'] === 'detail')
    const value = Buffer.from(detail?.attributes['value'] ?? '', 'base64').toString()
    assert.equal(value, nasty.toWellFormed())
  }
})

test('the codes are those of PS3.16, and events of the standard have them', () => {
  const codeOf = (over: Partial<AuditEntry>) => {
    const { event, types = [] } = messageOf({ ...entry(over), seq: 1, at: 0 }, oid)
    return [event, ...types].map(([code]) => code).join(' ')
  }
  const expected: [Partial<AuditEntry>, string][] = [
    [{ event: 'application-start' }, '110100 110120'],
    [{ event: 'application-stop' }, '110100 110121'],
    [{ event: 'audit-log-used' }, '110101'],
    [{ event: 'begin-transferring' }, '110102'],
    [{ event: 'instances-accessed' }, '110103'],
    [{ event: 'instances-transferred' }, '110104'],
    [{ event: 'import' }, '110107'],
    [{ event: 'query' }, '110112'],
    [{ event: 'login' }, '110114 110122'],
    [{ event: 'logout' }, '110114 110123'],
    [{ event: 'security-alert', code: 'peer_unknown' }, '110113 110126 peer_unknown'],
    [{ event: 'security-alert', code: 'role_missing' }, '110113 110132 role_missing'],
    [{ event: 'security-alert', code: 'audit_mismatch' }, '110113 audit_mismatch'],
    [{ event: 'configuration' }, '110113 110129'],
    [{ event: 'emergency-started' }, '110113 110127'],
    [{ event: 'emergency-stopped' }, '110113 110138'],
    [{ event: 'grant-revoked' }, 'grant-revoked'],
  ]
  for (const [over, codes] of expected) assert.equal(codeOf(over), codes)
  assert.equal(new Set(Object.values(auditCodes).map(([code]) => code)).size, 26)
})

test('a receiver that goes away and comes back gets every record, in order, as RFC 5424 in octet counts', async () => {
  await using place = await createPlace()
  const { audit, start } = place
  for (let i = 0; i < 40; i++) await audit.append(entry({ detail: `before ${i}` }))
  const first = await startReceiver(place.identity)
  first.state.cutAfter = 25
  const exporter = await start(first.port)
  await until('the first ones', () => first.frames.length >= 40)
  await first[Symbol.asyncDispose]()
  for (let i = 0; i < 150; i++) await audit.append(entry({ detail: `away ${i} — «Кемерово»` }))
  await until('a failure', () => exporter.status().failures > 0 && !exporter.status().isConnected)
  assert.ok(exporter.status().waiting > 0)
  await using second = await startReceiver(place.identity, { port: first.port })
  await until('the rest', () => new Set(second.sequence()).has(190))
  assertWhole([first, second], 190)
  assert.equal(first.state.malformed + second.state.malformed, 0)
  assert.equal(exporter.status().waiting, 0)
  const frame = second.frames.at(-1) ?? ''
  const header =
    /^<85>1 2026-11-18T11:06:40\.000Z [\x21-\x7e]+ cami-node - DICOM\+RFC3881 \[meta sequenceId="190"\] \ufeff/
  assert.match(frame, header)
  parseXml(frame.replace(header, ''))
  await exporter[Symbol.asyncDispose]()
  // An orderly end: nothing is sent a second time.
  assert.equal(await readFile(place.positionFile, 'utf8'), '190\n')
  const before = second.frames.length
  await using again = await start(first.port)
  await audit.append(entry())
  await until('the new one', () => second.sequence().at(-1) === 191)
  assert.equal(second.frames.length, before + 1)
  assert.equal(again.status().sent, 191)
})

test('only the receiver that the authority vouches for is told anything, and it can ask who we are', async () => {
  await using place = await createPlace()
  await place.audit.append(entry())
  const client = await makeCertificate(place.dir, 'client')
  const other = await makeCertificate(place.dir, 'other')
  await using receiver = await startReceiver(place.identity, { client: client.certificateFile })
  const refused: [string, object][] = [
    ['another authority', { authorityFile: other.certificateFile, ...client }],
    ['another name', { serverName: 'elsewhere', ...client }],
    ['no certificate of ours', {}],
    ['another certificate of ours', other],
  ]
  for (const [why, over] of refused) {
    await using exporter = await place.start(receiver.port, over)
    await until(why, () => exporter.status().failures > 1)
    assert.deepEqual(receiver.frames, [], why)
  }
  await assert.rejects(place.start(1, { certificateFile: client.certificateFile }), {
    code: 'configuration_invalid',
  })
  await using exporter = await place.start(receiver.port, client)
  await until('the record', () => receiver.frames.length === 1)
  assert.equal(exporter.status().isConnected, true)
})

test('a program that is killed goes on where it was known to have arrived', async () => {
  await using place = await createPlace()
  await place.audit[Symbol.asyncDispose]()
  await rm(path.join(place.dir, 'audit'), { recursive: true })
  await using receiver = await startReceiver(place.identity)
  const child = path.join(import.meta.dirname, 'audit-export-child.fixture.ts')
  const begin = (count: number) =>
    spawn(
      process.execPath,
      [child, place.dir, String(receiver.port), place.identity.certificateFile, String(count)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
  for (let round = 1; round <= 2; round++) {
    const program = begin(1000)
    // Killed in the middle of its work.
    let written = 0
    for await (const line of createInterface({ input: program.stdout })) {
      written = Number(line)
      if (written >= round * 60) break
    }
    program.kill('SIGKILL')
    await once(program, 'exit')
  }
  const last = begin(1)
  const [line] = (await once(createInterface({ input: last.stdout }), 'line')) as [string]
  await until('everything', () => new Set(receiver.sequence()).has(Number(line)))
  last.kill('SIGKILL')
  await once(last, 'exit')
  const position = Number(await readFile(place.positionFile, 'utf8'))
  assert.ok(position > 0 && position <= Number(line))
  assertWhole([receiver], Number(line))
})

test('an audit that was restored from an older copy is exported on from where it ends', async () => {
  await using place = await createPlace()
  for (let i = 0; i < 3; i++) await place.audit.append(entry())
  await using receiver = await startReceiver(place.identity)
  {
    await using exporter = await place.start(receiver.port)
    await until('all', () => exporter.status().sent === 3 && receiver.frames.length === 3)
  }
  await place.audit[Symbol.asyncDispose]()
  await rm(path.join(place.dir, 'audit'), { recursive: true })
  await using restored = await openAuditLog(path.join(place.dir, 'audit'), { clock: () => 1 })
  await restored.append(entry())
  let newest = 1
  await using exporter = await openAuditExport({
    config: {
      host: '127.0.0.1',
      port: receiver.port,
      serverName: 'localhost',
      authorityFile: place.identity.certificateFile,
    },
    program: 'cami-node',
    positionFile: place.positionFile,
    log: silentLog,
    limits,
    source: {
      newest: () => newest,
      read: async (after, limit) =>
        (await restored.list({ after, limit })).map((record) => ({
          seq: record.seq,
          message: messageOf(record, oid),
        })),
    },
  })
  await restored.append(entry({ detail: 'new' }))
  newest = 2
  await until('the new record', () => receiver.sequence().length === 4)
  assert.equal(receiver.sequence().at(-1), 2)
  assert.equal(exporter.status().sent, 2)
})
