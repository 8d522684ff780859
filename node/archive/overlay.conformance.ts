import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Archive } from './archive.ts'
import {
  correctionProof,
  dataSet,
  declare,
  fetch,
  readAll,
  searchProof,
  send,
  sendSlice,
  studyProof,
} from './archive.fixture.ts'
import { textOf } from './attribute-levels.ts'
import { query, slice } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'
import { find, headerOf, rejectionNote, series, sop, studiesOf, study } from './overlay.fixture.ts'
import { searchReader } from './reader-search.ts'
import { releaseConformance } from './release.conformance.ts'

const history = { limit: 100, offset: 0 }

/** What is shown may be put right, what was received stays. */
export function overlayConformance(name: string, withArchive: WithArchive): void {
  suite(`${name}: corrections`, () => correctionConformance(withArchive))
  suite(`${name}: merged patients`, () => mergeConformance(withArchive))
  suite(`${name}: rejections`, () => rejectionConformance(withArchive))
  suite(`${name}: quarantine`, () => releaseConformance(withArchive))
}

function correctionConformance(withArchive: WithArchive): void {
  withArchive(
    'a corrected name is found and shown, and the bytes stay',
    async (archive, { reopen }) => {
      await sendSlice(archive, slice(sop))
      const [overlay] = await archive.overlay(correctionProof('demographics'), {
        kind: 'correct',
        target: { level: 'study', study },
        attributes: [
          { tag: '00100010', new: ['Петрова^Анна'] },
          { tag: '00100030', new: ['19700102'] },
        ],
      })
      assert.deepEqual(overlay?.kind === 'correct' && overlay.content.attributes[0], {
        tag: '00100010',
        old: ['Иванов^Пётр'],
        new: ['Петрова^Анна'],
      })
      const check = async (current: Archive) => {
        assert.deepEqual(await studiesOf(current, { '00100010': ['ПЕТРОВА*'] }), [study])
        assert.deepEqual(await studiesOf(current, { '00100010': ['Иванов*'] }), [])
        assert.equal((await current.record(study))?.patient.name, 'Петрова^Анна')
        assert.deepEqual(await fetch(current, study, sop), dataSet(slice(sop)))
        await using reader = await current.open(studyProof(study))
        const [metadata] = await reader.metadata({})
        assert.equal(textOf(metadata ?? {}, '00100010'), 'Петрова^Анна')
        const [entry] = await reader.instances()
        assert.equal(textOf(entry?.attributes ?? {}, '00100030'), '19700102')
        const instances = await current.search(searchProof, query({ level: 'instance' }))
        assert.equal(textOf(instances.matches[0] ?? {}, '00100010'), 'Петрова^Анна')
      }
      await check(archive)
      await archive[Symbol.asyncDispose]()
      const again = await reopen()
      await check(again)
      await again.overlay(correctionProof('demographics'), {
        kind: 'revert',
        reverts: overlay?.seq ?? 0,
      })
      assert.deepEqual(await studiesOf(again, { '00100010': ['Иванов*'] }), [study])
      const entries = await again.overlays(correctionProof('history'), { study, ...history })
      assert.deepEqual(
        entries.map(({ kind, revertedBy }) => [kind, revertedBy]),
        [
          ['revert', undefined],
          ['correct', entries[0]?.seq],
        ],
      )
    },
  )

  withArchive('series and instances are corrected each on their own', async (archive) => {
    await sendSlice(archive, slice(sop))
    await sendSlice(archive, slice('1.2.3.5', { series: '1.2.3.2' }))
    const proof = correctionProof('attributes')
    const correct = (target: object, tag: string, value: string) =>
      archive.overlay(proof, {
        kind: 'correct',
        target: { study, ...target } as never,
        attributes: [{ tag, new: [value] }],
      })
    await correct({ level: 'series', series }, '0008103E', 'Мозг')
    await correct({ level: 'instance', series, sop }, '00200013', '7')
    const { matches } = await archive.search(searchProof, query({ level: 'series' }))
    assert.deepEqual(
      matches.map((row) => textOf(row, '0008103E')),
      ['Мозг', 'Лёгкие'],
    )
    await using reader = await archive.open(studyProof(study))
    assert.deepEqual((await reader.instance(sop))?.attributes['00200013']?.Value, [7])
    await sendSlice(archive, slice('1.2.3.6'))
    const late = await reader.instance('1.2.3.6' as SopUid)
    assert.equal(textOf(late?.attributes ?? {}, '0008103E'), 'Мозг')
  })

  withArchive('a corrected instance says both values and has the same pixels', async (archive) => {
    const bytes = dataSet(slice(sop, { pixels: new Uint8Array(600_000).fill(5) }))
    await send(archive, bytes, declare(sop))
    await archive.overlay(correctionProof('demographics'), {
      kind: 'correct',
      target: { level: 'study', study },
      attributes: [{ tag: '00100020', new: ['77'] }],
    })
    await using reader = await archive.open(studyProof(study))
    const corrected = await reader.corrected?.(sop)
    assert.ok(corrected !== undefined)
    const read = await readAll(corrected.read())
    assert.equal(read.byteLength, corrected.bytes)
    const header = await headerOf(read)
    assert.equal(textOf(header, '00100020'), '77')
    const [listed] = await reader.metadata({ sop })
    assert.deepEqual(listed?.['04000561'], header['04000561'])
    const [original] = (header['04000561']?.Value ?? []) as DicomJson[]
    assert.deepEqual(original?.['04000565']?.Value, ['CORRECT'])
    const [modified] = (original?.['04000550']?.Value ?? []) as DicomJson[]
    assert.equal(textOf(modified ?? {}, '00100020'), '42')
    assert.deepEqual(read.subarray(-600_000), bytes.subarray(-600_000))
  })

  withArchive('what cannot be corrected is refused', async (archive) => {
    await sendSlice(archive, slice(sop))
    const correct = (tag: string, level: 'study' | 'instance', act = 'attributes') =>
      archive.overlay(correctionProof(act as 'attributes'), {
        kind: 'correct',
        target: level === 'study' ? { level, study } : { level, study, series, sop },
        attributes: [{ tag, new: ['1'] }],
      })
    await assert.rejects(correct('0020000D', 'study'), { code: 'bad_request' })
    await assert.rejects(correct('00200013', 'study'), { code: 'bad_request' })
    await assert.rejects(correct('7FE00010', 'instance'), { code: 'bad_request' })
    await assert.rejects(correct('00080050', 'study', 'demographics'), { code: 'forbidden' })
    const elsewhere = { ...correctionProof('attributes'), organization: '1.2' as never }
    const request = { kind: 'revert', reverts: 1 } as const
    await assert.rejects(archive.overlay(elsewhere, request), { code: 'forbidden' })
    assert.equal((await archive.overlays(correctionProof('history'), history)).length, 0)
  })

  withArchive('a study without a usable identifier has one of its own', async (archive) => {
    await sendSlice(archive, slice(sop, { patientId: '000' }))
    const [row] = await find(archive)
    const id = textOf(row ?? {}, '00100020')
    assert.match(id, /^Q-42\.1001-\d+$/)
    assert.deepEqual(await studiesOf(archive, { '00100020': [id] }), [study])
    await using reader = await archive.open(studyProof(study))
    const [metadata] = await reader.metadata({})
    assert.equal(textOf(metadata ?? {}, '00100020'), '000')
    await archive.overlay(correctionProof('demographics'), {
      kind: 'correct',
      target: { level: 'study', study },
      attributes: [{ tag: '00100020', new: ['42'] }],
    })
    assert.deepEqual(await studiesOf(archive, { '00100020': ['42'] }), [study])
    assert.deepEqual(await studiesOf(archive, { '00100020': [id] }), [])
  })
}

