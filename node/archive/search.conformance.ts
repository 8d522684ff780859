import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Archive, Query } from './archive.ts'
import { holder, searchProof, sendSlice, studyProof } from './archive.fixture.ts'
import { query } from './conformance.fixture.ts'
import type { WithArchive } from './conformance.fixture.ts'
import { searchReader } from './reader-search.ts'

const ct = '1.2.840.10008.5.1.4.1.1.2'
const keyObject = '1.2.840.10008.5.1.4.1.1.88.59'

/** What is found. */
export function searchConformance(name: string, withArchive: WithArchive): void {
  suite(`${name}: search`, () => {
    const load = async (archive: Archive) => {
      const studies = [
        { study: '1.1', name: 'Семёнов^Пётр', patientId: 'A-1', date: '20240315', accession: 'X1' },
        { study: '1.2', name: 'Семенова^Анна', patientId: 'a-2', date: '20240401', modality: 'MR' },
        { study: '1.3', name: 'Иванов^Пётр', patientId: 'A-1', date: '20250101', accession: 'X12' },
        { study: '1.4', name: 'Smith^John', patientId: 'S/1', date: '', modality: 'CT' },
      ]
      for (const one of studies) {
        await sendSlice(archive, { series: `${one.study}.1`, sop: `${one.study}.1.1`, ...one })
      }
      await sendSlice(archive, {
        ...studies[0],
        study: '1.1',
        series: '1.1.2',
        sop: '1.1.2.1',
        modality: 'SR',
        sopClass: keyObject,
      })
    }
    const cases: [what: string, match: Query['match'], expected: string[]][] = [
      ['everything, newest first', {}, ['1.3', '1.2', '1.1', '1.4']],
      ['a study UID', { '0020000D': ['1.2'] }, ['1.2']],
      ['a list of study UIDs', { '0020000D': ['1.1\\1.2'] }, ['1.2', '1.1']],
      ['a patient id', { '00100020': ['A-1'] }, ['1.3', '1.1']],
      ['a patient id with a wildcard', { '00100020': ['A-*'] }, ['1.3', '1.1']],
      ['an accession number', { '00080050': ['X1'] }, ['1.1']],
      ['an accession number prefix', { '00080050': ['X1*'] }, ['1.3', '1.1']],
      ['a name prefix, folded', { '00100010': ['СЕМЕНОВ*'] }, ['1.2', '1.1']],
      ['a name infix', { '00100010': ['*петр'] }, ['1.3', '1.1']],
      ['a date range', { '00080020': ['20240315-20240401'] }, ['1.2', '1.1']],
      ['a date', { '00080020': ['20250101'] }, ['1.3']],
      ['an open date range', { '00080020': ['-20240315'] }, ['1.1']],
      ['a modality', { '00080061': ['SR'] }, ['1.1']],
      ['modalities', { '00080061': ['SR', 'MR'] }, ['1.2', '1.1']],
      ['a modality and a date', { '00080061': ['CT'], '00080020': ['2025-'] }, ['1.3']],
      ['a SOP class', { '00080062': [keyObject] }, ['1.1']],
      ['SOP classes', { '00080062': [`${ct}\\${keyObject}`] }, ['1.3', '1.2', '1.1', '1.4']],
      ['a modality of a series', { '00080060': ['MR'] }, ['1.2']],
      ['a series UID', { '0020000E': ['1.1.2'] }, ['1.1']],
      ['an instance UID', { '00080018': ['1.3.1.1'] }, ['1.3']],
      ['two keys', { '00100020': ['A-1'], '00100010': ['Иванов*'] }, ['1.3']],
      [
        'a key that asks for nothing',
        { '00100010': ['*'], '00080050': [''] },
        ['1.3', '1.2', '1.1', '1.4'],
      ],
      ['nobody', { '00100020': ['Z'] }, []],
    ]
    withArchive('studies are found by each key', async (archive) => {
      await load(archive)
      for (const [what, match, expected] of cases) {
        const { matches, more } = await archive.search(searchProof, query({ match }))
        assert.deepEqual(
          matches.map((m) => m['0020000D']?.Value?.[0]),
          expected,
          what,
        )
        assert.equal(more, false, what)
      }
    })

    withArchive('computed attributes count what is there', async (archive) => {
      await load(archive)
      const [study] = (await archive.search(searchProof, query({ match: { '0020000D': ['1.1'] } })))
        .matches
      assert.deepEqual(study?.['00080061']?.Value, ['CT', 'SR'])
      assert.deepEqual(study?.['00080062'], { vr: 'UI', Value: [ct, keyObject] })
      assert.deepEqual(study?.['00201206']?.Value, [2])
      assert.deepEqual(study?.['00201208']?.Value, [2])
      const series = await archive.search(
        searchProof,
        query({ level: 'series', study: '1.1' as StudyUid }),
      )
      assert.deepEqual(
        series.matches.map((m) => m['00201209']?.Value?.[0]),
        [1, 1],
      )
    })

    withArchive(
      'series and instances are found within a study, a series, or everywhere',
      async (archive) => {
        await load(archive)
        const find = async (more: Partial<Query>, tag: string) =>
          (await archive.search(searchProof, query(more))).matches.map((m) => m[tag]?.Value?.[0])
        assert.deepEqual(await find({ level: 'series', study: '1.1' as StudyUid }, '0020000E'), [
          '1.1.1',
          '1.1.2',
        ])
        assert.deepEqual(
          await find({ level: 'series', match: { '00080060': ['SR'] } }, '0020000E'),
          ['1.1.2'],
        )
        assert.deepEqual(
          await find({ level: 'instance', match: { '00100020': ['A-1'] } }, '00080018'),
          ['1.3.1.1', '1.1.1.1', '1.1.2.1'],
        )
      },
    )

    withArchive('a study of more SOP classes than any has lists some of them', async (archive) => {
      const own = (index: number) => `1.2.3.${1000 + index}`
      for (let index = 0; index < storageLimits.sopClassesPerStudyMax + 2; index++) {
        await sendSlice(archive, {
          study: '1.1',
          series: '1.1.1',
          sop: `1.1.1.${index}`,
          sopClass: own(index),
        })
      }
      const find = async (sopClass: string) =>
        (await archive.search(searchProof, query({ match: { '00080062': [sopClass] } }))).matches
      const [study] = await find(own(0))
      assert.equal(study?.['00080062']?.Value?.length, storageLimits.sopClassesPerStudyMax)
      assert.deepEqual(study?.['00201208']?.Value, [storageLimits.sopClassesPerStudyMax + 2])
    })

    withArchive(
      'patients are counted whole, whichever of their studies is found',
      async (archive) => {
        await load(archive)
        const patients = async (more: Partial<Query>) =>
          (await archive.search(searchProof, query({ level: 'patient', ...more }))).matches.map(
            (row) =>
              ['00100020', '00201200', '00201202', '00201204'].map((tag) => row[tag]?.Value?.[0]),
          )
        assert.deepEqual(await patients({ match: { '0020000D': ['1.3'] } }), [['A-1', 2, 3, 3]])
        const all = await patients({})
        assert.deepEqual(
          all.map(([id]) => id),
          ['A-1', 'a-2', 'S/1'],
        )
        assert.deepEqual(await patients({ limit: 1, offset: 1 }), [all[1]])
      },
    )

    withArchive('a row says by what below it it was found', async (archive) => {
      await load(archive)
      await sendSlice(archive, {
        study: '1.1',
        series: '1.1.3',
        sop: '1.1.3.1',
        name: 'Семёнов^Пётр',
        patientId: 'A-1',
        date: '20240315',
        institution: 'QMC',
        number: 7,
      })
      for (const [level, key, value] of [
        ['study', '00080080', 'QMC'],
        ['study', '00200013', 7],
        ['series', '00200013', 7],
        ['patient', '00080080', 'QMC'],
        ['patient', '00080020', '20240315'],
      ] as const) {
        const find = async (values: string[]) =>
          (await archive.search(searchProof, query({ level, match: { [key]: values } }))).matches[0]
        assert.deepEqual((await find([String(value)]))?.[key]?.Value, [value], `${level} ${key}`)
        assert.equal((await find(['*']))?.[key], undefined)
      }
      await using reader = await archive.open(studyProof('1.1'))
      const inSeries = query({ level: 'series', match: { '00200013': ['7'] } })
      assert.deepEqual(
        await searchReader(reader, inSeries),
        await archive.search(searchProof, inSeries),
      )
    })

    withArchive('pages join to the whole list', async (archive) => {
      await load(archive)
      const all = (await archive.search(searchProof, query())).matches
      for (const limit of [1, 2, 3]) {
        const paged = []
        for (let offset = 0; ; offset += limit) {
          const page = await archive.search(searchProof, query({ limit, offset }))
          paged.push(...page.matches)
          if (!page.more) break
        }
        assert.deepEqual(paged, all)
      }
    })

    withArchive('a proof for another organization finds nothing', async (archive) => {
      const other = { ...searchProof, organization: `${holder}9` } as typeof searchProof
      await assert.rejects(archive.search(other, query()), { code: 'forbidden' })
    })
  })
}
