import assert from 'node:assert/strict'
import type { SopUid } from '#protocol/ids.ts'
import type { Archive } from './archive.ts'
import {
  correctionProof,
  dataSet,
  declare,
  fetch,
  searchProof,
  send,
  sendSlice,
  stranger,
  studyProof,
} from './archive.fixture.ts'
import { textOf } from './attribute-levels.ts'
import { slice } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'
import { find, headerOf, sop, study } from './overlay.fixture.ts'

/** How quarantined objects are let in. */
export function releaseConformance(withArchive: WithArchive): void {
  const proof = correctionProof('quarantine')
  const entriesOf = async (archive: Archive) =>
    (await archive.quarantine(searchProof)).map(({ id }) => id).reverse()

  withArchive(
    'what an unknown device sent is let in as it is, and out again',
    async (archive, { reopen }) => {
      await sendSlice(archive, slice(sop), stranger)
      await sendSlice(archive, slice('1.2.3.5'), stranger)
      const [overlay] = await archive.overlay(proof, {
        kind: 'release',
        entries: await entriesOf(archive),
        as: 'received',
      })
      assert.deepEqual(await fetch(archive, study, sop), dataSet(slice(sop)))
      assert.equal((await archive.counts()).quarantined, 0)
      assert.equal((await sendSlice(archive, slice(sop))).outcome, 'duplicate')
      await archive[Symbol.asyncDispose]()
      const again = await reopen()
      assert.equal((await again.counts()).instances, 2)
      await again.overlay(proof, { kind: 'revert', reverts: overlay?.seq ?? 0 })
      assert.deepEqual(await again.counts(), { studies: 0, instances: 0, bytes: 0, quarantined: 2 })
      assert.equal(await again.facts(study), undefined)
      const [entry = ''] = await entriesOf(again)
      await again.overlay(proof, { kind: 'release', entries: [entry], as: 'received' })
      assert.equal((await again.counts()).instances, 1)
    },
  )

  withArchive(
    'what is let in after its study was rejected is seen until it is rejected too',
    async (archive, { reopen }) => {
      await sendSlice(archive, slice(sop))
      await sendSlice(archive, slice('1.2.3.5'), stranger)
      const reject = { kind: 'reject', target: { level: 'study', study }, code: '113001' } as const
      await archive.overlay(correctionProof('rejection'), reject)
      const entries = await entriesOf(archive)
      await archive.overlay(proof, { kind: 'release', entries, as: 'received' })
      const seen = async (one: Archive) => {
        await using open = await one.open(studyProof(study))
        return (await open.instances()).map((instance) => instance.sop)
      }
      assert.deepEqual(await seen(archive), ['1.2.3.5'])
      await archive[Symbol.asyncDispose]()
      const again = await reopen()
      assert.deepEqual(await seen(again), ['1.2.3.5'])
      await again.overlay(correctionProof('rejection'), reject)
      assert.equal(await again.facts(study), undefined)
    },
  )

  withArchive('other bytes under a known UID come in under a UID of their own', async (archive) => {
    await sendSlice(archive, slice(sop))
    const other = dataSet(slice(sop, { pixels: new Uint8Array(16).fill(9) }))
    await send(archive, other, declare(sop))
    const entries = await entriesOf(archive)
    const [overlay] = await archive.overlay(proof, { kind: 'release', entries, as: 'received' })
    assert.ok(overlay?.kind === 'release')
    const [[old, renamed] = ['', '']] = overlay.content.renamed ?? []
    assert.equal(old, sop)
    assert.match(renamed, /^2\.25\.\d+$/)
    assert.deepEqual(await fetch(archive, study, sop), dataSet(slice(sop)))
    const copy = await fetch(archive, study, renamed)
    assert.deepEqual(copy.subarray(-16), other.subarray(-16))
    const header = await headerOf(copy)
    assert.equal(textOf(header, '00080018'), renamed)
    assert.equal(header['04000561']?.Value?.length, 1)
    // The original stays where it was, and the same bytes again change nothing.
    assert.equal((await send(archive, other, declare(sop))).outcome, 'quarantined')
    await archive.overlay(proof, { kind: 'revert', reverts: overlay.seq })
    assert.equal((await archive.counts()).instances, 1)
    assert.deepEqual(await entriesOf(archive), entries)
    const [again] = await archive.overlay(proof, { kind: 'release', entries, as: 'received' })
    assert.deepEqual(again?.kind === 'release' && again.content.renamed, overlay.content.renamed)
    assert.equal((await archive.counts()).instances, 2)
  })

  withArchive(
    'a set of another patient is the same one, or a study of its own',
    async (archive) => {
      await sendSlice(archive, slice(sop))
      for (const uid of ['1.2.3.5', '1.2.3.6']) {
        await sendSlice(archive, slice(uid, { patientId: '43', name: 'Петров^Иван' }))
      }
      const entries = await entriesOf(archive)
      const release = (as: 'received' | 'same-patient' | 'other-patient') =>
        archive.overlay(proof, { kind: 'release', entries, as })
      await assert.rejects(release('received'), { code: 'conflict' })
      const [same] = await release('same-patient')
      assert.equal((await archive.record(study))?.instances, 3)
      await using reader = await archive.open(studyProof(study))
      const adopted = await reader.instance('1.2.3.5' as SopUid)
      assert.equal(textOf(adopted?.attributes ?? {}, '00100020'), '42')
      assert.equal((await fetch(archive, study, '1.2.3.5')).includes('Петров'), true)
      await archive.overlay(proof, { kind: 'revert', reverts: same?.seq ?? 0 })
      const [split] = await release('other-patient')
      assert.ok(split?.target.level === 'study')
      const record = await archive.record(split.target.study)
      assert.deepEqual([record?.instances, record?.patient.id], [2, '43'])
      assert.equal((await archive.record(study))?.instances, 1)
      assert.match(split.target.study, /^2\.25\.\d+$/)
    },
  )

  withArchive('UIDs that break the syntax are replaced the same way each time', async (archive) => {
    const bad = (uid: string) => slice(uid, { study: '1.2.3.x', series: '1.2.3.y' })
    await sendSlice(archive, bad('1.5.1'))
    await sendSlice(archive, bad('1.5.2'))
    const [first = '', second = ''] = await entriesOf(archive)
    const studies = new Set<string>()
    for (const entry of [first, second]) {
      const [overlay] = await archive.overlay(proof, {
        kind: 'release',
        entries: [entry],
        as: 'received',
      })
      assert.ok(overlay?.target.level === 'study')
      studies.add(overlay.target.study)
    }
    assert.equal(studies.size, 1)
    const [row] = await find(archive)
    assert.deepEqual(row?.['00201208']?.Value, [2])
    assert.ok(studies.has(textOf(row ?? {}, '0020000D')))
  })

  withArchive('an entry is released once, and only one that is there', async (archive) => {
    await sendSlice(archive, slice(sop), stranger)
    const entries = await entriesOf(archive)
    const release = (ids: string[]) =>
      archive.overlay(proof, { kind: 'release', entries: ids, as: 'received' })
    await release(entries)
    await assert.rejects(release(entries), { code: 'conflict' })
    await assert.rejects(release(['99999']), { code: 'not_found' })
    await assert.rejects(release(['x']), { code: 'not_found' })
    await assert.rejects(release([]), { code: 'bad_request' })
  })
}
