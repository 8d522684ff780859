import assert from 'node:assert/strict'
import { mkdtempDisposable, open } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Sha256 } from '#protocol/ids.ts'
import { auditLimits } from '#protocol/limits.ts'
import { openHeadFile } from './audit-head.ts'

test('the head is synced in its time, also after the clock was set back', async (t) => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'cami-head-'))
  await using handle = await open(path.join(folder.path, 'other'), 'w')
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  const datasync = t.mock.method(prototype, 'datasync')
  const at = { now: 400 * auditLimits.headSyncIntervalMs }
  await using head = await openHeadFile(path.join(folder.path, 'head'), () => at.now)
  const write = async (seq: number): Promise<number> => {
    await head.write({ seq, digest: Sha256.parse('ab'.repeat(32)) })
    return datasync.mock.callCount()
  }
  assert.equal(await write(1), 1)
  assert.equal(await write(2), 1)
  at.now = 0
  assert.equal(await write(3), 2)
  at.now += auditLimits.headSyncIntervalMs
  assert.equal(await write(4), 3)
})
