import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { vectorFiles } from './files.ts'
import { Vector, answerTo } from './vector.ts'

const folder = import.meta.dirname
const filesIn = (kind: string) =>
  readdirSync(path.join(folder, kind)).map((file) => `${kind}/${file}`)
const stored = [...filesIn('valid'), ...filesIn('invalid')]
const textOf = (file: string) => readFileSync(path.join(folder, file), 'utf8')

for (const file of stored) {
  test(`vector ${file}`, async () => {
    const vector = Vector.parse(JSON.parse(textOf(file)))
    const { expect, error } = vector
    const answer = expect === undefined ? { error } : { expect }
    assert.deepEqual(await answerTo(vector), answer)
    assert.equal(error === undefined, file.startsWith('valid/'))
  })
}

test('the stored vectors are the ones that generate.ts writes, and no others', async () => {
  const made = await vectorFiles()
  assert.deepEqual(stored.toSorted(), made.map(({ file }) => file).toSorted())
  for (const { file, text } of made) assert.equal(textOf(file), text, file)
})

test('every message has a good example and a bad one', () => {
  const kinds = new Set<string>()
  for (const file of stored) {
    const { message, error } = Vector.parse(JSON.parse(textOf(file)))
    kinds.add(`${error === undefined ? 'valid' : 'invalid'} ${message}`)
  }
  assert.equal(kinds.size, 2 * Vector.options.length)
})
