import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import os from 'node:os'
import path from 'node:path'

const main = path.join(import.meta.dirname, 'main.ts')

async function run(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, error, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { out, error, code: code as number }
}

test('wrong usage and a wrong configuration end with one plain sentence and exit code 2', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-main-'))
  try {
    const file = path.join(dir, 'node.json')
    await writeFile(file, JSON.stringify({ colour: 'blue' }))
    const wrong = await run('--config', file)
    assert.equal(wrong.code, 2)
    assert.equal(
      wrong.error,
      `${file}: field "colour" is not known; remove it or correct its name\n`,
    )
    assert.equal(wrong.out, '')
    const missing = await run('--config', `${file}.gone`)
    assert.equal(missing.code, 2)
    assert.match(missing.error, /^cannot read .*\n$/)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  const bare = await run()
  assert.equal(bare.code, 2)
  assert.match(bare.error, /^usage: /)
  const unknown = await run('--colour')
  assert.equal(unknown.code, 2)
})

test('--schema prints the JSON Schema of the configuration', async () => {
  const { out, code } = await run('--schema')
  assert.equal(code, 0)
  assert.ok('organization' in (JSON.parse(out) as { properties: object }).properties)
})
