import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  type Attributes,
  bytesOf,
  itemOf,
  itemsOf,
  numberOf,
  numbersOf,
  personOf,
  readableName,
  textOf,
  textsOf,
} from './dicom-json.ts'

const one = (Value: readonly unknown[]): Attributes => ({ '00100010': { Value } })
const tag = '00100010'

test('texts and numbers are read where they are, and nothing where they are not', () => {
  assert.equal(textOf(one(['a', 'b']), tag), 'a')
  assert.equal(textOf(one([5]), tag), '5')
  assert.equal(textOf(one([null]), tag), undefined)
  assert.equal(textOf(undefined, tag), undefined)
  assert.deepEqual(textsOf(one(['a', 5, 'b']), tag), ['a', 'b'])
  assert.equal(numberOf(one(['-1.5']), tag), -1.5)
  assert.deepEqual(numbersOf(one([1, '2']), tag), [1, 2])
  assert.equal(numbersOf(one([1, '']), tag), undefined)
  assert.equal(numbersOf(one(['Infinity']), tag), undefined)
  assert.equal(numbersOf(one([]), tag), undefined)
})

test('items of a sequence are read by number', () => {
  const attributes = one([{ '00080018': { Value: ['1.2'] } }, 'not an item'])
  assert.equal(textOf(itemOf(attributes, tag), '00080018'), '1.2')
  assert.equal(itemOf(attributes, tag, 1), undefined)
  assert.equal(itemsOf(attributes, tag).length, 1)
})

test('a name is written as people read it', () => {
  assert.equal(personOf(one([{ Alphabetic: 'Иванов^Пётр^Ильич' }]), tag), 'Иванов Пётр Ильич')
  assert.equal(personOf(one(['Ivanov^Petr=x=y']), tag), 'Ivanov Petr')
  assert.equal(personOf(one([{ Ideographic: '山田^太郎' }]), tag), '山田 太郎')
  assert.equal(personOf({}, tag), '')
  assert.equal(readableName('Adams^John^R^Rev.^B.A.'), 'Rev. Adams John R B.A.')
})

test('inline bytes survive base64', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (content) => {
      const InlineBinary = Buffer.from(content).toString('base64')
      assert.deepEqual([...(bytesOf({ [tag]: { InlineBinary } }, tag) ?? [])], [...content])
    }),
  )
  assert.equal(bytesOf({ [tag]: { BulkDataURI: 'x' } }, tag), undefined)
})
