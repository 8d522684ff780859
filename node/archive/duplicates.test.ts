import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StudyUid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { emptyStudy } from './catalog-rows.ts'
import { findDuplicates, isOneApart, snilsOf } from './duplicates.ts'

async function* studiesOf(people: { id: string; name: string; born: string; other?: string }[]) {
  for (const [index, { id, name, born, other }] of people.entries()) {
    const attributes: DicomJson = {
      '00100010': { vr: 'PN', Value: [{ Alphabetic: name }] },
      '00100020': { vr: 'LO', Value: [id] },
      '00100030': { vr: 'DA', Value: [born] },
      ...(other !== undefined && { '00101000': { vr: 'LO', Value: [other] } }),
    }
    yield { ...emptyStudy(`1.2.${index}` as StudyUid), instances: 1, attributes }
  }
}

test('a СНИЛС has a check number', () => {
  assert.equal(snilsOf('112-233-445 95'), '11223344595')
  assert.equal(snilsOf('11223344596'), undefined)
  assert.equal(snilsOf('00000000000'), undefined)
  assert.equal(snilsOf('42'), undefined)
})

test('names one letter apart are near, others are not', () => {
  for (const [one, other, expected] of [
    ['ivanov', 'ivanov', true],
    ['ivanov', 'ivanova', true],
    ['ivanov', 'ivenov', true],
    ['ivanov', 'vanov', true],
    ['ivanov', 'petrov', false],
    ['aa', 'aaaa', false],
    ['', '', false],
  ] as const) {
    assert.equal(isOneApart(one, other), expected, `${one} ${other}`)
    assert.equal(isOneApart(other, one), expected)
  }
})

test('patients who may be one are proposed, the certain first, and two СНИЛС are two people', async () => {
  const found = await findDuplicates(
    studiesOf([
      { id: 'A1', name: 'ИВАНОВ^ПЁТР', born: '19700101' },
      { id: 'B7', name: 'Ivanov^Petr', born: '19700101' },
      { id: 'C1', name: 'ИВАНОВ^ПЁТР', born: '19710101' },
      { id: '112-233-445 95', name: 'Ким', born: '19800101' },
      { id: 'K', name: 'Цой', born: '19800101', other: '11223344595' },
      { id: '087-654-303 00', name: 'Ким', born: '19800101' },
    ]),
    10,
  )
  assert.deepEqual(
    found.candidates.map(({ patients, because, isCertain }) => [
      ...patients.map(({ id }) => id),
      because,
      isCertain,
    ]),
    [
      ['112-233-445 95', 'K', 'snils', true],
      ['A1', 'B7', 'name', false],
    ],
  )
})
