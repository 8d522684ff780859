import assert from 'node:assert/strict'
import { suite } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { StudyUid } from '#protocol/ids.ts'
import { StudyRecord } from '#protocol/study.ts'
import type { Archive, ArchiveEvent } from './archive.ts'
import { holder, sendSlice } from './archive.fixture.ts'
import { slice } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'

/** What the index log is made from. */
export function indexConformance(name: string, withArchive: WithArchive): void {
  suite(`${name}: index log`, () => {
    withArchive(
      'the record of a study has the form that the federation exchanges',
      async (archive) => {
        await sendSlice(archive, slice('1.2.3.4', { accession: 'A1', birthDate: '19700102' }))
        const record = await archive.record('1.2.3' as StudyUid)
        assert.doesNotThrow(() => StudyRecord.parse(record))
        assert.equal(record?.patient.name, 'Иванов^Пётр')
        assert.equal(record?.device, 'ct-1')
        assert.equal(record?.state, 'open')
        assert.deepEqual(await archive.facts('1.2.3' as StudyUid), {
          study: '1.2.3',
          holder,
          modalities: ['CT'],
          date: '20260102',
          device: 'ct-1',
          withheld: false,
        })
      },
    )

    withArchive(
      'changes give each study once, at a position that grows, also after reopening',
      async (archive, { reopen }) => {
        await sendSlice(archive, slice('1.2.3.4'))
        await sendSlice(archive, slice('1.9.1', { study: '1.9', series: '1.9.0' }))
        const before = await archive.changes(0, 10)
        assert.deepEqual(
          before.map(({ study }) => study),
          ['1.2.3', '1.9'],
        )
        await sendSlice(archive, slice('1.2.3.5'))
        const after = await archive.changes(before.at(-1)?.position ?? 0, 10)
        assert.deepEqual(
          after.map(({ study }) => study),
          ['1.2.3'],
        )
        const all = await archive.changes(0, 10)
        assert.deepEqual(
          all.map(({ study }) => study),
          ['1.9', '1.2.3'],
        )
        await archive[Symbol.asyncDispose]()
        assert.deepEqual(await (await reopen()).changes(0, 10), all)
      },
    )

    withArchive(
      'a study falls complete after a time of quiet, and opens again',
      async (archive, { time }) => {
        const events: ArchiveEvent[] = []
        archive.on((event) => events.push(event))
        await sendSlice(archive, slice('1.2.3.4', { modality: 'MR' }))
        const [first] = await archive.changes(0, 10)
        time.move(59_000)
        await sendSlice(archive, slice('1.2.3.5', { modality: 'MR' }))
        time.move(59_000)
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'open')
        const done = new Promise<void>((resolve) => {
          archive.on((event) => event.kind === 'study-complete' && resolve())
        })
        time.move(2000)
        await done
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'complete')
        const [last] = await archive.changes(first?.position ?? 0, 10)
        assert.ok((last?.position ?? 0) > (first?.position ?? 0))
        assert.deepEqual(
          events.map(({ kind }) => kind),
          ['instance-stored', 'instance-stored', 'study-complete'],
        )
        const again = new Promise<ArchiveEvent>((resolve) => {
          archive.on((event) => event.kind === 'study-complete' && resolve(event))
        })
        await sendSlice(archive, slice('1.2.3.6', { modality: 'MR' }))
        await sendSlice(archive, slice('1.2.3.7', { modality: 'MR' }))
        assert.equal((await archive.record('1.2.3' as StudyUid))?.state, 'open')
        time.move(61_000)
        assert.deepEqual(await again, { kind: 'study-complete', study: '1.2.3', late: 2 })
        const reopened = events.filter(({ kind }) => kind === 'study-reopened')
        assert.deepEqual(reopened, [{ kind: 'study-reopened', study: '1.2.3' }])
      },
    )

    withArchive(
      'a CT falls quiet later than others, which do not wait for it',
      async (archive, { time }) => {
        const done: string[] = []
        archive.on((event) => event.kind === 'study-complete' && done.push(event.study))
        await sendSlice(archive, slice('1.2.3.4'))
        await sendSlice(archive, slice('1.9.1', { study: '1.9', series: '1.9.0', modality: 'DX' }))
        // Quiet begins when the catalog has it, which whoever asks waits for.
        assert.equal((await archive.counts()).studies, 2)
        for (const [ms, expected] of [
          [61_000, ['1.9']],
          [238_000, ['1.9']],
          [2000, ['1.9', '1.2.3']],
        ] as const) {
          time.move(ms)
          // The mark is a synced record: it takes as long as the disk does.
          for (let tries = 0; tries < 500 && done.length < expected.length; tries++) await pause(10)
          await pause(20)
          assert.deepEqual(done, expected)
        }
      },
    )

    withArchive(
      'a study that was open when the archive closed still falls complete',
      async (archive, { time, reopen }) => {
        await sendSlice(archive, slice('1.2.3.4', { modality: 'MR' }))
        await archive[Symbol.asyncDispose]()
        const again = await reopen()
        const done = new Promise<void>((resolve) => {
          again.on((event) => event.kind === 'study-complete' && resolve())
        })
        time.move(61_000)
        await done
        assert.equal((await again.record('1.2.3' as StudyUid))?.state, 'complete')
      },
    )

    withArchive(
      'appended index entries are replayed in order, also after reopening',
      async (archive, { reopen }) => {
        const entries = Array.from({ length: 20 }, (_, i) => Buffer.from(`entry ${i}`))
        for (const entry of entries) await archive.append('index-entry', entry)
        const read = async (archive: Archive) => {
          const found: string[] = []
          for await (const entry of archive.replay('index-entry')) {
            found.push(Buffer.from(entry).toString())
          }
          return found
        }
        const expected = entries.map(String)
        assert.deepEqual(await read(archive), expected)
        await archive[Symbol.asyncDispose]()
        assert.deepEqual(await read(await reopen()), expected)
      },
    )
  })
}
