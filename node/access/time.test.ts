import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createPlace } from './federation.fixture.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { now } from '#protocol/federation.fixture.ts'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { createHost, hour, minute, runDrill } from './time.fixture.ts'

const never = Infinity

describe('the clock of a node', () => {
  test('set back by two days: closed and told of, also after a restart, and open again when it is mended', async () => {
    await using host = await createHost()
    await host.beat()
    assert.ok(host.accepts(never))
    host.set('back')
    await host.pass(minute)
    assert.ok(!host.accepts(never))
    assert.deepEqual(host.alarms, ['clock_behind'])
    await host.reboot(5 * minute)
    assert.ok(!host.accepts(never))
    host.set('right')
    await host.pass(minute)
    assert.ok(host.accepts(never))
  })

  test('is proven by a beat, and at each start by another', async () => {
    await using host = await createHost()
    assert.ok(!host.time().isProven())
    await host.beat()
    assert.ok(host.time().isProven())
    await host.restart()
    assert.ok(!host.time().isProven())
  })

  test('ten years ahead: nothing is accepted, and a mended clock and one beat mend the node', async () => {
    await using host = await createHost()
    await host.beat()
    host.set('ahead')
    await host.pass(minute)
    await host.restart()
    await host.beat()
    assert.ok(!host.accepts(never))
    await host.pass(minute)
    host.set('right')
    await host.restart()
    assert.ok(!host.accepts(never))
    await host.beat()
    assert.ok(host.accepts(never))
    assert.ok(Math.abs(host.time().now() - host.host.truth) < 2 * minute)
  })

  test('more than a day ahead of a beat: told of, and the beat’s time goes on', async () => {
    await using host = await createHost()
    await host.beat()
    host.set('days-ahead')
    await host.pass(2 * hour)
    assert.deepEqual(host.alarms, ['clock_ahead'])
    assert.ok(host.accepts(never))
    assert.ok(Math.abs(host.time().now() - host.host.truth) < minute)
    assert.ok(!host.accepts(host.host.truth))
  })

  test('standing still: what has ended stays ended, also when the program restarts', async () => {
    await using host = await createHost()
    await host.beat()
    host.set('frozen')
    await host.pass(3 * minute)
    await host.restart()
    assert.ok(!host.accepts(never))
    assert.deepEqual(host.alarms.slice(0, 1), ['clock_behind'])
  })

  test('a beat and the timer at the same moment write one after the other', async () => {
    await using host = await createHost()
    await Promise.all(Array.from({ length: 20 }, async () => host.time().tick()))
    assert.deepEqual(host.alarms, [])
  })

  test('a second to and fro is nothing', async () => {
    await using host = await createHost()
    await host.beat()
    for (const ms of [1000, -1000, -1000, 1000]) {
      host.jump(ms)
      await host.pass(minute)
      assert.ok(host.accepts(never))
    }
    assert.deepEqual(host.alarms, [])
  })

  test('a beat that was held back on the way does not slow the time', async () => {
    await using host = await createHost()
    const { sign } = host.federation
    const early = await sign.beat('00'.repeat(32) as never, { iat: Math.floor(now / 1000) - 300 })
    await host.beat()
    await host.pass(10 * hour)
    await host.time().hear(early)
    assert.ok(host.time().now() >= host.host.truth)
  })

  test('a federation closes by a clock that went back, keeps what it knows and audits the alarm', async () => {
    await using place = await createPlace()
    const { sign, world } = place
    const grant = await sign.grant()
    const epoch = await place.epochWith(grant)
    await using node = await place.start()
    await node.intake.directory(await place.everybody())
    const beat = await sign.beat(await tokenDigest(epoch))
    await node.intake.epoch({ epoch, grants: [grant], beat })
    assert.equal(node.epochFacts()?.freshAt, now)
    world.now = now - 48 * hour
    await node.tick()
    assert.equal(node.epochFacts()?.freshAt, 0)
    assert.ok(node.now() >= now)
    assert.equal(node.epochFacts()?.grants.size, 1)
    const alarm = place.world.audit.find(({ event }) => event === 'security-alert')
    assert.equal(alarm?.code, 'clock_behind')
  })
})

test('wrong clocks and restarts in any order: nothing is accepted after its end', async () => {
  const total = { accepted: 0, expired: 0, refused: 0 }
  for (let seed = 1; seed <= 8; seed++) {
    const drill = await runDrill(createRandom(seed), 30)
    assert.equal(drill.expired, 0, `seed ${seed}`)
    assert.ok(drill.recovered, `seed ${seed} does not recover`)
    total.accepted += drill.accepted
    total.refused += drill.refused
  }
  assert.ok(total.accepted > 0 && total.refused > 0)
})
