import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochKind } from '#protocol/epoch.ts'
import { decodeToken } from '#protocol/jws.ts'
import { signIn } from './http/client.fixture.ts'
import { createRegion, join } from './region.fixture.ts'

type Rows = { records: { action: string; actor: string; subject: string }[] }

test('a person who left is out of every set of grants until her own organization takes it back; nobody else’s word counts', async () => {
  await using region = await createRegion({ office: true })
  const { grantee } = region
  const [user] = region.claims.grantRequest().users.map(({ uid }) => uid)
  assert.ok(user !== undefined)
  const steps = async (steps: (at: Awaited<ReturnType<typeof joined>>) => Promise<void>) => {
    await using registry = await region.start()
    await using at = await joined(region, registry)
    await steps(at)
  }
  await steps(async ({ holderNode, granteeNode, strangerNode, off }) => {
    const report = { user, isOff: true }
    await granteeNode.request('user.report', report)
    assert.deepEqual(await off(), [], 'nobody names her yet')
    await holderNode.request('grant.submit', { request: await region.sign.grantRequest() })
    for (const other of [holderNode, strangerNode]) {
      await assert.rejects(other.request('user.report', report), { code: 'forbidden' })
    }
    assert.deepEqual(await off(), [])
    await granteeNode.request('user.report', report)
    await granteeNode.request('user.report', report)
    assert.deepEqual(await off(), [user])
  })
  await steps(async ({ granteeNode, off, registry }) => {
    assert.deepEqual(await off(), [user], 'after a restart')
    await granteeNode.request('user.report', { user, isOff: false })
    assert.deepEqual(await off(), [])
    await granteeNode.request('user.report', { user, isOff: true })
    await registry.disableUser(user)
    await granteeNode.request('user.report', { user, isOff: false })
    assert.deepEqual(await off(), [user], 'the operator’s word stays')
    const admin = await signIn(registry.url, 'zuev')
    const { records } = await admin.get<Rows>('/api/audit?limit=500')
    const said = records.filter(({ subject }) => subject === user)
    assert.deepEqual(
      said.map(({ action, actor }) => [action, actor]),
      ['user.left', 'user.back', 'user.left'].map((action) => [action, grantee.oid]),
    )
  })
})

async function joined(
  region: Awaited<ReturnType<typeof createRegion>>,
  registry: Awaited<ReturnType<Awaited<ReturnType<typeof createRegion>>['start']>>,
) {
  await using stack = new AsyncDisposableStack()
  const holderNode = stack.use(await join(region, region.holder, registry))
  const granteeNode = stack.use(await join(region, region.grantee, registry))
  const strangerNode = stack.use(await join(region, region.stranger, registry))
  const off = async () => {
    const { epoch } = await holderNode.request('epoch.get', {})
    return decodeToken(epoch, epochKind).claims.users_off
  }
  const owned = stack.move()
  return {
    registry,
    holderNode,
    granteeNode,
    strangerNode,
    off,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
