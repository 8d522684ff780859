import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Sha256 } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import type { Submission } from '#protocol/transparency/entries.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { openSubmissions } from './transparency-submissions.ts'

test('the head of the audit goes to the log every hour, also when the clock was set back meanwhile', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-submissions-'))
  await using records = await openRecords(folder.path)
  const interval = transparencyLimits.auditHeadIntervalMs
  const begin = 1_800_000_000_000
  const at = { now: begin + 400 * 24 * interval, seq: 1 }
  const submissions = await openSubmissions({
    auditHead: () => ({ seq: at.seq, digest: Sha256.parse('ab'.repeat(32)) }),
    records,
    clock: () => at.now,
    log: silentLog,
  })
  const heads: number[] = []
  const request = (async (_: string, { entries }: { entries: Submission[] }) => {
    for (const entry of entries) if (entry.kind === 'audit-head') heads.push(entry.seq)
    return {}
  }) as unknown as Connection['request']
  await submissions.submit(request)
  at.seq = 2
  await submissions.submit(request)
  assert.deepEqual(heads, [1])
  at.now = begin
  await submissions.submit(request)
  assert.deepEqual(heads, [1, 2])
  at.seq = 3
  at.now += interval
  await submissions.submit(request)
  assert.deepEqual(heads, [1, 2, 3])
})

test('a head that the log did not take is submitted again, though nothing has happened since', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-submissions-'))
  await using records = await openRecords(folder.path)
  const head = { seq: 7, digest: Sha256.parse('ab'.repeat(32)) }
  const open = () =>
    openSubmissions({ auditHead: () => head, records, clock: () => 0, log: silentLog })
  const heads: number[] = []
  const take = (async (_: string, { entries }: { entries: Submission[] }) => {
    for (const entry of entries) if (entry.kind === 'audit-head') heads.push(entry.seq)
    return {}
  }) as unknown as Connection['request']
  const refuse = () => Promise.reject(new Error('cut off'))
  const submissions = await open()
  await assert.rejects(submissions.submit(refuse), /cut off/)
  assert.ok(submissions.hasSubmitted(head.seq, head.digest), 'it may have come there')
  await submissions.submit(take)
  assert.deepEqual(heads, [7])
  await submissions.submit(take)
  assert.deepEqual(heads, [7], 'and no more')
  head.digest = Sha256.parse('cd'.repeat(32))
  const again = await open()
  await again.submit(take)
  assert.deepEqual(heads, [7], 'another head of that number is not ours')
  assert.equal(again.newest()?.digest, 'ab'.repeat(32))
})
