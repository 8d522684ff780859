import { test } from 'node:test'
import assert from 'node:assert/strict'
import { choose, isStorage } from './syntaxes.ts'

const ct = '1.2.840.10008.5.1.4.1.1.2'

test('storage classes are kept, known and unknown, standard and private', () => {
  for (const uid of [
    ct,
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

test('services that are not storage are refused', () => {
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
    assert.equal(choose(uid, ['1.2.840.10008.1.2']).result, 'abstract-syntax-not-supported')
  }
})

test('the first acceptable transfer syntax of the sender is taken', () => {
  const jpegLs = '1.2.840.10008.1.2.4.80'
  const explicit = '1.2.840.10008.1.2.1'
  assert.deepEqual(choose(ct, [jpegLs, explicit]), { result: 'accepted', transferSyntax: jpegLs })
  assert.deepEqual(choose(ct, ['1.2.840.10008.1.2.1.99', explicit]), {
    result: 'accepted',
    transferSyntax: explicit,
  })
})

test('every syntax in which pixels are kept is acceptable', () => {
  const suffixes = ['', '.1', '.2', '.5', '.4.50', '.4.51', '.4.57', '.4.70', '.4.80', '.4.81']
  suffixes.push('.4.90', '.4.91', '.4.100', '.4.102', '.4.104', '.4.106', '.4.107', '.4.108')
  suffixes.push('.4.110', '.4.111', '.4.112', '.4.201', '.4.202', '.4.203')
  for (const suffix of suffixes) {
    const transferSyntax = `1.2.840.10008.1.2${suffix}`
    assert.deepEqual(choose(ct, [transferSyntax]), { result: 'accepted', transferSyntax })
  }
})

test('deflated, JPIP and private syntaxes are not negotiated', () => {
  for (const uid of [
    '1.2.840.10008.1.2.1.99',
    '1.2.840.10008.1.2.4.94',
    '1.2.840.10008.1.2.4.95',
    '1.2.840.10008.1.2.4.204',
    '1.2.840.113619.5.2',
  ]) {
    assert.equal(choose(ct, [uid]).result, 'transfer-syntaxes-not-supported', uid)
  }
})
