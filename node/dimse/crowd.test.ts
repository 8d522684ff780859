import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dimseLimits } from '#protocol/limits.ts'
import { dataHeader } from './pdu.ts'
import { connectRaw, createMemoryIngest, startScp } from './scp.fixture.ts'
import { openGoodSender, openSender } from './sender.fixture.ts'
import { requestPdu, until } from './units.fixture.ts'

const openFiles = () => readdirSync('/proc/self/fd').length
const skip = process.platform !== 'linux' && 'counts descriptors in /proc'

test(
  'five hundred bad sockets do not stay, and a caller of their address is still served',
  { skip },
  async () => {
    const before = openFiles()
    await using scp = await startScp({ ...createMemoryIngest(), limits: { closeTimeoutMs: 200 } })
    const bad = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const raw = await connectRaw(scp.port)
        // A third says nothing, a third says something wrong, a third drips.
        if (index % 3 === 1) raw.socket.write('GET / HTTP/1.1\r\n\r\n')
        if (index % 3 === 2) raw.socket.write(requestPdu().subarray(0, 30))
        return raw
      }),
    )
    using good = await openGoodSender(scp.port)
    assert.equal((await good.store('1.2.3', Buffer.from('x'))).status, 0)
    // Both ends are in this process: what we hold, and its other end.
    await until(() => openFiles() - before < 2 * dimseLimits.pendingPerAddress + 10)
    for (const { socket } of bad) socket.destroy()
  },
)

test('associations above the bounds are told to come again, and others go on', async () => {
  const limits = { associationsMax: 5, associationsPerAddress: 3 }
  await using scp = await startScp({ ...createMemoryIngest(), limits })
  using stack = new DisposableStack()
  const associate = async (localAddress: string) => {
    const sender = stack.use(await openSender(scp.port, { localAddress }))
    const [answer] = sender.units()
    // One that has sent nothing whole would give its place away.
    if (answer === '2') await sender.echo()
    return answer
  }
  const results: (string | undefined)[] = []
  for (const host of [1, 1, 1, 1, 2, 2, 2]) results.push(await associate(`127.0.0.${host}`))
  assert.deepEqual(results, ['2', '2', '2', '3', '2', '2', '3'])
  assert.equal(scp.connections(), 5)
})

test('a place is free again after a release, an abort and a reset', async () => {
  const limits = { associationsMax: 1 }
  await using scp = await startScp({ ...createMemoryIngest(), limits })
  for (const end of ['release', 'abort', 'reset'] as const) {
    using sender = await openGoodSender(scp.port)
    if (end === 'release') sender.send(Buffer.from([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
    if (end === 'abort') sender.send(Buffer.from([7, 0, 0, 0, 0, 4, 0, 0, 0, 0]))
    if (end === 'reset') sender.socket.resetAndDestroy()
    await until(() => scp.connections() === 0)
  }
})

test('a crowd of dripping associations takes little from an honest sender', async () => {
  const limits = {
    rateWindowMs: 500,
    sweepIntervalMs: 50,
    closeTimeoutMs: 100,
    pendingPerAddress: 600,
    pendingMax: 600,
  }
  const ingest = createMemoryIngest()
  await using scp = await startScp({ ...ingest, limits })
  using good = await openGoodSender(scp.port, '127.0.0.2')
  const piece = Buffer.alloc(100_000)
  const rate = async () => {
    const begin = performance.now()
    for (let n = 0; n < 30; n++) await good.store('1.2.3', piece)
    return 30_000 / (performance.now() - begin)
  }
  await rate()
  const alone = await rate()
  const idle = await Promise.all(Array.from({ length: 300 }, async () => connectRaw(scp.port)))
  const dripping = await Promise.all(
    Array.from({ length: 16 }, async () => openGoodSender(scp.port)),
  )
  for (const sender of dripping) sender.send(dataHeader(3, 1, 60_000))
  const timer = setInterval(() => {
    for (const { socket } of [...idle, ...dripping]) socket.write(Buffer.from([0]))
  }, 50)
  const crowded = await rate()
  // Loose: this is one process, and the crowd's own work is in it. The soak measures.
  assert.ok(crowded > alone / 4, `${crowded} of ${alone} instances/s`)
  await Promise.all(dripping.map(({ closed }) => closed)).finally(() => clearInterval(timer))
  for (const sender of [...idle, ...dripping]) sender.socket.destroy()
})
