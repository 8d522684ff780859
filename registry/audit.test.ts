import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { auditXml } from '#protocol/audit-message.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { messageOf } from './audit-export.ts'
import { openAudit } from './audit.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { openLevelStore } from './store/level-store.ts'

const act = (subject: string) =>
  ({
    actor: 'a',
    role: 'cami_operator',
    source: '::1',
    action: 'form',
    subject,
    outcome: 'success',
  }) as const

test('a record that is changed, taken out or cut off at the end is found, and where', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-audit-'))
  {
    await using store = await openLevelStore(dir)
    const audit = await openAudit(store, () => 1000)
    for (const subject of ['1', '2', '3', '4']) await audit.append(act(subject))
    assert.deepEqual(await audit.verify(), { ok: true, count: 4 })
    const key = 'audit/000000000003'
    const third = (await store.get(key)) ?? ''
    await store.write([{ put: key, value: third.replace('"subject":"3"', '"subject":"9"') }])
    assert.deepEqual(await audit.verify(), { ok: false, at: 3 })
    await store.write([{ del: key }])
    assert.deepEqual(await audit.verify(), { ok: false, at: 3 })
    await store.write([{ put: key, value: third }, { del: 'audit/000000000004' }])
    assert.deepEqual(await audit.verify(), { ok: false, at: 4 })
  }
  await rm(dir, { recursive: true })
})

test('what is sealed opens at its place with its key, and nowhere else', () => {
  const seal = createSeal(new Uint8Array(32).fill(1))
  const sealed = seal.seal('account/1', Buffer.from('СНИЛС'))
  assert.equal(seal.open('account/1', sealed).toString(), 'СНИЛС')
  assert.ok(!sealed.includes(Buffer.from('СНИЛС')))
  const flipped = Buffer.from(sealed)
  flipped[20] = (flipped[20] ?? 0) ^ 1
  const other = createSeal(new Uint8Array(32).fill(2))
  for (const wrong of [
    () => seal.open('account/2', sealed),
    () => seal.open('account/1', flipped),
    () => seal.open('account/1', sealed.subarray(0, 20)),
    () => other.open('account/1', sealed),
  ]) {
    assert.throws(wrong, { code: 'storage_corrupt' })
  }
})

test('what the operator did is a message of PS3.15 too, signing in with the codes of the standard', () => {
  const record = { ...act('7'), seq: 7, at: 1000, detail: '', digest: '0'.repeat(64) as Sha256 }
  const codes = (action: string) => {
    const { event, types = [] } = messageOf({ ...record, action })
    return [event, ...types].map(([code]) => code).join(' ')
  }
  assert.deepEqual(['login', 'logout', 'security-alert', 'form'].map(codes), [
    '110114 110122',
    '110114 110123',
    '110113',
    'form',
  ])
  const xml = auditXml(messageOf(record))
  assert.match(
    xml,
    /<ActiveParticipant UserID="a" UserIsRequestor="true" NetworkAccessPointID="::1"/,
  )
  assert.match(xml, /ParticipantObjectID="registry\/7"/)
})
