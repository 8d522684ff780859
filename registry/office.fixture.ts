import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { now } from '#protocol/federation.fixture.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { createTurns } from '#protocol/turns.ts'
import { openAttachments } from './attachments.ts'
import { openAudit } from './audit.ts'
import { createNumbers } from './numbers.ts'
import type { Office } from './office.ts'
import { openLevelStore } from './store/level-store.ts'

/** An empty office on a temporary folder. */
export async function createOffice(): Promise<Office & AsyncDisposable> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-office-'))
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
