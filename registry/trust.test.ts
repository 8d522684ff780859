import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createFederation, now } from '#protocol/federation.fixture.ts'
import { createRegion, join } from './region.fixture.ts'
import { createTrust } from './trust.ts'

test('a trust list that was published is in force after a restart, until the file has a later one', async () => {
  await using region = await createRegion()
  const { config, sign, holder } = region
  const second = await sign.trustList({ ver: 2 })
  const third = await sign.trustList({ ver: 3 })
  {
    await using registry = await region.start()
    await registry.publishTrustList(second)
  }
  const given = async (): Promise<string> => {
    await using registry = await region.start()
    await using node = await join(region, holder, registry)
    return (await node.request('trust.get', {})).trustList
  }
  assert.equal(await given(), second)
  await writeFile(config.trustListFile, third)
  assert.equal(await given(), third)
})

test('of two lists that are published at once the later stays, whichever is kept first', async () => {
  const { sign, authority } = await createFederation()
  const [token, second, third] = await Promise.all([1, 2, 3].map((ver) => sign.trustList({ ver })))
  assert.ok(token !== undefined && second !== undefined && third !== undefined)
  const trust = await createTrust({ token, authority: authority.kid, clock: () => now })
  const later = Promise.withResolvers<void>()
  const slow = trust.replace(second, () => later.promise)
  const quick = trust.replace(third, async () => undefined)
  await new Promise((resolve) => void setTimeout(resolve, 50))
  later.resolve()
  await Promise.all([slow, quick])
  assert.equal(trust.token(), third)
})

test('whose issuer is dropped by a published list is out at once, and back with the issuer', async () => {
  await using region = await createRegion()
  const { config, sign, claims, holder, grantee, stranger } = region
  const [issuer] = claims.trustList().issuers
  assert.ok(issuer !== undefined)
  const issuers = [issuer, { ...issuer, kid: stranger.kid, jwk: stranger.jwk }]
  await writeFile(config.trustListFile, await sign.trustList({ issuers }))
  const credential = await stranger.signer.sign('cami-mo+jwt', claims.credential(grantee))
  await writeFile(config.credentials[1] ?? '', credential)
  await using registry = await region.start()
  await using node = await join(region, grantee, registry)
  await node.request('epoch.get', {})
  await registry.publishTrustList(await sign.trustList({ ver: 2 }))
  await assert.rejects(node.request('epoch.get', {}))
  await assert.rejects(join(region, grantee, registry))
  await using other = await join(region, holder, registry)
  const { members } = await other.request('directory.get', {})
  assert.equal(members.length, 2)
  await registry.publishTrustList(await sign.trustList({ ver: 3, issuers }))
  await using again = await join(region, grantee, registry)
  await again.request('epoch.get', {})
})
