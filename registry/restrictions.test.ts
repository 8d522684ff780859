import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createFederation, now } from '#protocol/federation.fixture.ts'
import { actors } from '#protocol/forms.fixture.ts'
import { Restriction } from '#protocol/restriction.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { createTurns } from '#protocol/turns.ts'
import { openAttachments } from './attachments.ts'
import { openAudit } from './audit.ts'
import { createNumbers } from './numbers.ts'
import type { Office } from './office.ts'
import { openRestrictions } from './restrictions.ts'
import { createRows } from './rows.ts'
import { openLevelStore } from './store/level-store.ts'

async function createOffice(): Promise<Office & AsyncDisposable> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-restrictions-'))
  const store = await openLevelStore(path.join(dir, 'store'))
  const seal = createSeal(randomBytes(32))
  const clock = () => now
  return {
    store,
    seal,
    clock,
    audit: await openAudit(store, clock),
    numbers: createNumbers(store),
    attachments: await openAttachments(path.join(dir, 'attachments'), seal),
    random: randomBytes,
    inTurn: createTurns(),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
}

test('an organization stays out whose second restriction is imposed while the first is being lifted', async () => {
  await using office = await createOffice()
  const { oid: organization } = (await createFederation()).holder
  const by = { actor: actors.operator, source: 'test' }
  const rows = createRows(office, 'restriction', Restriction)
  const keep = async (id: string, status: Restriction['status']) => {
    const restriction = Restriction.parse({
      id,
      organization,
      number: id,
      status,
      scope: 'cami',
      level: 'no_consult',
      clause: '8.2.3',
      reason: 'пароли записаны на мониторе',
      remedy: 'сменить пароли',
      start: '25.11.2026',
      evidence: [],
      proof: [],
      proposedBy: actors.operator,
      history: [],
    })
    await office.store.write([rows.write(id, restriction)])
    return id
  }
  const first = await keep('01ARZ3NDEKTSV4RRFFQ69G5FAV', 'verified')
  const second = await keep('01ARZ3NDEKTSV4RRFFQ69G5FAW', 'proposed')
  const lifting = Promise.withResolvers<void>()
  const written = Promise.withResolvers<void>()
  let isSuspended = true
  const restrictions = await openRestrictions({
    office,
    organizations: () => ({ view: async () => undefined }),
    notices: { issue: async () => undefined, makeUp: async () => undefined },
    async suspend(_, off) {
      if (!off) {
        lifting.resolve()
        await written.promise
      }
      isSuspended = off
    },
    isSuspended: () => isSuspended,
    cito: () => [],
    changed: () => undefined,
  })
  const lifted = restrictions.act(first, { type: 'lift' }, by)
  await lifting.promise
  const imposed = restrictions.act(second, { type: 'impose' }, by)
  await new Promise((resolve) => void setTimeout(resolve, 100))
  written.resolve()
  await Promise.all([lifted, imposed])
  assert.equal(isSuspended, true)
})