function mergeConformance(withArchive: WithArchive): void {
  const patient = (id: string) => ({ level: 'patient', id, issuer: '' }) as const
  const survivor = (id: string, name = '') =>
    ({ id, issuer: '', name, birthDate: '', sex: '' }) as const
  const other = slice('1.9.1', {
    study: '1.9',
    series: '1.9.0',
    patientId: '43',
    name: 'Иванова^Анна',
  })

  withArchive(
    'studies of a merged patient are found by both, shown under one, and come back',
    async (archive) => {
      await sendSlice(archive, slice(sop))
      await sendSlice(archive, other)
      const [overlay] = await archive.overlay(correctionProof('patients'), {
        kind: 'merge',
        target: patient('43'),
        survivor: survivor('42'),
      })
      const ids = async (id: string) =>
        (await find(archive, { '00100020': [id] })).map((row) => [
          textOf(row, '0020000D'),
          textOf(row, '00100020'),
          textOf(row, '00100010'),
        ])
      assert.deepEqual(await ids('43'), [['1.9', '42', 'Иванов^Пётр']])
      assert.deepEqual((await ids('42')).length, 2)
      assert.deepEqual(await studiesOf(archive, { '00100010': ['Иванова*'] }), ['1.9'])
      await using reader = await archive.open(studyProof('1.9'))
      for (const [id, count] of [
        ['42', 1],
        ['43', 1],
        ['44', 0],
      ] as const) {
        const wanted = query({ level: 'series', match: { '00100020': [id] } })
        assert.equal((await searchReader(reader, wanted)).matches.length, count, id)
      }
      assert.equal((await archive.record('1.9' as StudyUid))?.patient.id, '42')
      // What comes later belongs to the survivor as well.
      await sendSlice(archive, { ...other, study: '1.10', series: '1.10.0', sop: '1.10.1' })
      assert.equal((await ids('42')).length, 3)
      await archive.overlay(correctionProof('patients'), {
        kind: 'revert',
        reverts: overlay?.seq ?? 0,
      })
      assert.deepEqual(await ids('42'), [[study, '42', 'Иванов^Пётр']])
      assert.deepEqual(await ids('43'), [
        ['1.10', '43', 'Иванова^Анна'],
        ['1.9', '43', 'Иванова^Анна'],
      ])
    },
  )

  withArchive(
    'a merge changes every study of the patient, whoever reads the changes',
    async (archive) => {
      await sendSlice(archive, slice(sop))
      await sendSlice(archive, other)
      await sendSlice(archive, { ...other, study: '1.10', series: '1.10.0', sop: '1.10.1' })
      const target = patient('43')
      await archive.overlay(correctionProof('patients'), {
        kind: 'merge',
        target,
        survivor: survivor('42'),
      })
      const [, ...changed] = await archive.changes(0, 2)
      assert.deepEqual(changed.map(({ study }) => study).sort(), ['1.10', '1.9'])
    },
  )

  withArchive('merges follow each other and never in a circle', async (archive) => {
    await sendSlice(archive, slice(sop))
    await sendSlice(archive, other)
    const proof = correctionProof('patients')
    const merge = (from: string, to: string) =>
      archive.overlay(proof, { kind: 'merge', target: patient(from), survivor: survivor(to) })
    await merge('43', '42')
    await assert.rejects(merge('42', '43'), { code: 'conflict' })
    await assert.rejects(merge('43', '44'), { code: 'conflict' })
    await assert.rejects(merge('99', '42'), { code: 'not_found' })
    await merge('42', '44')
    assert.equal((await studiesOf(archive, { '00100020': ['44'] })).length, 2)
    assert.deepEqual(await studiesOf(archive, { '00100020': ['43'] }), ['1.9'])
  })
}

