import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { ErrorCode } from '../errors.ts'
import { codeOf, ProtocolError } from '../errors.ts'
import type { EventName, Result } from '../control.ts'
import type { PeerIdString } from '../ids.ts'
import { newKey, peerOf, sleep, startHost, startPair, until } from './pair.fixture.ts'
import type { PeerHello } from './transport.ts'

const coded = (code: ErrorCode) => (error: unknown) => {
  assert.equal(codeOf(error), code, String(error))
  return true
}
const refuse = (code: ErrorCode) => (): never => {
  throw new ProtocolError(code, 'refused by the test')
}

test('two hosts greet each other and both learn what the other said', async () => {
  const heard: [string, PeerIdString, PeerHello][] = []
  await using pair = await startPair(
    {
      hello: () => ({
        version: 1,
        credential: 'credential-of-a',
        addresses: ['/ip4/127.0.0.1/tcp/1'],
      }),
      onConnect: (peer, hello) => heard.push(['a', peer, hello]),
    },
    {
      handlers: { hello: async () => ({ version: 1, credential: 'credential-of-b' }) },
      onConnect: (peer, hello) => heard.push(['b', peer, hello]),
    },
  )
  await until('b knows a', () => heard.length === 2)
  const byHost = new Map(heard.map(([host, ...rest]) => [host, rest]))
  assert.deepEqual(byHost.get('a'), [
    pair.b.peerId,
    { direction: 'outbound', version: 1, credential: 'credential-of-b' },
  ])
  assert.deepEqual(byHost.get('b'), [
    pair.a.peerId,
    {
      direction: 'inbound',
      version: 1,
      credential: 'credential-of-a',
      addresses: ['/ip4/127.0.0.1/tcp/1'],
    },
  ])
  assert.deepEqual(pair.a.peers(), [pair.b.peerId])
  assert.deepEqual(pair.b.peers(), [pair.a.peerId])
  assert.equal(pair.b.connection(pair.a.peerId)?.peer, pair.a.peerId)
})

test('connecting twice, also at the same time, gives one connection', async () => {
  await using a = await startHost()
  await using b = await startHost()
  const [first, second] = await Promise.all([
    a.connect(b.peerId, b.addresses()),
    a.connect(b.peerId, b.addresses()),
  ])
  assert.equal(first, second)
  assert.equal(await a.connect(b.peerId, []), first)
})

test('a peer that answers with a version that we do not speak is refused', async () => {
  await using a = await startHost()
  await using b = await startHost({ handlers: { hello: async () => ({ version: 2 }) } })
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('version_unsupported'))
  assert.deepEqual(a.peers(), [])
  await until('b has dropped a', () => b.peers().length === 0)
})

test('a dialler that speaks another version hears the code', async () => {
  await using a = await startHost({ hello: () => ({ version: 7, addresses: [] }) })
  await using b = await startHost()
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('version_unsupported'))
  assert.deepEqual(b.peers(), [])
})

test('a hello that the listener refuses crosses as its code, and nothing else is answered', async () => {
  await using a = await startHost()
  await using b = await startHost({ handlers: { hello: async () => refuse('peer_suspended')() } })
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('peer_suspended'))
  assert.equal(a.connection(b.peerId), undefined)
  assert.equal(b.connection(a.peerId), undefined)
})

test('a hello that the dialler does not accept ends the connection', async () => {
  await using a = await startHost({ acceptHello: refuse('peer_mismatch') })
  await using b = await startHost()
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('peer_mismatch'))
  await until('b has dropped a', () => b.peers().length === 0)
})

test('a peer outside the allow-list of the listener never connects', async () => {
  await using a = await startHost()
  await using b = await startHost({ isAllowed: () => false })
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('holder_unreachable'))
  assert.deepEqual(b.peers(), [])
})

test('a peer outside our own allow-list is not dialled', async () => {
  await using b = await startHost()
  await using a = await startHost({ isAllowed: (peer) => peer !== b.peerId })
  await assert.rejects(a.connect(b.peerId, b.addresses()), coded('peer_unknown'))
})

test('another key at the known address is refused', async () => {
  await using a = await startHost()
  await using b = await startHost()
  const expected = peerOf(newKey())
  const addresses = b.addresses().map((one) => one.replace(/\/p2p\/.*$/, ''))
  await assert.rejects(a.connect(expected, addresses), coded('peer_mismatch'))
})

