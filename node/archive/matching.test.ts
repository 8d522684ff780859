import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { foldName } from './folding.ts'
import { createGlob, matchesQuery } from './matching.ts'

const study: DicomJson = {
  '00080020': { vr: 'DA', Value: ['20240315'] },
  '00080030': { vr: 'TM', Value: ['101530.25'] },
  '00080050': { vr: 'SH', Value: ['A-17'] },
  '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
  '00081030': { vr: 'LO' },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Семёнов^Пётр^Ильич', Phonetic: 'Semenov' }] },
  '0020000D': { vr: 'UI', Value: ['1.2.3'] },
  '00201206': { vr: 'IS', Value: [4] },
  '00400275': {
    vr: 'SQ',
    Value: [
      { '00400009': { vr: 'SH', Value: ['S1'] } },
      { '00400009': { vr: 'SH', Value: ['S2'] } },
    ],
  },
}

const cases: [tag: string, values: string[], expected: boolean][] = [
  ['00100010', ['семенов*'], true],
  ['00100010', ['СЕМЁНОВ^ПЕТР^ИЛЬИЧ'], true],
  ['00100010', ['семенов пётр*'], true],
  ['00100010', ['semenov'], true],
  ['00100010', ['*ильи?'], true],
  ['00100010', ['семенов'], true],
  ['00100010', ['семено'], false],
  ['00100010', ['Cемёнов*'], true], // the first letter is Latin
  ['00100010', [''], true],
  ['00081030', ['*'], true],
  ['00081030', ['x*'], false],
  ['00189999', ['x'], false],
  ['00189999', [], true],
  ['00080020', ['20240315'], true],
  ['00080020', ['20240301-20240331'], true],
  ['00080020', ['-20240314'], false],
  ['00080020', ['20240315-'], true],
  ['00080020', ['2024.03.15'], true],
  ['00080020', ['rubbish'], false],
  ['00080030', ['10'], true],
  ['00080030', ['1016-'], false],
  ['00080030', ['1000-101530.3'], true],
  ['00080050', ['A-17'], true],
  ['00080050', ['a-17'], false],
  ['00080050', ['A-?7'], true],
  ['00080061', ['SR'], true],
  ['00080061', ['MR', 'CT'], true],
  ['00080061', ['MR'], false],
  ['0020000D', ['1.2.4\\1.2.3'], true],
  ['0020000D', ['1.2.4', '1.2.3'], true],
  ['0020000D', ['1.2.*'], false],
  ['00201206', ['4'], true],
  ['00201206', ['04'], true],
  ['00201206', ['5'], false],
  ['00400275.00400009', ['S2'], true],
  ['00400275.00400009', ['S3'], false],
]

for (const [tag, values, expected] of cases) {
  test(`${tag} = ${JSON.stringify(values)} ${expected ? 'matches' : 'does not match'}`, () => {
    assert.equal(matchesQuery(study, { [tag]: values }), expected)
  })
}

test('keys of one sequence must match in one item', () => {
  const steps: DicomJson = {
    '00400275': {
      vr: 'SQ',
      Value: [
        { '00400009': { vr: 'SH', Value: ['S1'] }, '00401001': { vr: 'SH', Value: ['R1'] } },
        { '00400009': { vr: 'SH', Value: ['S2'] }, '00401001': { vr: 'SH', Value: ['R2'] } },
      ],
    },
  }
  const matches = (step: string, procedure: string) =>
    matchesQuery(steps, { '00400275.00400009': [step], '00400275.00401001': [procedure] })
  assert.deepEqual(
    [matches('S1', 'R1'), matches('S2', 'R?'), matches('S1', 'R2')],
    [true, true, false],
  )
})

test('all keys must match', () => {
  assert.equal(matchesQuery(study, { '00080061': ['CT'], '00080050': ['A-17'] }), true)
  assert.equal(matchesQuery(study, { '00080061': ['CT'], '00080050': ['A-18'] }), false)
})

test('a glob agrees with the regular expression that it stands for', () => {
  const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 8 }).map((c) => c.join(''))
  const pattern = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 })
  fc.assert(
    fc.property(pattern, text, (parts, value) => {
      const source = parts.map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c)).join('')
      assert.equal(createGlob(parts.join(''))(value), new RegExp(`^${source}$`).test(value))
    }),
  )
})

test('a hostile glob takes no more than product time', () => {
  const started = performance.now()
  assert.equal(createGlob('*a'.repeat(500) + 'b')('a'.repeat(5000)), false)
  assert.ok(performance.now() - started < 1000)
})

test('folding is idempotent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const folded = foldName(text)
      assert.equal(foldName(folded), folded)
    }),
  )
})

test('a name is found in the other alphabet, however it is transliterated', () => {
  const named = (Alphabetic: string) => ({ '00100010': { vr: 'PN', Value: [{ Alphabetic }] } })
  const finds = (name: string, wanted: string) =>
    matchesQuery(named(name), { '00100010': [wanted] })
  for (const [name, ...others] of [
    ['ИВАНОВ^ПЁТР', 'Ivanov^Petr', 'IVANOV PYOTR', 'ivanov*', 'Ivanov^Piotr'],
    ['Щербаков^Юрий', 'Shcherbakov^Yuriy', 'SCHERBAKOV^YURI', 'Sherbakov*', 'Shcherbakov^Jurij'],
    ['Соловьёва^Юлия', 'Solovyova^Yuliya', 'Solovyeva^Iuliia', 'SOLOVEVA^JULIA', "Solov'eva*"],
    ['Цой^Александр', 'TSOI^ALEKSANDR', 'Tsoy^Alexandr'],
    ['Хохлов^Жан', 'Khokhlov^Zhan', 'Hohlov*'],
    ['Shcherbakov^Yuriy', 'Щербаков*', 'ЩЕРБАКОВ^ЮРИЙ', 'щербаков юрий'],
    ['Ivanov^Petr', 'Иванов^Пётр', 'ИВАНОВ^ПЕТР', 'иван*'],
    ['Люкceмбypг', 'Люксембург', 'Lyuksemburg'],
  ] as const) {
    for (const wanted of others) assert.ok(finds(name, wanted), wanted)
  }
  assert.ok(!finds('Иванов', 'Petrov'))
  assert.ok(!finds('Маша', 'Маща'), 'within one alphabet letters are letters')
})
