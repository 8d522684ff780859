import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { attacks, runAttack, tableOf, type Row } from './run-attack.fixture.ts'

const rows: Row[] = []

for (const attack of attacks) {
  test(`${attack.actor} ${attack.name}: nothing is read`, async () => {
    const outcome = await runAttack(attack, 1)
    assert.ok(outcome.asked > 0)
    assert.deepEqual([attack.name, outcome.reads], [attack.name, 0])
    rows.push({ attack, outcome })
  })
}

test('the table of attacks in docs/SECURITY.md says what was run, and what each was told', async () => {
  const table = tableOf(rows)
  console.log(table)
  const document = path.join(import.meta.dirname, '../../docs/SECURITY.md')
  assert.ok((await readFile(document, 'utf8')).includes(table), 'put the printed table there')
})
