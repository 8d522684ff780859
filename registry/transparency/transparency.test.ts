import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { epochKind } from '#protocol/epoch.ts'
import { decodeToken } from '#protocol/jws.ts'
import { now, partyOf } from '#protocol/federation.fixture.ts'
import { parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import { createLogWorld, logKey } from '#protocol/transparency/log.fixture.ts'
import { verifyConsistency } from '#protocol/transparency/merkle.ts'
import { parseNote } from '#protocol/transparency/note.ts'
import { createRegistry } from '../registry.ts'
import { silentLog } from '../log.ts'
import { createRegion, join, until } from '../region.fixture.ts'
import { decodeEntries, tilePath } from '#protocol/transparency/tiles.ts'

/** A registry that keeps a log, of the federation that the fixtures know. */
async function createLoggedRegion() {
  const region = await createRegion()
  const world = await createLogWorld('off')
  const logKeyFile = path.join(region.dir, 'log.key')
  await writeFile(logKeyFile, canonicalJson(logKey), { mode: 0o600 })
  await writeFile(region.config.trustListFile, world.trustList)
  const start = () =>
    createRegistry({ ...region.config, logKeyFile }, { clock: region.clock.now, log: silentLog })
  return { ...region, world, start, [Symbol.asyncDispose]: () => region[Symbol.asyncDispose]() }
}

const kindsOf = (entries: readonly string[]): string[] =>
  entries.map((text) => (JSON.parse(text) as { kind: string }).kind)

test('every act of the registry is in the log, once, and a restart goes on from there', async () => {
  await using region = await createLoggedRegion()
  const { holder, grantee, stranger, claims, sign } = region
  let before: string
  {
    await using registry = await region.start()
    await using node = await join(region, holder, registry)
    await node.request('grant.submit', { request: await sign.grantRequest() })
    await registry.suspend(stranger.oid)
    await registry.suspend(stranger.oid)
    await registry.suspend(stranger.oid, false)
    await registry.revokeGrant(claims.grantRequest().jti)
    await registry.revokeKey(stranger.kid)
    await node.request('log.submit', {
      entries: [{ kind: 'audit-head', seq: 3, digest: 'ab'.repeat(32) as never }],
    })
    const { entries } = await node.request('log.entries', { from: 0 })
    assert.deepEqual(kindsOf(entries), [
      'trust-list',
      'credential',
      'credential',
      'credential',
      'grant',
      'suspension',
      'suspension',
      'grant-end',
      'key-revocation',
      'audit-head',
    ])
    assert.match(entries.at(-1) ?? '', new RegExp(`"org":"${holder.oid}"`))
    before = (await node.request('log.checkpoint', {})).newest
    const { log } = decodeToken((await node.request('epoch.get', {})).epoch, epochKind).claims
    assert.equal(log?.size, 9)
    await until(() => node.heard('log').length > 0, 'the log is announced')
  }
  await using registry = await region.start()
  await using node = await join(region, grantee, registry)
  await registry.suspend(holder.oid)
  const [old, newest] = [before, (await node.request('log.checkpoint', {})).newest].map((note) =>
    parseCheckpoint(parseNote(note).text),
  )
  assert.ok(old !== undefined && newest !== undefined)
  assert.deepEqual([old.size, newest.size], [10, 11])
  const { proof } = await node.request('log.proof', { first: old.size, second: newest.size })
  const hashes = proof.map((hash) => Uint8Array.from(Buffer.from(hash, 'hex')))
  const claim = { first: 10, second: 11, firstRoot: old.root, secondRoot: newest.root }
  assert.ok(verifyConsistency({ ...claim, proof: hashes }))
})

test('a checkpoint is witnessed by a quorum of the named, and by nobody else', async () => {
  await using region = await createLoggedRegion()
  const { holder, grantee, stranger, world } = region
  await using registry = await region.start()
  await using node = await join(region, holder, registry)
  const { newest, witnessed } = await node.request('log.checkpoint', {})
  assert.equal(witnessed, undefined)
  const bring = (checkpoint: string) => node.request('log.cosign', { checkpoint })
  await assert.rejects(bring(newest), { code: 'token_unknown_key' })
  await assert.rejects(bring(newest.replace('\n4\n', '\n5\n')), { code: 'not_found' })
  const at = now / 1000
  const parties = [holder, grantee]
  await bring(world.cosigned(newest, parties.slice(0, 1), at))
  await bring(world.cosigned(newest, parties.slice(0, 1), at))
  assert.equal((await node.request('log.checkpoint', {})).witnessed, undefined)
  await bring(world.cosigned(newest, [stranger], at))
  await until(() => node.heard('log').some((one) => one.witnessed !== undefined), 'it is told')
  const found = (await node.request('log.checkpoint', {})).witnessed ?? ''
  assert.equal(parseNote(found).signatures.length, 3)
})

test('the log is files that anybody may read, and nothing beside them', async () => {
  await using region = await createLoggedRegion()
  await using registry = await region.start()
  const get = async (file: string) => fetch(`${registry.url}/log/${file}`)
  const { size } = parseCheckpoint(parseNote(await (await get('checkpoint')).text()).text)
  assert.equal(size, 4)
  const bundle = await get(tilePath({ level: 'entries', index: 0, width: size }))
  const entries = decodeEntries(new Uint8Array(await bundle.arrayBuffer()))
  assert.equal(entries.length, size)
  const tile = await get(tilePath({ level: 0, index: 0, width: 3 }))
  assert.equal((await tile.arrayBuffer()).byteLength, 96)
  for (const file of [
    'tile/0/000',
    'tile/0/000.p/5',
    'tile/1/000.p/1',
    'tile/0/0',
    '../health',
    '',
  ]) {
    assert.equal((await get(file)).status === 200, file === '../health', file)
  }
})

test('a change of key is in the log before its credential; after a theft the next key waits for a day', async () => {
  await using region = await createLoggedRegion()
  const { holder, grantee, stranger, successor, sign } = region
  await using registry = await region.start()
  await using node = await join(region, holder, registry)
  const iat = Math.floor(region.clock.now() / 1000)
  const named = { iat, peer_id: successor.peerId, cnf: { jwk: successor.jwk } }
  const change = await sign.rekey({ iat, exp: iat + 3600 })
  const next = await sign.credential(grantee, { ...named, prev_kid: grantee.kid })
  await registry.publishCredential(next, change)
  const { entries } = await node.request('log.entries', { from: 0 })
  assert.deepEqual(kindsOf(entries).slice(-2), ['rekey', 'credential'])
  await registry.revokeKey(stranger.kid)
  const fresh = await partyOf(41, 1003)
  const credential = await sign.credential(fresh, {
    iat,
    pop: await sign.possession(fresh, { iat }),
  })
  await assert.rejects(registry.publishCredential(credential), { code: 'conflict' })
  region.clock.advance(24 * 3600 * 1000)
  await registry.publishCredential(credential)
})
