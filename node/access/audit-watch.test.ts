import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import type { OrganizationOid } from '#protocol/ids.ts'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { silentLog } from '../log.ts'
import { openAuditLog } from './audit-log.ts'
import { checkAudit } from './audit-watch.ts'

const self = '1.2.643.5.1.13.13.12.2.42.1001' as OrganizationOid
const clock = () => 1_795_000_000_000
const entry = (number: number) => ({
  event: 'study-opened' as const,
  outcome: 'success' as const,
  organization: self,
  user: `user ${number}`,
  role: 'radiologist',
  source: '127.0.0.1',
  holder: self,
})

test('an audit that was written anew is found by its head in the transparency log, and that is audited', async () => {
  await using folder = await temporaryFolder()
  const fill = async (dir: string, numbers: readonly number[]) => {
    await using audit = await openAuditLog(dir, { clock })
    for (const number of numbers) await audit.append(entry(number))
    return audit.head()
  }
  const dir = path.join(folder.path, 'audit')
  const head = await fill(dir, [1, 2, 3, 4])
  {
    await using audit = await openAuditLog(dir, { clock })
    const deps = { audit, logged: () => head, self, log: silentLog }
    assert.ok(await checkAudit(deps))
    assert.ok(await checkAudit({ ...deps, logged: () => undefined }))
  }
  // The same length, another second record, every digest made anew.
  const forged = path.join(folder.path, 'forged')
  await fill(forged, [1, 9, 3, 4])
  await using audit = await openAuditLog(forged, { clock })
  assert.equal(await checkAudit({ audit, logged: () => head, self, log: silentLog }), false)
  const [alert] = await audit.list({ after: 4 })
  assert.deepEqual([alert?.event, alert?.code], ['security-alert', 'audit_mismatch'])
})
