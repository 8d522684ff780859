import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createFederation, study, studyRecord } from './federation.fixture.ts'
import type { Sha256 } from './ids.ts'
import { acceptIndexItem, emptyHead, verifyIndexEntry } from './index-log.ts'
import type { IndexEntry, IndexHead, IndexItem } from './index-log.ts'
import { tokenDigest } from './jws.ts'

const region = await createFederation()
const { holder, stranger } = region
const org = holder.oid
const keyOf = (kid: string) => (kid === holder.kid ? holder.jwk : undefined)
const from = (head: IndexHead) => ({ org, head, keyOf })

const log: string[] = []
const heads: IndexHead[] = [emptyHead]
for (let seq = 1; seq <= 6; seq++) {
  const prev = heads.at(-1)?.digest ?? emptyHead.digest
  const removed = { kind: 'study-removed', record: { study } } as Partial<IndexEntry>
  const token = await region.sign.indexEntry({ seq, prev, ...(seq === 6 ? removed : {}) })
  log.push(token)
  heads.push({ seq, digest: await tokenDigest(token) })
}
const entryAt = (seq: number): string => log[seq - 1] ?? ''
const headAt = (seq: number): IndexHead => heads[seq] ?? emptyHead

test('a log is followed entry by entry', async () => {
  let head = emptyHead
  for (const token of log) ({ head } = await verifyIndexEntry(token, from(head)))
  assert.deepEqual(head, headAt(6))
})

test('a missing entry is a gap, before and after', async () => {
  await assert.rejects(verifyIndexEntry(entryAt(3), from(headAt(1))), { code: 'log_gap' })
  await assert.rejects(verifyIndexEntry(entryAt(1), from(headAt(3))), { code: 'log_gap' })
  await assert.rejects(verifyIndexEntry(entryAt(2), from(headAt(2))), { code: 'log_gap' })
})

test('one number with two contents is a fork, and so is a successor that denies its predecessor', async () => {
  const { digest: prev } = headAt(1)
  const other = await region.sign.indexEntry({ seq: 2, prev, iat: 7 })
  await assert.rejects(verifyIndexEntry(other, from(headAt(2))), { code: 'log_fork' })
  const { head } = await verifyIndexEntry(other, from(headAt(1)))
  await assert.rejects(verifyIndexEntry(entryAt(3), from(head)), { code: 'log_fork' })
})

test('an accusation needs a signature', async () => {
  const claims = region.claims.indexEntry({ seq: 2, prev: headAt(1).digest, iat: 7 })
  const forged = await stranger.signer.sign('cami-index+jwt', claims)
  await assert.rejects(verifyIndexEntry(forged, from(headAt(2))), { code: 'token_unknown_key' })
})

test('an entry about another organization is foreign, whoever signed it', async () => {
  const token = await region.sign.indexEntry({ org: stranger.urn })
  await assert.rejects(verifyIndexEntry(token, from(emptyHead)), { code: 'log_foreign' })
  const item: IndexItem = { org: stranger.oid, seq: 1, entry: entryAt(1) }
  await assert.rejects(acceptIndexItem(item, from(emptyHead)), { code: 'log_foreign' })
})

test('withheld entries keep the chain checkable', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), async (withhold) => {
      let head = emptyHead
      const seen: number[] = []
      for (const [at, hide] of withhold.entries()) {
        const seq = at + 1
        const item: IndexItem = hide
          ? { org, seq, withheld: headAt(seq).digest }
          : { org, seq, entry: entryAt(seq) }
        const accepted = await acceptIndexItem(item, from(head))
        if (accepted.entry !== undefined) seen.push(accepted.entry.seq)
        head = accepted.head
      }
      assert.deepEqual(head, headAt(6))
      assert.deepEqual(
        seen,
        [1, 2, 3, 4, 5, 6].filter((seq) => withhold[seq - 1] === false),
      )
    }),
    { seed: 6, numRuns: 64 },
  )
})

test('a wrong digest of a withheld entry is found at the next visible one', async () => {
  const withheld = { org, seq: 1, withheld: 'ff'.repeat(32) as Sha256 }
  const { head } = await acceptIndexItem(withheld, from(emptyHead))
  const next: IndexItem = { org, seq: 2, entry: entryAt(2) }
  await assert.rejects(acceptIndexItem(next, from(head)), { code: 'log_fork' })
})

test('an item may not renumber its entry', async () => {
  const item: IndexItem = { org, seq: 2, entry: entryAt(3) }
  await assert.rejects(acceptIndexItem(item, from(headAt(1))), { code: 'log_gap' })
  const skipped = { org, seq: 5, withheld: headAt(5).digest }
  await assert.rejects(acceptIndexItem(skipped, from(headAt(3))), { code: 'log_gap' })
})

test('a record with an unknown member or a value out of bounds is refused', async () => {
  const wrong = [
    { record: { ...studyRecord, image: 'AAAA' } },
    { record: { ...studyRecord, date: '2026-11-24' } },
    { record: { ...studyRecord, instances: -1 } },
    { kind: 'study-moved' },
    { v: 2 },
    { seq: 0 },
  ]
  for (const over of wrong) {
    const token = await region.sign.indexEntry(over as Partial<IndexEntry>)
    await assert.rejects(verifyIndexEntry(token, from(emptyHead)), { code: 'token_malformed' })
  }
})