test('nobody at the address, or no address, is unreachable', async () => {
  await using a = await startHost()
  const peer = peerOf(newKey())
  await assert.rejects(a.connect(peer, ['/ip4/127.0.0.1/tcp/1']), coded('holder_unreachable'))
  await assert.rejects(a.connect(peer, []), coded('holder_unreachable'))
  await assert.rejects(a.connect(peer, ['nonsense']), coded('holder_unreachable'))
})

test('requests are answered in both directions, out of order', async () => {
  const answer = (trustList: string, ms: number) => async (): Promise<Result<'trust.get'>> => {
    await sleep(ms)
    return { trustList }
  }
  await using pair = await startPair(
    { handlers: { 'trust.get': answer('of a', 0) } },
    {
      handlers: {
        'trust.get': answer('of b', 100),
        'index.push': async ({ entries }) => ({ seq: entries.length }),
      },
    },
  )
  const order: string[] = []
  const note = <T>(what: string, work: Promise<T>): Promise<T> =>
    work.finally(() => order.push(what))
  const back = pair.b.connection(pair.a.peerId)
  assert.ok(back)
  const [slow, fast, reverse] = await Promise.all([
    note('slow', pair.link.request('trust.get', {})),
    note('fast', pair.link.request('index.push', { entries: ['one', 'two'] })),
    back.request('trust.get', {}),
  ])
  assert.deepEqual(
    [slow, fast, reverse],
    [{ trustList: 'of b' }, { seq: 2 }, { trustList: 'of a' }],
  )
  assert.deepEqual(order, ['fast', 'slow'])
})

test('failures cross as codes: a refusal, a bug, an unknown or malformed request', async () => {
  await using pair = await startPair(
    {},
    {
      handlers: {
        'grant.submit': async () => refuse('grant_mismatch')(),
        'grant.list': async () => {
          throw new Error('a secret of the inside')
        },
        'index.push': async () => ({ seq: 0 }),
        'trust.get': async () => ({ wrong: 'form' }) as never,
      },
    },
  )
  const { link } = pair
  await assert.rejects(link.request('grant.submit', { request: '' }), coded('grant_mismatch'))
  await assert.rejects(link.request('grant.list', {}), coded('internal'))
  await assert.rejects(link.request('directory.get', {}), coded('unsupported'))
  await assert.rejects(link.request('index.push', { entries: [] }), coded('bad_request'))
  await assert.rejects(link.request('trust.get', {}), coded('frame_malformed'))
  const invented = 'no.such.method' as 'trust.get'
  await assert.rejects(link.request(invented, {}), coded('unsupported'))
  assert.deepEqual(await link.request('ping', {}), {}, 'the connection still works')
})

test('an answer that is larger than a frame is an error of that request alone', async () => {
  const trustList = 'x'.repeat(600 * 1024)
  await using pair = await startPair({}, { handlers: { 'trust.get': async () => ({ trustList }) } })
  await assert.rejects(pair.link.request('trust.get', {}), coded('too_large'))
  await assert.rejects(
    pair.link.request('grant.submit', { request: trustList }),
    coded('too_large'),
  )
  assert.deepEqual(await pair.link.request('ping', {}), {})
})

test('a request has a deadline on both sides, and can be given up', async () => {
  const ended: unknown[] = []
  const hang = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        ended.push(codeOf(signal.reason))
        reject(signal.reason as Error)
      })
    })
  await using pair = await startPair(
    {},
    { handlers: { 'trust.get': hang }, limits: { requestTimeoutMs: 300 } },
  )
  const { link } = pair
  await assert.rejects(link.request('trust.get', {}, { timeoutMs: 50 }), coded('timeout'))
  await assert.rejects(link.request('trust.get', {}), coded('timeout'))
  const stop = new AbortController()
  const given = link.request('trust.get', {}, { signal: stop.signal })
  stop.abort()
  await assert.rejects(given, coded('aborted'))
  await until('the handlers were told', () => ended.length === 3)
  assert.deepEqual(ended, ['timeout', 'timeout', 'timeout'])
  assert.deepEqual(await link.request('ping', {}), {}, 'late answers do no harm')
})

test('many requests at once are answered, and one above the maximum is refused at home', async () => {
  const release = Promise.withResolvers<void>()
  const answer = async ({ entries }: { entries: string[] }): Promise<{ seq: number }> => {
    await release.promise
    return { seq: Number(entries[0]) }
  }
  await using pair = await startPair({}, { handlers: { 'index.push': answer } })
  const many = Array.from({ length: 256 }, (_, i) =>
    pair.link.request('index.push', { entries: [String(i)] }),
  )
  await assert.rejects(pair.link.request('ping', {}), coded('rate_limited'))
  release.resolve()
  const answers = await Promise.all(many)
  assert.deepEqual(
    answers.map((one) => one.seq),
    many.map((_, i) => i),
  )
})

