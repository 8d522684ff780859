import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSignDependent, keywordOf, tagOf, vrOf } from './dictionary.ts'
import { indexTags } from './index-attributes.ts'

test('attributes are named by keyword, by digits and in parentheses', () => {
  for (const name of ['PatientName', '00100010', '(0010,0010)', '0010,0010']) {
    assert.equal(tagOf(name), '00100010', name)
  }
  assert.equal(tagOf('(7fe0,0010)'), '7FE00010')
  for (const name of ['patientname', '0010', 'toString', '__proto__', '']) {
    assert.equal(tagOf(name), undefined, name)
  }
})

test('representations are known, guessed for private creators, and otherwise unknown', () => {
  for (const [tag, vr] of [
    ['00100010', 'PN'],
    ['7FE00010', 'OW'],
    ['00280106', 'US'],
    ['00081140', 'SQ'],
    ['60023000', 'OW'],
    ['60020010', 'US'],
    ['00290010', 'LO'],
    ['00291001', 'UN'],
    ['00090000', 'UL'],
    ['FFFFFFFF', 'UN'],
  ] as const) {
    assert.equal(vrOf(tag), vr, tag)
  }
  assert.equal(keywordOf('0020000D'), 'StudyInstanceUID')
  assert.equal(keywordOf('00291001'), undefined)
  assert.equal(isSignDependent(0x00280106), true)
  assert.equal(isSignDependent(0x00280010), false)
})

test('every index attribute is in the dictionary', () => {
  assert.equal(indexTags.has(0), false)
  for (const tag of [0x0020000d, 0x0020000e, 0x00080018, 0x00080016, 0x00100010, 0x00100020]) {
    assert.ok(indexTags.has(tag))
  }
})
