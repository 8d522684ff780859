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
  const syntaxes = tables['transfer-syntaxes']?.() ?? ''
  assert.doesNotMatch(syntaxes, /JPIP/)
})

test('a mark without a table, and a table without a mark, are mistakes', () => {
  assert.throws(() => withTables('<!-- table: nothing -->\n<!-- end -->'), /there is no table/)
  assert.throws(() => withTables(''), /no mark for/)
})