test('a peer that asks more at once than we serve is told so', async () => {
  const release = Promise.withResolvers<void>()
  const answer = async (): Promise<{ seq: number }> => {
    await release.promise
    return { seq: 0 }
  }
  await using pair = await startPair(
    {},
    { handlers: { 'index.push': answer }, limits: { pendingRequestsMax: 2 } },
  )
  const two = [1, 2].map(() => pair.link.request('index.push', { entries: ['x'] }))
  await assert.rejects(pair.link.request('index.push', { entries: ['x'] }), coded('rate_limited'))
  release.resolve()
  assert.equal((await Promise.all(two)).length, 2)
})

test('events arrive in order, with their parameters checked', async () => {
  const heard: string[] = []
  await using pair = await startPair(
    {
      onEvent: (_peer, event: EventName, params) => {
        heard.push(`${event} ${'beat' in params ? params.beat : ''}`)
      },
    },
    {},
  )
  const link = pair.b.connection(pair.a.peerId)
  assert.ok(link)
  for (let i = 0; i < 50; i++) link.send('beat', { beat: String(i) })
  await until('all have come', () => heard.length === 50)
  assert.deepEqual(
    heard,
    Array.from({ length: 50 }, (_, i) => `beat ${i}`),
  )
  link.send('unheard-of' as 'beat', { beat: 'from a newer version' })
  assert.deepEqual(await link.request('ping', {}), {}, 'an unknown event is no fault')
  link.send('beat', { beat: 7 } as never)
  await until('a malformed one is', () => pair.a.peers().length === 0)
})

test('a peer that dies ends pending requests, and is reported once', async () => {
  const ended: [PeerIdString, ErrorCode][] = []
  await using a = await startHost({ onDisconnect: (peer, code) => ended.push([peer, code]) })
  const b = await startHost({
    handlers: { 'trust.get': () => new Promise(() => undefined) },
  })
  const link = await a.connect(b.peerId, b.addresses())
  const pending = assert.rejects(link.request('trust.get', {}), coded('stream_closed'))
  await sleep(50)
  await b[Symbol.asyncDispose]()
  await pending
  await until('a was told', () => ended.length > 0)
  await sleep(50)
  assert.deepEqual(ended, [[b.peerId, 'stream_closed']])
  await assert.rejects(link.request('ping', {}), coded('stream_closed'))
})

test('a peer can be dialled again after its connection has ended', async () => {
  const key = newKey()
  await using a = await startHost()
  const b = await startHost({}, key)
  await a.connect(b.peerId, b.addresses())
  await b[Symbol.asyncDispose]()
  await until('a has noticed', () => a.peers().length === 0)
  await using again = await startHost({}, key)
  const link = await a.connect(again.peerId, again.addresses())
  assert.deepEqual(await link.request('ping', {}), {})
})

test('hangUp ends every connection of the peer at once', async () => {
  await using pair = await startPair()
  await pair.b.connect(pair.a.peerId, pair.a.addresses())
  await pair.a.hangUp(pair.b.peerId)
  assert.deepEqual(pair.a.peers(), [])
  await until('b has noticed', () => pair.b.peers().length === 0)
  await assert.rejects(pair.link.request('ping', {}), coded('stream_closed'))
})

test('two nodes that dial each other at once can both ask', async () => {
  await using a = await startHost()
  await using b = await startHost()
  const [there, back] = await Promise.all([
    a.connect(b.peerId, b.addresses()),
    b.connect(a.peerId, a.addresses()),
  ])
  assert.deepEqual(await there.request('ping', {}), {})
  assert.deepEqual(await back.request('ping', {}), {})
})

test('pings keep a silent connection alive, and their absence ends it', async () => {
  const limits = { pingIntervalMs: 50, pingTimeoutMs: 250 }
  await using pair = await startPair({ limits }, { limits })
  await sleep(700)
  assert.deepEqual(pair.a.peers(), [pair.b.peerId])

  const ended: ErrorCode[] = []
  // This listener never pings, and answers are all that is heard: a dialler that does not ping hears nothing.
  await using deaf = await startHost({ limits: { pingIntervalMs: 60_000, pingTimeoutMs: 120_000 } })
  await using quiet = await startHost({
    limits: { pingIntervalMs: 60_000, pingTimeoutMs: 200 },
    onDisconnect: (_peer, code) => ended.push(code),
  })
  await quiet.connect(deaf.peerId, deaf.addresses())
  await until('silence ended it', () => ended.length === 1)
  assert.deepEqual(ended, ['timeout'])
})
