import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { openRestrictions } from '../access/restrictions.ts'
import { openRecords } from '../store/records.ts'
import { openTestNode } from './http.fixture.ts'

const record = (level: RestrictionRecord['level'], scope: RestrictionRecord['scope'] = 'both') => ({
  number: 'О-1/2026',
  scope,
  level,
  clause: '8.2.3',
  reason: 'пароли записаны на мониторе',
  remedy: 'сменить пароли',
  start: '2026-11-25',
})

test('under a restriction people are refused with the reason in Russian, until it is lifted', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-restricted-'))
  {
    await using records = await openRecords(dir)
    const restrictions = await openRestrictions(records)
    await using node = await openTestNode({}, { restrictions })
    const ask = async (method: string, place: string) => {
      const headers = { ...node.as('radiologist'), 'content-type': 'application/json' }
      const answer = await fetch(node.url + place, { method, headers })
      const body = (await answer.json().catch(() => ({}))) as {
        error?: { code: string; sentence?: string }
      }
      return { status: answer.status, ...body.error }
    }
    assert.equal((await ask('GET', '/api/session')).status, 200)

    await restrictions.take([record('no_login')])
    const { status, code, sentence = '' } = await ask('GET', '/api/session')
    assert.deepEqual([status, code], [403, 'organization_restricted'])
    for (const part of ['О-1/2026', '8.2.3', 'пароли записаны на мониторе', 'сменить пароли']) {
      assert.ok(sentence.includes(part), part)
    }
    // The next start has it too.
    assert.equal((await openRestrictions(records)).current().length, 1)

    await restrictions.take([record('read_only')])
    assert.equal((await ask('GET', '/api/session')).status, 200)
    assert.equal((await ask('POST', '/api/corrections')).code, 'organization_restricted')
    assert.equal((await ask('POST', '/api/consultations')).code, 'organization_restricted')
    // A person's change of what is shown, by whichever door: what came in stays, and is let in after the lift.
    assert.equal((await ask('POST', '/api/quarantine/release')).code, 'organization_restricted')
    assert.equal((await ask('POST', '/api/studies/1.2/encoding')).code, 'organization_restricted')
    assert.notEqual((await ask('GET', '/api/quarantine')).code, 'organization_restricted')
    // By whichever door images are hidden; what comes in is no change.
    assert.equal((await ask('DELETE', '/dicom-web/studies/1.2')).code, 'organization_restricted')
    assert.notEqual((await ask('POST', '/dicom-web/studies')).code, 'organization_restricted')
    // In other letters it is another path, and no way past.
    assert.equal((await ask('POST', '/api/Corrections')).code, 'not_found')
    await restrictions.take([record('no_export')])
    assert.equal((await ask('GET', '/api/exports')).code, 'organization_restricted')
    await restrictions.take([record('no_login', 'cami')])
    assert.equal((await ask('GET', '/api/session')).status, 200)
    await restrictions.take([])
    assert.equal((await ask('GET', '/api/session')).status, 200)
  }
  await rm(dir, { recursive: true })
})
