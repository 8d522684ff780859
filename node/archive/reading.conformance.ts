import assert from 'node:assert/strict'
import { createHash, hash } from 'node:crypto'
import { suite } from 'node:test'
import type { Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import { dataSet, declare, noise, readAll, send, sendSlice, studyProof } from './archive.fixture.ts'
import { slice } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'

/** What is read is what was received. */
export function readingConformance(name: string, withArchive: WithArchive): void {
  suite(`${name}: reading`, () => {
    withArchive('any range of an instance is what was received', async (archive) => {
      const bytes = dataSet(slice('1.2.3.4', { pixels: noise(800_000, 5) }))
      await send(archive, bytes, declare('1.2.3.4'))
      await using reader = await archive.open(studyProof('1.2.3'))
      const ranges = [
        [0, 1],
        [262_143, 2],
        [262_144, 262_144],
        [100, 700_000],
        [bytes.length - 1, 1],
        [5, 0],
      ] as const
      for (const [offset, length] of ranges) {
        const read = await readAll(reader.read('1.2.3.4' as SopUid, { offset, length }))
        assert.deepEqual(read, bytes.subarray(offset, offset + length))
      }
      const beyond = reader.read('1.2.3.4' as SopUid, { offset: bytes.length, length: 1 })
      await assert.rejects(readAll(beyond), { code: 'bad_request' })
    })

    withArchive('chunk digests are those of the bytes and give the root', async (archive) => {
      const bytes = dataSet(slice('1.2.3.4', { pixels: noise(600_000, 5) }))
      await send(archive, bytes, declare('1.2.3.4'))
      await using reader = await archive.open(studyProof('1.2.3'))
      const chunks = await reader.chunks('1.2.3.4' as SopUid)
      const expected = [0, 1, 2].map((i) =>
        hash('sha256', bytes.subarray(i * 262_144, (i + 1) * 262_144)),
      )
      assert.deepEqual(chunks, expected)
      const root = createHash('sha256')
      for (const chunk of chunks) root.update(Buffer.from(chunk, 'hex'))
      const entry = await reader.instance('1.2.3.4' as SopUid)
      assert.equal(entry?.sha256, root.digest('hex') as Sha256)
    })

    withArchive(
      'verification reads what is here and knows nothing of the rest',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4', { pixels: noise(600_000, 5) }))
        const found = await archive.verify('1.2.3.4' as SopUid)
        assert.deepEqual([found?.study, found?.isIntact], ['1.2.3', true])
        assert.equal(await archive.verify('1.2.3.5' as SopUid), undefined)
      },
    )

    withArchive(
      'a study whose source says that it is whole is complete at once',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4'))
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'open')
        await archive.complete('1.2.3' as StudyUid)
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'complete')
        await sendSlice(archive, slice('1.2.3.5'))
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'open')
      },
    )

    withArchive('metadata is the header without the pixels', async (archive) => {
      await sendSlice(archive, slice('1.2.3.4', { pixels: noise(300_000, 5) }))
      await using reader = await archive.open(studyProof('1.2.3'))
      const [header, ...rest] = await reader.metadata({})
      assert.equal(rest.length, 0)
      assert.deepEqual(header?.['00100010']?.Value, [{ Alphabetic: 'Иванов^Пётр' }])
      assert.equal(header?.['7FE00010']?.InlineBinary, undefined)
    })

    withArchive(
      'series and instances of a study are listed, and another study is not reached',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4'))
        await sendSlice(archive, slice('1.2.3.5', { series: '1.2.3.2' }))
        await sendSlice(archive, slice('1.9.1', { study: '1.9', series: '1.9.0' }))
        await using reader = await archive.open(studyProof('1.2.3'))
        const series = await reader.series()
        assert.deepEqual(
          series.map(({ series, instances }) => [series, instances]),
          [
            ['1.2.3.1', 1],
            ['1.2.3.2', 1],
          ],
        )
        assert.equal((await reader.instances()).length, 2)
        assert.equal(await reader.instance('1.9.1' as SopUid), undefined)
        assert.throws(() => reader.read('1.9.1' as SopUid), { code: 'not_found' })
      },
    )
  })
}
