import { test } from 'node:test'
import assert from 'node:assert/strict'
import { choose } from './syntaxes.ts'

const ct = '1.2.840.10008.5.1.4.1.1.2'

test('services that are not storage are refused', () => {
  for (const uid of ['1.2.840.10008.5.1.4.31', '1.2.840.10008.5.1.4.1.1.200.4', '', 'not a uid']) {
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

test('deflated, JPIP, private and unheard-of syntaxes are not negotiated', () => {
  for (const uid of [
    '1.2.840.10008.1.2.1.99',
    '1.2.840.10008.1.2.4.94',
    '1.2.840.10008.1.2.4.95',
    '1.2.840.10008.1.2.4.204',
    '1.2.840.10008.1.2.4.107.1',
    '1.2.840.113619.5.2',
  ]) {
    assert.equal(choose(ct, [uid]).result, 'transfer-syntaxes-not-supported', uid)
  }
})
