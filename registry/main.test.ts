import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { createRegion } from './region.fixture.ts'
import type { Region } from './region.fixture.ts'

const main = path.join(import.meta.dirname, 'main.ts')

function start(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const end = async () => {
    const [error, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    return { error, code: code as number }
  }
  return { child, end }
}

/** The program lives in the time of this machine, so its trust list must. */
async function createPresentRegion(): Promise<Region> {
  const region = await createRegion()
  const iat = Math.floor(Date.now() / 1000) - 60
  const exp = iat + 24 * 3600
  const issuers = [{ kid: region.issuer.kid, jwk: region.issuer.jwk, nbf: iat, exp }]
  await writeFile(region.config.trustListFile, await region.sign.trustList({ iat, exp, issuers }))
  return { ...region, config: { ...region.config, credentials: [] } }
}

async function write(region: Region, over: Record<string, unknown>): Promise<string> {
  const file = path.join(region.dir, 'registry.json')
  await writeFile(file, JSON.stringify({ ...region.config, ...over }))
  return file
}

test('what is wrong with the configuration is said in one sentence, with exit code 2', async () => {
  await using region = await createPresentRegion()
  const { keyFile } = region.config
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ colour: 'blue' }, /field "colour" is not known/],
    [{ http: { host: '127.0.0.1', port: 70_000 } }, /field "http.port"/],
    [{ keyFile: `${keyFile}.gone` }, /cannot read the key/],
    [{ authority: region.stranger.kid }, /not a valid trust list of this authority/],
    [{ credentials: [region.config.trustListFile] }, /not a credential that can be published/],
  ]
  for (const [over, sentence] of wrong) {
    const { error, code } = await start('--config', await write(region, over)).end()
    assert.match(error, sentence)
    assert.equal(error.trim().split('\n').length, 1, error)
    assert.equal(code, 2)
  }
  const bare = await start().end()
  assert.match(bare.error, /^usage: /)
  assert.equal(bare.code, 2)
})

test('one line says that it is ready; SIGTERM ends it cleanly', async () => {
  await using region = await createPresentRegion()
  const { child, end } = start('--config', await write(region, {}))
  const ended = end()
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { ready, http, peerId } = JSON.parse(line.toString('utf8')) as Record<string, unknown>
  assert.deepEqual([ready, peerId], [true, region.registry.peerId])
  assert.equal((await fetch(`${String(http)}/health`)).status, 200)
  child.kill('SIGTERM')
  assert.equal((await ended).code, 0)
})
