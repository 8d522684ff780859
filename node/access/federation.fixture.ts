import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { Epoch } from '#protocol/epoch.ts'
import { createFederation, listed, now } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { openFederation } from './federation.ts'

/** A node's view of the federation, on a folder that survives it. */
export async function createPlace() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-federation-'))
  const federation = await createFederation()
  const world = { now, audit: [] as AuditEntry[] }
  const start = async (party: Party = federation.holder, over: { trustList?: string } = {}) => {
    const records = await openRecords(path.join(dir, 'records'))
    try {
      const opened = await openFederation({
        self: { oid: party.oid, name: party.oid },
        signer: party.signer,
        credential: await federation.sign.credential(party),
        trustList: await federation.sign.trustList(),
        authority: federation.authority.kid,
        records,
        dir,
        clock: () => world.now,
        random: (bytes) => new Uint8Array(bytes).fill(7),
        log: silentLog,
        audit: {
          append(entry) {
            world.audit.push(entry)
            return Promise.resolve()
          },
        },
        ...over,
      })
      return { ...opened, records, [Symbol.asyncDispose]: () => records[Symbol.asyncDispose]() }
    } catch (error) {
      await records[Symbol.asyncDispose]()
      throw error
    }
  }
  const { holder, grantee, stranger, sign } = federation
  const entry = async (party: Party, addresses = [`/ip4/127.0.0.1/tcp/1`]) => ({
    credential: await sign.credential(party),
    addresses,
    online: true,
  })
  return {
    ...federation,
    dir,
    world,
    start,
    entry,
    everybody: async () => [await entry(holder), await entry(grantee), await entry(stranger)],
    epochWith: async (grant: string, over: Partial<Epoch> = {}) =>
      sign.epoch([await listed(grant)], over),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}
