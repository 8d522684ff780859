import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isStorage } from './storage-classes.ts'

test('storage classes are kept, known and unknown, standard and private', () => {
  for (const uid of [
    '1.2.840.10008.5.1.4.1.1.2',
    '1.2.840.10008.5.1.4.1.1.66.4',
    '1.2.840.10008.5.1.4.1.1.104.1',
    '1.2.840.10008.5.1.4.1.1.999.1',
    '1.2.840.10008.5.1.4.34.7',
    '1.2.840.10008.5.1.4.38.1',
    '1.2.840.113619.4.27',
    '1.3.12.2.1107.5.9.1',
  ]) {
    assert.ok(isStorage(uid), uid)
  }
})

test('classes that are not storage are told apart', () => {
  for (const uid of [
    '1.2.840.10008.5.1.4.31',
    '1.2.840.10008.5.1.4.1.2.1.1',
    '1.2.840.10008.5.1.4.1.2.2.3',
    '1.2.840.10008.3.1.2.3.3',
    '1.2.840.10008.1.20.1',
    '1.2.840.10008.5.1.1.9',
    '1.2.840.10008.5.1.4.33',
    '1.2.840.10008.5.1.4.34.6.1',
    '1.2.840.10008.1.3.10',
    '1.2.840.10008.5.1.4.1.1.200.4',
    '',
    'not a uid',
    '1..2',
  ]) {
    assert.equal(isStorage(uid), false, uid)
  }
})
