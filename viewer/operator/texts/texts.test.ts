import { test } from 'node:test'
import assert from 'node:assert/strict'
import { dictionary, parts } from './texts.ts'

test('every text of the operator’s screens has a key of its own', () => {
  const keys = parts.flatMap((part) => Object.keys(part))
  assert.deepEqual(
    keys.filter((key, at) => keys.indexOf(key) !== at),
    [],
  )
  assert.deepEqual(keys.toSorted(), Object.keys(dictionary).toSorted())
})
