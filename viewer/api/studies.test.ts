import { test } from 'node:test'
import assert from 'node:assert/strict'
import { pageOf, searchesOf, type StudyFilter, studyOf } from './studies.ts'

const everything: StudyFilter = { scope: 'own', text: '', from: '', to: '', modality: '' }
const page = { limit: 51, offset: 0 }

function queries(filter: Partial<StudyFilter>): URLSearchParams[] {
  return searchesOf({ ...everything, ...filter }, page).map(
    (path) => new URL(path, 'http://node').searchParams,
  )
}

test('the whole list is one question without keys', () => {
  const [query, ...more] = queries({})
  assert.equal(more.length, 0)
  assert.equal(query?.get('limit'), '51')
  assert.equal(query?.get('scope'), null)
  assert.equal(query?.get('StudyDate'), null)
})

test('scope, dates and modality become keys', () => {
  const [query] = queries({ scope: 'region', from: '20240101', to: '20240131', modality: 'CT' })
  assert.equal(query?.get('scope'), 'region')
  assert.equal(query?.get('StudyDate'), '20240101-20240131')
  assert.equal(query?.get('ModalitiesInStudy'), 'CT')
  assert.equal(queries({ from: '20240101', to: '20240101' })[0]?.get('StudyDate'), '20240101')
  assert.equal(queries({ to: '20240101' })[0]?.get('StudyDate'), '-20240101')
})

test('words are the beginnings of a name, in its order', () => {
  assert.equal(queries({ text: ' иванов пётр ' })[0]?.get('PatientName'), 'иванов*^пётр*')
  assert.equal(queries({ text: "О'Нил-Смит" })[0]?.get('PatientName'), "О'Нил-Смит*")
})

test('a number may be of a referral or of a patient, so both are asked', () => {
  const asked = queries({ text: '12-345*' })
  assert.deepEqual(
    asked.map((query) => [query.get('AccessionNumber'), query.get('PatientID')]),
    [
      ['12-345?*', null],
      [null, '12-345?*'],
    ],
  )
})

test('a UID is asked for as such, a date is not taken for one', () => {
  const uid = '2.25.244269215250364979325249767018134190890'
  assert.equal(queries({ text: uid })[0]?.get('StudyInstanceUID'), uid)
  assert.equal(queries({ text: '12.05.2024' })[0]?.get('StudyInstanceUID'), null)
})

const row = (uid: string, date: string) => ({
  '0020000D': { Value: [uid] },
  '00080020': { Value: [date] },
})

test('two answers become one page without doubles, newest first', () => {
  const { studies, more } = pageOf(
    [
      [row('1', '20240101'), row('2', '20240301')],
      [row('2', '20240301'), row('3', '20240201')],
    ],
    50,
  )
  assert.deepEqual(
    studies.map(({ uid }) => uid),
    ['2', '3', '1'],
  )
  assert.equal(more, false)
})

test('one row more than a page says that there is another page', () => {
  const { studies, more } = pageOf([[row('1', '1'), row('2', '2'), row('3', '3')]], 2)
  assert.equal(studies.length, 2)
  assert.equal(more, true)
})

test('rows without a UID and answers of another shape are left out', () => {
  assert.deepEqual(pageOf([[{}, 'x', null], { error: 1 }, undefined], 50).studies, [])
})

test('a row is read with its holder and its counts', () => {
  const study = studyOf({
    '0020000D': { Value: ['1.2.3'] },
    '00100010': { Value: [{ Alphabetic: 'Иванов^Пётр' }] },
    '00080061': { Value: ['CT', 'SR'] },
    '00080080': { Value: ['Institution that the scanner names'] },
    '0040A07C': {
      Value: [
        {
          '00080080': { Value: ['ЦРБ № 1'] },
          '00080082': { Value: [{ '00080120': { Value: ['urn:oid:1.2.643.1'] } }] },
        },
      ],
    },
    '00080056': { Value: ['OFFLINE'] },
    '00201208': { Value: [300] },
    '00201206': { Value: ['2'] },
  })
  assert.equal(study.patient.name, 'Иванов Пётр')
  assert.deepEqual(study.modalities, ['CT', 'SR'])
  assert.deepEqual(study.holder, { name: 'ЦРБ № 1', oid: '1.2.643.1' })
  assert.equal(study.availability, 'OFFLINE')
  assert.deepEqual([study.instances, study.series], [300, 2])
})
