import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CONTROL_PROTOCOL, FETCH_PROTOCOL } from '../control.ts'
import type { ErrorCode } from '../errors.ts'
import { fetchFrameType } from '../fetch.ts'
import { streamLimits } from '../limits.ts'
import { encodeBulk, encodeControl } from './framing.ts'
import { createLibp2pNode } from './libp2p-node.ts'
import { loopback, newKey, sleep, startHost, until } from './pair.fixture.ts'
import type { Side } from './pair.fixture.ts'
import type { Host } from './transport.ts'

const hello = encodeControl({ id: 1, method: 'hello', params: { version: 1, addresses: [] } })

/** A peer that is allowed to connect and then writes whatever it likes. */
async function startHostile(side: Side = {}) {
  const ended: ErrorCode[] = []
  const host = await startHost({ ...side, onDisconnect: (_peer, code) => ended.push(code) })
  const options = { key: newKey(), listen: loopback, isAllowed: () => true }
  const node = await createLibp2pNode(options, streamLimits)
  const connection = await node.dial(host.addresses().map((one) => multiaddr(one)))
  return {
    host,
    ended,
    connection,
    open: (protocol: string): Promise<Stream> => connection.newStream(protocol),
    async [Symbol.asyncDispose]() {
      await node.stop()
      await host[Symbol.asyncDispose]()
    },
  }
}

const isGone = (host: Host) => () => host.peers().length === 0

test('garbage, an oversized frame and a dripped length end the connection with the reason', async () => {
  const cases: [Uint8Array, ErrorCode][] = [
    [new TextEncoder().encode('GET / HTTP/1.1\r\n'.repeat(20)), 'frame_malformed'],
    [new Uint8Array([0xff, 0xff, 0xff, 0x7f]), 'frame_too_large'],
    [new Uint8Array(12).fill(0x80), 'frame_malformed'],
  ]
  for (const [bytes, code] of cases) {
    await using hostile = await startHostile()
    const stream = await hostile.open(CONTROL_PROTOCOL)
    stream.send(hello)
    await until('it has greeted', () => hostile.host.peers().length === 1)
    stream.send(bytes)
    await until('it is cut off', isGone(hostile.host))
    assert.deepEqual(hostile.ended, [code])
  }
})

test('an answer to a request that was never made ends the connection', async () => {
  await using hostile = await startHostile()
  const stream = await hostile.open(CONTROL_PROTOCOL)
  stream.send(hello)
  await until('it has greeted', () => hostile.host.peers().length === 1)
  stream.send(encodeControl({ id: 5, result: {} }))
  await until('it is cut off', isGone(hostile.host))
  assert.deepEqual(hostile.ended, ['frame_malformed'])
})

test('a peer that never greets, or asks first, is not served and is cut off', async () => {
  let asked = 0
  const handlers = {
    'trust.get': async () => {
      asked += 1
      return { trustList: '' }
    },
  }
  const limits = { helloTimeoutMs: 200 }
  await using silent = await startHostile({ limits })
  await until('the silent one is cut off', () => silent.connection.status !== 'open')

  await using rude = await startHostile({ handlers, limits: { helloTimeoutMs: 5000 } })
  const stream = await rude.open(CONTROL_PROTOCOL)
  stream.send(encodeControl({ id: 1, method: 'trust.get', params: {} }))
  await until('the rude one is cut off', () => rude.connection.status !== 'open')
  assert.equal(asked, 0)
})

test('a second control stream on a connection is refused', async () => {
  await using hostile = await startHostile()
  const stream = await hostile.open(CONTROL_PROTOCOL)
  stream.send(hello)
  await until('it has greeted', () => hostile.host.peers().length === 1)
  await assert.rejects(async () => {
    const second = await hostile.open(CONTROL_PROTOCOL)
    while (second.status === 'open') await sleep(10)
    throw new Error('reset')
  })
  assert.equal(hostile.host.peers().length, 1)
})

test('a bulk stream before the greeting, or with a malformed first frame, reaches no handler', async () => {
  let served = 0
  const onFetch = async (): Promise<void> => {
    served += 1
  }
  await using hostile = await startHostile({ onFetch, limits: { helloTimeoutMs: 300 } })
  const early = await hostile.open(FETCH_PROTOCOL)
  await until('it was reset', () => early.status !== 'open')

  await using greeted = await startHostile({ onFetch, limits: { helloTimeoutMs: 300 } })
  const control = await greeted.open(CONTROL_PROTOCOL)
  control.send(hello)
  const frames = [
    encodeBulk(fetchFrameType.want, new Uint8Array(8)),
    encodeBulk(fetchFrameType.open, new TextEncoder().encode('{}')),
    new Uint8Array([0x7f, 0xff, 0xff, 0xff, 1]),
    new Uint8Array([0, 0, 0, 0]),
  ]
  for (const frame of frames) {
    const stream = await greeted.open(FETCH_PROTOCOL)
    stream.send(frame)
    await until('it was ended', () => stream.status !== 'open')
  }
  const silent = await greeted.open(FETCH_PROTOCOL)
  await until('one that says nothing too', () => silent.status !== 'open')
  assert.equal(served, 0)
  assert.equal(greeted.host.peers().length, 1, 'the connection lives on')
})

test('a peer that does not read is cut off rather than buffered for', async () => {
  await using hostile = await startHostile({ limits: { controlQueueBytes: 512 * 1024 } })
  const stream = await hostile.open(CONTROL_PROTOCOL)
  stream.send(hello)
  await until('it has greeted', () => hostile.host.peers().length === 1)
  stream.pause()
  const [peer] = hostile.host.peers()
  const link = peer && hostile.host.connection(peer)
  assert.ok(link)
  const beat = 'x'.repeat(100 * 1024)
  for (let i = 0; i < 200 && hostile.host.peers().length > 0; i++) {
    link.send('beat', { beat })
    await sleep(1)
  }
  assert.deepEqual(hostile.ended, ['unavailable'])
})
