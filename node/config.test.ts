import { test } from 'node:test'
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { configSchema, NodeConfig, readConfig, readPrivateKey } from './config.ts'

async function temporary() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-config-'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

const whole = {
  organization: { oid: '1.2.643.5.1.13.13.12.2.42.9001', name: 'ГАУЗ «ОКБ»' },
  dataDir: '/var/lib/cami',
  keyFile: 'node.jwk',
  credentialFile: 'credential.jwt',
  trustListFile: 'trust.jwt',
  authority: 'A'.repeat(43),
  http: { host: '127.0.0.1', port: 8410 },
  dimse: { host: '0.0.0.0', port: 104, aeTitle: 'OKB' },
  peer: { listen: ['/ip4/0.0.0.0/tcp/4000'], registry: ['/ip4/10.0.0.1/tcp/4000/p2p/12D3'] },
}

test('a configuration is read with its defaults', async () => {
  await using place = await temporary()
  const file = path.join(place.dir, 'node.json')
  await writeFile(file, JSON.stringify(whole))
  const config = await readConfig(file, NodeConfig)
  assert.equal(config.http.cookieName, '__Host-cami')
  assert.equal(config.http.secureCookie, true)
  assert.equal(config.demo, false)
  assert.deepEqual(config.devices, [])
  assert.equal('accountsFile' in config, false)
})

test('what is wrong is one sentence with file, field and remedy', async () => {
  await using place = await temporary()
  const file = path.join(place.dir, 'node.json')
  const { dataDir: _, ...withoutData } = whole
  const cases: [unknown, RegExp][] = [
    [{ ...whole, acountsFile: 'x' }, /field "acountsFile" is not known/],
    [{ ...withoutData, datadir: '/x' }, /field "datadir" is not known/],
    [{ ...whole, http: { ...whole.http, prot: 1 } }, /field "http.prot" is not known/],
    [withoutData, /field "dataDir": /],
    [{ ...whole, http: { ...whole.http, port: 99_999 } }, /field "http.port": /],
    [
      { ...whole, organization: { ...whole.organization, oid: '1.2' } },
      /"organization.oid": not a/,
    ],
    [[], /field "": /],
  ]
  for (const [value, message] of cases) {
    await writeFile(file, JSON.stringify(value))
    await assert.rejects(readConfig(file, NodeConfig), (error: Error) => {
      assert.equal((error as { code?: string }).code, 'configuration_invalid')
      assert.match(error.message, message)
      assert.ok(error.message.startsWith(`${file}: `))
      assert.equal(error.message.includes('\n'), false)
      return true
    })
  }
  await writeFile(file, '{')
  const code = 'configuration_invalid'
  await assert.rejects(readConfig(file, NodeConfig), { code, message: /is not JSON/ })
  await assert.rejects(readConfig(`${file}.gone`, NodeConfig), { code, message: /cannot read/ })
})

test('the published schema names every field', () => {
  const schema = configSchema() as { properties: object; required: string[] }
  assert.deepEqual(Object.keys(schema.properties), Object.keys(NodeConfig.shape))
  assert.ok(schema.required.includes('keyFile'))
  assert.equal(schema.required.includes('demo'), false)
})

test('a private key is read only when it is private, an Ed25519 key, and whole', async () => {
  await using place = await temporary()
  const file = path.join(place.dir, 'node.jwk')
  const make = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const key = make()
  const put = async (value: unknown, mode = 0o600) => {
    await writeFile(file, JSON.stringify(value))
    await chmod(file, mode)
  }
  await put(key)
  assert.deepEqual(await readPrivateKey(file), key)

  const code = 'configuration_invalid'
  const refused = (message: RegExp) => assert.rejects(readPrivateKey(file), { code, message })
  await put(key, 0o640)
  await refused(/run chmod 600/)
  await put(key, 0o604)
  await refused(/run chmod 600/)
  await put({ ...key, x: make().x })
  await refused(/does not belong/)
  await put({ ...key, use: 'sig' })
  await refused(/not an Ed25519 private key/)
  const { d: _, ...publicOnly } = key
  await put(publicOnly)
  await refused(/not an Ed25519 private key/)
  await put(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }))
  await refused(/not an Ed25519 private key/)
  await rm(file)
  await refused(/cannot read/)
})