function rejectionConformance(withArchive: WithArchive): void {
  withArchive('a rejected instance is nowhere, and comes back', async (archive, { reopen }) => {
    await sendSlice(archive, slice(sop))
    await sendSlice(archive, slice('1.2.3.5'))
    await using open = await archive.open(studyProof(study))
    const [overlay] = await archive.overlay(correctionProof('rejection'), {
      kind: 'reject',
      target: { level: 'instance', study, series, sop },
      code: '113001',
    })
    assert.equal(await open.instance(sop), undefined)
    assert.throws(() => open.read(sop), { code: 'not_found' })
    assert.equal((await open.metadata({})).length, 1)
    const [row] = await find(archive)
    assert.deepEqual(row?.['00201208']?.Value, [1])
    assert.equal((await archive.counts()).instances, 1)
    // It was acknowledged once and is still here: the same bytes change nothing.
    assert.equal((await sendSlice(archive, slice(sop))).outcome, 'duplicate')
    await archive[Symbol.asyncDispose]()
    const again = await reopen()
    assert.equal((await again.counts()).instances, 1)
    const listed = await again.overlays(correctionProof('history'), { kind: 'reject', ...history })
    assert.deepEqual(
      listed.map(({ seq }) => seq),
      [overlay?.seq],
    )
    await again.overlay(correctionProof('rejection'), {
      kind: 'revert',
      reverts: overlay?.seq ?? 0,
    })
    assert.deepEqual(await fetch(again, study, sop), dataSet(slice(sop)))
  })

  withArchive('a study that is rejected whole is as if it were not there', async (archive) => {
    await sendSlice(archive, slice(sop))
    const before = await archive.record(study)
    const [position = { position: 0 }] = await archive.changes(0, 10)
    const [overlay] = await archive.overlay(correctionProof('rejection'), {
      kind: 'reject',
      target: { level: 'study', study },
      code: '113038',
    })
    assert.equal(await archive.facts(study), undefined)
    assert.equal(await archive.record(study), undefined)
    assert.deepEqual(await archive.changes(position.position, 10), [
      { position: overlay?.seq, study },
    ])
    await assert.rejects(archive.open(studyProof(study)), { code: 'not_found' })
    assert.deepEqual(await find(archive), [])
    assert.deepEqual(await archive.counts(), { studies: 0, instances: 0, bytes: 0, quarantined: 0 })
    await archive.overlay(correctionProof('rejection'), {
      kind: 'revert',
      reverts: overlay?.seq ?? 0,
    })
    assert.equal((await archive.record(study))?.instances, 1)
    assert.equal((await archive.record(study))?.patient.name, before?.patient.name)
  })

  for (const level of ['study', 'series'] as const) {
    withArchive(`what comes after a ${level} was rejected is seen`, async (archive, { reopen }) => {
      await sendSlice(archive, slice(sop))
      const target = level === 'study' ? { level, study } : { level, study, series }
      const [overlay] = await archive.overlay(correctionProof('rejection'), {
        kind: 'reject',
        target,
        code: '113001',
      })
      await sendSlice(archive, slice('1.2.3.5'))
      assert.equal((await sendSlice(archive, slice(sop))).outcome, 'duplicate')
      const seen = async (one: Archive) => {
        await using open = await one.open(studyProof(study))
        return (await open.instances()).map((instance) => instance.sop)
      }
      assert.deepEqual(await seen(archive), ['1.2.3.5'])
      assert.equal((await archive.record(study))?.instances, 1)
      await archive[Symbol.asyncDispose]()
      const again = await reopen()
      assert.deepEqual(await seen(again), ['1.2.3.5'])
      await again.overlay(correctionProof('rejection'), {
        kind: 'revert',
        reverts: overlay?.seq ?? 0,
      })
      assert.equal((await again.record(study))?.instances, 2)
    })
  }

  withArchive(
    'a rejection note from a device hides what it names and itself, once',
    async (archive) => {
      await sendSlice(archive, slice(sop))
      await sendSlice(archive, slice('1.2.3.5'))
      const note = rejectionNote('1.2.3.9', '113037', [sop])
      const noteClass = '1.2.840.10008.5.1.4.1.1.88.59'
      const declared = { ...declare('1.2.3.9'), sopClass: noteClass }
      await send(archive, note, declared, { origin: { kind: 'media', path: 'disc' } })
      assert.equal((await archive.counts()).instances, 3)
      await send(archive, rejectionNote('1.2.3.10', '113000', [sop]), {
        ...declared,
        sopUid: '1.2.3.10',
      })
      assert.equal((await archive.counts()).instances, 4)
      const second = rejectionNote('1.2.3.11', '113037', [sop])
      await send(archive, second, { ...declared, sopUid: '1.2.3.11' })
      assert.equal((await archive.counts()).instances, 3)
      const [overlay] = await archive.overlays(correctionProof('history'), { study, ...history })
      assert.equal(overlay?.who, 'device:ct-1')
      assert.ok(overlay?.kind === 'reject' && overlay.content.code === '113037')
      await archive.overlay(correctionProof('rejection'), { kind: 'revert', reverts: overlay.seq })
      await send(archive, second, { ...declared, sopUid: '1.2.3.11' })
      assert.equal((await archive.counts()).instances, 5)
    },
  )
}
