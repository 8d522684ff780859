import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { statementFile, withTables } from './conformance.ts'
import { tables } from './conformance-tables.ts'

test('the conformance statement says what the code does', () => {
  const statement = readFileSync(statementFile, 'utf8')
  assert.equal(statement, withTables(statement), 'run npm run conformance')
})

test('tables name the classes that are accepted and no others', () => {
  const classes = tables['storage-classes']?.() ?? ''
  assert.match(classes, /CT Image Storage \| 1\.2\.840\.10008\.5\.1\.4\.1\.1\.2 \|/)
  assert.doesNotMatch(classes, /FIND|MOVE|Worklist|Commitment/)
  assert.doesNotMatch(classes, /\| +(\(retired\) )?\|/)
  const syntaxes = tables['transfer-syntaxes']?.() ?? ''
  assert.doesNotMatch(syntaxes, /JPIP|not named/)
  for (const suffix of ['4.110', '4.111', '4.112', '8.1']) {
    assert.match(
      syntaxes,
      new RegExp(`\\w \\| 1\\.2\\.840\\.10008\\.1\\.2\\.${suffix} \\| yes \\|`),
    )
  }
})

test('answers are said to be in a set only where its letters can be written', () => {
  const [, , own = '', others = ''] = (tables['character-sets']?.() ?? '').split('\n')
  for (const term of ['ISO_IR 144', 'ISO_IR 192', 'ISO 2022 IR 6', 'ISO 2022 IR 166']) {
    assert.match(own, new RegExp(`\\b${term}\\b`))
  }
  for (const number of [13, 87, 159, 149, 58]) {
    assert.doesNotMatch(own, new RegExp(`IR ${number}\\b`))
    assert.match(others, new RegExp(`ISO 2022 IR ${number}\\b`))
  }
})

test('the overview tells what the node asks of others from what it answers', () => {
  const network = tables['network-services']?.() ?? ''
  for (const [name, used] of [
    ['Verification', 'yes'],
    ['Study Root Query/Retrieve Information Model - FIND', 'yes'],
    ['Study Root Query/Retrieve Information Model - MOVE', 'yes'],
    ['Study Root Query/Retrieve Information Model - GET', 'no'],
    ['Patient Root Query/Retrieve Information Model - FIND', 'no'],
    ['Modality Worklist Information Model - FIND', 'no'],
    ['Storage Commitment Push Model', 'yes'],
  ] as const) {
    assert.ok(network.includes(`| ${name} | ${used} | yes |`), name)
  }
})

test('a mark without a table, and a table without a mark, are mistakes', () => {
  assert.throws(() => withTables('<!-- table: nothing -->\n<!-- end -->'), /there is no table/)
  assert.throws(() => withTables(''), /no mark for/)
})
