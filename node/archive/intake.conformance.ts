import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { StudyUid } from '#protocol/ids.ts'
import {
  dataSet,
  declare,
  fetch,
  noise,
  searchProof,
  send,
  sendSlice,
  stranger,
  studyProof,
} from './archive.fixture.ts'
import { digestOfDataSet } from './chunk-digests.ts'
import { query, slice } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'

const hexDigest = (bytes: Uint8Array): string => digestOfDataSet(bytes).toString('hex')

/** What is taken in, refused, kept apart. */
export function intakeConformance(name: string, withArchive: WithArchive): void {
  suite(`${name}: intake`, () => {
    withArchive(
      'what is returned is what was received, also after it is opened again',
      async (archive, { reopen }) => {
        const bytes = dataSet(slice('1.2.3.4', { pixels: noise(600_000, 7) }))
        const stored = await send(archive, bytes, declare('1.2.3.4'))
        assert.equal(stored.outcome, 'stored')
        assert.equal(stored.sha256, hexDigest(bytes))
        assert.deepEqual(await fetch(archive, '1.2.3', '1.2.3.4'), bytes)
        await archive[Symbol.asyncDispose]()
        const again = await reopen()
        assert.deepEqual(await fetch(again, '1.2.3', '1.2.3.4'), bytes)
        assert.deepEqual(await again.counts(), {
          studies: 1,
          instances: 1,
          bytes: bytes.byteLength,
          quarantined: 0,
        })
      },
    )

    withArchive('a large instance that is streamed comes back byte for byte', async (archive) => {
      const bytes = dataSet(slice('1.2.3.5', { pixels: noise(9_000_001, 3) }))
      const stored = await send(archive, bytes, declare('1.2.3.5'), { partBytes: 130_001 })
      assert.equal(stored.sha256, hexDigest(bytes))
      const read = await fetch(archive, '1.2.3', '1.2.3.5')
      assert.equal(hexDigest(read), stored.sha256)
    })

    withArchive('the same bytes again are acknowledged again and kept once', async (archive) => {
      await sendSlice(archive, slice('1.2.3.4'))
      const second = await sendSlice(archive, slice('1.2.3.4'))
      assert.equal(second.outcome, 'duplicate')
      assert.equal((await archive.counts()).instances, 1)
    })

    withArchive(
      'other bytes under a known UID go to quarantine and replace nothing',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4'))
        const other = slice('1.2.3.4', { pixels: new Uint8Array(16).fill(9) })
        const second = await sendSlice(archive, other)
        assert.deepEqual([second.outcome, second.reason], ['quarantined', 'uid-conflict'])
        assert.deepEqual(await fetch(archive, '1.2.3', '1.2.3.4'), dataSet(slice('1.2.3.4')))
        const again = await sendSlice(archive, other)
        assert.deepEqual([again.outcome, again.reason], ['quarantined', 'uid-conflict'])
        const [kept, ...rest] = await archive.quarantine(searchProof)
        assert.equal(rest.length, 0)
        assert.equal(kept?.reason, 'uid-conflict')
        assert.equal(kept?.sha256, second.sha256)
      },
    )

    withArchive(
      'a study that already belongs to another patient takes no more of this one',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4'))
        const other = await sendSlice(archive, slice('1.2.3.5', { patientId: '43' }))
        assert.deepEqual([other.outcome, other.reason], ['quarantined', 'patient-conflict'])
        const named = await sendSlice(archive, slice('1.2.3.6', { name: 'Петров^Иван' }))
        assert.equal(named.reason, 'patient-conflict')
        const folded = await sendSlice(archive, slice('1.2.3.7', { name: 'ИВАНОВ^ПЕТР' }))
        assert.equal(folded.outcome, 'stored')
        const empty = await sendSlice(archive, slice('1.2.3.8', { patientId: '', name: '' }))
        assert.equal(empty.outcome, 'stored')
      },
    )

    withArchive(
      'two first instances of one study for two patients do not both get in',
      async (archive) => {
        const outcomes = await Promise.all([
          sendSlice(archive, slice('1.2.3.4')),
          sendSlice(archive, slice('1.2.3.5', { patientId: '43' })),
        ])
        assert.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ['quarantined', 'stored'])
      },
    )

    withArchive('what an unknown device sends is kept apart and not found', async (archive) => {
      const stored = await sendSlice(archive, slice('1.2.3.4'), stranger)
      assert.deepEqual([stored.outcome, stored.reason], ['quarantined', 'unknown-device'])
      assert.equal((await archive.search(searchProof, query())).matches.length, 0)
      assert.equal(await archive.facts('1.2.3' as StudyUid), undefined)
      await assert.rejects(archive.open(studyProof('1.2.3')), { code: 'not_found' })
      assert.deepEqual(
        (await archive.quarantine(searchProof)).map(({ reason, origin }) => [reason, origin]),
        [['unknown-device', stranger]],
      )
    })

    withArchive('a UID that breaks the syntax goes to quarantine', async (archive) => {
      const stored = await sendSlice(archive, slice('1.2.3.x'))
      assert.deepEqual([stored.outcome, stored.reason], ['quarantined', 'uid-syntax'])
      const long = slice('1.2.9', { study: `1.${'2'.repeat(70)}` })
      assert.equal((await sendSlice(archive, long)).reason, 'uid-syntax')
    })

    const refused: [string, Uint8Array, string, string][] = [
      ['cut off', dataSet(slice('1.2.3.4')).subarray(0, -1), '1.2.3.4', 'instance_truncated'],
      ['announced as another', dataSet(slice('1.2.3.4')), '1.2.3.5', 'instance_mismatch'],
      ['without UIDs', Buffer.alloc(0), '1.2.3.4', 'instance_malformed'],
    ]
    for (const [what, bytes, sop, code] of refused) {
      withArchive(`a data set ${what} is refused and leaves nothing`, async (archive) => {
        await assert.rejects(send(archive, bytes, declare(sop)), { code })
        assert.equal((await archive.counts()).instances, 0)
        assert.equal((await sendSlice(archive, slice('1.2.3.4'))).outcome, 'stored')
      })
    }

    withArchive('a large data set that is cut off or aborted leaves nothing', async (archive) => {
      const bytes = dataSet(slice('1.2.3.5', { pixels: noise(6_000_000, 3) }))
      await assert.rejects(send(archive, bytes.subarray(0, -2), declare('1.2.3.5')), {
        code: 'instance_truncated',
      })
      const sink = await archive.ingest(declare('1.2.3.5'), stranger)
      if (!sink.write(bytes.subarray(0, 5_500_000))) await sink.drain()
      await sink.abort()
      await sink.abort()
      assert.equal((await send(archive, bytes, declare('1.2.3.5'))).outcome, 'stored')
      assert.deepEqual(await fetch(archive, '1.2.3', '1.2.3.5'), bytes)
    })

    withArchive('the same UID from two associations at once is stored once', async (archive) => {
      const one = dataSet(slice('1.2.3.4', { pixels: noise(100_000, 1) }))
      const two = dataSet(slice('1.2.3.4', { pixels: noise(100_000, 2) }))
      const outcomes = await Promise.all(
        [one, two, one, two].map((bytes) => send(archive, bytes, declare('1.2.3.4'))),
      )
      const stored = outcomes.filter(({ outcome }) => outcome === 'stored')
      assert.equal(stored.length, 1)
      assert.equal((await archive.counts()).instances, 1)
      const read = await fetch(archive, '1.2.3', '1.2.3.4')
      assert.equal(hexDigest(read), stored[0]?.sha256)
    })
  })
}
