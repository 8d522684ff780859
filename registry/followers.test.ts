import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { ProtocolError } from '#protocol/errors.ts'
import { createFederation } from '#protocol/federation.fixture.ts'
import type { OrganizationOid, Sha256 } from '#protocol/ids.ts'
import type { IndexItem } from '#protocol/index-log.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { createFollowers } from './followers.ts'
import type { LoggedEntry } from './index-log.ts'
import { silentLog } from './log.ts'

const tick = () => new Promise<void>((resolve) => process.nextTick(() => setImmediate(resolve)))

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await tick()
}

/** Logs of two holders and a link to a third organization; what goes wrong with them, the test says. */
async function createPlace(context: TestContext) {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { holder, grantee, stranger } = await createFederation()
  const unreadable = new Set<OrganizationOid>()
  const logs = new Map<OrganizationOid, LoggedEntry[]>()
  const reads: OrganizationOid[] = []
  const items: IndexItem[] = []
  const link: { ping: () => Promise<unknown> } = { ping: () => Promise.resolve({}) }
  const connection = {
    send: (_: string, params: { items: IndexItem[] }) => items.push(...params.items),
    request: () => link.ping(),
  } as unknown as Connection
  const followers = createFollowers({
    indexLog: {
      read(oid: OrganizationOid, after: number, limit: number) {
        reads.push(oid)
        if (unreadable.has(oid)) {
          return Promise.reject(new ProtocolError('storage_failed', 'the disk gave an error'))
        }
        const newer = (logs.get(oid) ?? []).filter(({ seq }) => seq > after)
        return Promise.resolve(newer.slice(0, limit))
      },
    } as Parameters<typeof createFollowers>[0]['indexLog'],
    grants: { received: () => Promise.resolve([]) },
    credentials: { all: () => [holder, grantee, stranger] as never },
    withdrawals: { isSuspended: () => false },
    clock: Date.now,
    log: silentLog,
  })
  return {
    followers,
    link,
    unreadable,
    reads,
    holder: holder.oid,
    stranger: stranger.oid,
    grow(oid: OrganizationOid, count = 1) {
      const log = logs.get(oid) ?? []
      const subject = { modalities: [], date: '', device: '' }
      for (let i = 0; i < count; i++) {
        const digest = 'ab'.repeat(32) as Sha256
        log.push({ seq: log.length + 1, token: 'token', digest, subject })
      }
      logs.set(oid, log)
      followers.appended(oid)
    },
    async follow() {
      followers.follow(grantee.oid, connection, {})
      await settled()
    },
    leave: () => followers.left(grantee.oid),
    async retry() {
      context.mock.timers.tick(indexLimits.followRetryMs)
      await settled()
    },
    heard: (oid: OrganizationOid) => items.filter(({ org }) => org === oid).map(({ seq }) => seq),
  }
}

test('a log that could not be read is sent once it can be, and holds back no other', async (context) => {
  const place = await createPlace(context)
  const { holder, stranger } = place
  place.unreadable.add(holder)
  place.grow(holder, 3)
  place.grow(stranger, 2)
  await place.follow()
  place.grow(stranger)
  await settled()
  assert.deepEqual(place.heard(stranger), [1, 2, 3])
  for (let i = 0; i < 5; i++) {
    place.grow(holder)
    await settled()
  }
  const before = place.reads.length
  await place.retry()
  assert.equal(place.reads.length - before, 1, 'all that failed is tried as one')
  assert.deepEqual(place.heard(holder), [])
  place.unreadable.clear()
  await place.retry()
  assert.deepEqual(place.heard(holder), [1, 2, 3, 4, 5, 6, 7, 8])
})

test('a follower that was slow to answer hears the rest over the same link', async (context) => {
  const place = await createPlace(context)
  const { holder, link } = place
  const late = () => Promise.reject(new ProtocolError('timeout', 'ping: timeout'))
  link.ping = late
  place.grow(holder, indexLimits.followBatch * 10)
  await place.follow()
  assert.ok(place.heard(holder).length < indexLimits.followBatch * 10)
  link.ping = () => Promise.resolve({})
  await place.retry()
  assert.equal(new Set(place.heard(holder)).size, indexLimits.followBatch * 10)
  assert.equal(place.heard(holder).at(-1), indexLimits.followBatch * 10)
})

for (const [what, end] of [
  ['has left', (place: Awaited<ReturnType<typeof createPlace>>) => place.leave()],
  ['follows anew', (place: Awaited<ReturnType<typeof createPlace>>) => void place.follow()],
] as const) {
  test(`a session of a follower that ${what} is not tried again`, async (context) => {
    const place = await createPlace(context)
    let pings = 0
    place.link.ping = () => {
      pings += 1
      return Promise.reject(new ProtocolError('timeout', 'ping: timeout'))
    }
    place.grow(place.holder, indexLimits.followBatch * 10)
    await place.follow()
    assert.equal(pings, 1)
    place.link.ping = () => {
      pings += 1
      return Promise.resolve({})
    }
    end(place)
    await settled()
    const before = pings
    await place.retry()
    assert.equal(pings, before)
  })
}
