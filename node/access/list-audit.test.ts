import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { createListAudit } from './list-audit.ts'

const entry: AuditEntry = {
  event: 'query',
  outcome: 'success',
  organization: '1.2.3',
  user: 'FINDSCU',
  role: 'device',
  source: '127.0.0.1',
  holder: '1.2.3',
}
const failure = () => new ProtocolError('audit_unavailable', 'the disk is full')

test('a list does not wait for the disk, but none is given after its record was refused', async () => {
  const waiting: PromiseWithResolvers<void>[] = []
  const listed = createListAudit({
    append() {
      const one = Promise.withResolvers<void>()
      waiting.push(one)
      return one.promise
    },
  })
  await listed(entry)
  waiting[0]?.reject(failure())
  await new Promise((resolve) => setImmediate(resolve))
  const refused = listed(entry)
  waiting[1]?.reject(failure())
  await assert.rejects(refused, { code: 'audit_unavailable' })
  const written = listed(entry)
  waiting[2]?.resolve()
  await written
  await listed(entry)
  assert.equal(waiting.length, 4)
})

test('an audit log that has failed before refuses the first list', async () => {
  const listed = createListAudit({ append: () => Promise.reject(failure()) })
  await assert.rejects(listed(entry), { code: 'audit_unavailable' })
})
