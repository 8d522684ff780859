import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import { response, storeRequest, type Command } from './command-set.ts'
import { abortPdu, commandPdu, dataHeader, pduType } from './pdu.ts'
import { connectRaw, createMemoryIngest, startScp } from './scp.fixture.ts'
import { openGoodSender, openSender, type Sender } from './sender.fixture.ts'
import {
  ctClass,
  bareCommand,
  dataUnit,
  echoRequest,
  explicitLittle,
  fragment,
  requestPdu,
  storeMessage,
  unit,
  until,
} from './units.fixture.ts'

const huge = Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff])
const find: Command = {
  field: 0x0020,
  sopClass: ctClass,
  sopUid: '',
  messageId: 9,
  messageIdRespondedTo: 0,
  hasDataSet: false,
  status: 0,
  comment: '',
}
const store = (messageId: number) => commandPdu(1, storeRequest(messageId, ctClass, '1.2.3'))
const piece = (flags: number, context = 1) => dataUnit(fragment(context, flags, Buffer.from('xx')))

/** A request with bytes of it replaced. */
function damaged(change: (pdu: Buffer) => void): Buffer {
  const pdu = requestPdu()
  change(pdu)
  return pdu
}

/** Before an association: what is sent, and the A-ABORT it earns (source and reason). */
const strangers: [name: string, bytes: Buffer, answer: string][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: pacs\r\n\r\n'), '7 2 1'],
  ['a TLS hello', Buffer.from('16030100ca010000c60303', 'hex'), '7 2 1'],
  ['an unknown type of unit', unit(0x55, Buffer.alloc(4)), '7 2 1'],
  ['a megabyte of noise', Buffer.concat([Buffer.from([0xff]), randomBytes(1_000_000)]), '7 2 1'],
  ['a request of 4 GiB', huge, '7 2 6'],
  ['a request of 64 KiB and one byte', unit(1, Buffer.alloc(0), 65_537), '7 2 6'],
  ['data', piece(2), '7 2 2'],
  ['a release', unit(pduType.releaseRequest, Buffer.alloc(4)), '7 2 2'],
  ['an accept', unit(pduType.associateAccept, Buffer.alloc(70)), '7 2 2'],
  ['an empty request', unit(1, Buffer.alloc(0)), '7 2 6'],
  ['a request without contexts', requestPdu({ contexts: [] }), '7 2 6'],
  ['an item longer than the request', damaged((pdu) => pdu.writeUInt16BE(0xffff, 76)), '7 2 6'],
  [
    'context id 0',
    requestPdu({
      contexts: [{ id: 0, abstractSyntax: ctClass, transferSyntaxes: [explicitLittle] }],
    }),
    '7 2 6',
  ],
  [
    'a context without transfer syntax',
    requestPdu({ contexts: [{ id: 1, abstractSyntax: ctClass, transferSyntaxes: [] }] }),
    '7 2 6',
  ],
]

/** On an association. */
const guests: [name: string, bytes: Buffer, answer: string][] = [
  ['a second request', requestPdu(), '7 2 2'],
  ['a unit of 4 GiB', unit(4, Buffer.alloc(20), 0xff_ff_ff_ff), '7 2 6'],
  ['a unit one byte above the bound', unit(4, Buffer.alloc(20), 262_151), '7 2 6'],
  ['a release of 1 KiB', unit(pduType.releaseRequest, Buffer.alloc(1024)), '7 2 6'],
  ['a fragment of length 0', unit(4, Buffer.alloc(6)), '7 2 6'],
  ['a fragment of 4 GiB', unit(4, Buffer.from('ffffffff0103', 'hex')), '7 2 6'],
  ['a context that was not proposed', dataUnit(fragment(99, 3, echoRequest(1))), '7 0 0'],
  ['an empty command', dataUnit(fragment(1, 3, Buffer.alloc(0))), '7 0 0'],
  ['garbage for a command', dataUnit(fragment(1, 3, randomBytes(100))), '7 0 0'],
  [
    'an endless command',
    dataUnit(...fragments(600, () => fragment(1, 1, Buffer.alloc(128)))),
    '7 0 0',
  ],
  ['data without a command', piece(2), '7 0 0'],
  ['a command inside a data set', Buffer.concat([store(1), piece(0), store(2)]), '7 0 0'],
  ['a data set in another context', Buffer.concat([store(1), piece(0), piece(2, 3)]), '7 0 0'],
  ['an answer to nothing', commandPdu(1, response(find, { status: 0 })), '7 0 0'],
  [
    'a release inside a data set',
    Buffer.concat([store(1), piece(0), unit(pduType.releaseRequest, Buffer.alloc(4))]),
    '7 0 2',
  ],
  ['a C-ECHO with a data set', withDataSet(commandPdu(3, echoRequest(1))), '7 0 0'],
]

function fragments(count: number, make: () => Buffer): Buffer[] {
  return Array.from({ length: count }, make)
}

/** The same command, saying that a data set follows. */
function withDataSet(pdu: Buffer): Buffer {
  const at = pdu.indexOf(Buffer.from([0, 0, 0, 8, 2, 0, 0, 0, 1, 1]))
  assert.ok(at > 0)
  pdu.writeUInt16LE(0, at + 8)
  return pdu
}

test('no stranger hurts anyone else', async (t) => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  using good = await openGoodSender(scp.port)
  for (const [name, bytes, answer] of strangers) {
    await t.test(`${name} is aborted`, async () => {
      using stranger = await openSender(scp.port, { request: bytes })
      await until(() => stranger.units().length > 0)
      assert.deepEqual(stranger.units(), [answer])
      assert.equal((await good.store('1.2.3', Buffer.from('good'))).status, 0)
    })
  }
  assert.equal(ingest.kept.length, strangers.length)
  assert.equal(scp.connections(), 1)
})

test('no guest hurts anyone else', async (t) => {
  const ingest = createMemoryIngest()
  await using scp = await startScp(ingest)
  using good = await openGoodSender(scp.port)
  for (const [name, bytes, answer] of guests) {
    await t.test(`${name} is aborted`, async () => {
      using guest = await openGoodSender(scp.port)
      guest.send(bytes)
      await until(() => guest.units().length > 1)
      assert.deepEqual(guest.units(), ['2', answer])
      assert.equal((await good.store('1.2.3', Buffer.from('good'))).status, 0)
    })
  }
  assert.equal(ingest.kept.length, guests.length)
})

for (const maximumPduBytes of [1, 2, 3, 4, 5, 6, 7, 4095]) {
  test(`a peer that takes ${maximumPduBytes} bytes at most is rejected`, async () => {
    await using scp = await startScp(createMemoryIngest())
    using sender = await openSender(scp.port, { request: requestPdu({ maximumPduBytes }) })
    assert.deepEqual(sender.units(), ['3'])
  })
}

test('a peer without a maximum, and one with a small but sane one, are served', async () => {
  await using scp = await startScp(createMemoryIngest())
  for (const maximumPduBytes of [0, 4096]) {
    using sender = await openSender(scp.port, { request: requestPdu({ maximumPduBytes }) })
    assert.equal((await sender.echo()).status, 0)
  }
})

test('services that are not offered are refused and the association lives on', async () => {
  await using scp = await startScp(createMemoryIngest())
  using sender = await openGoodSender(scp.port)
  const answered = async (id: number) => {
    await until(() => sender.answers().some((answer) => answer.messageIdRespondedTo === id))
    return sender.answers().find((answer) => answer.messageIdRespondedTo === id)
  }
  // C-FIND, C-GET, C-MOVE, N-CREATE, N-ACTION, with and without what they carry.
  for (const [id, field] of [0x0020, 0x0010, 0x0021, 0x0140, 0x0130].entries()) {
    const command = renamed(storeRequest(100 + id, ctClass, '1.2.3'), field)
    sender.send(Buffer.concat([commandPdu(1, command), piece(0), piece(2)]))
    assert.equal((await answered(100 + id))?.status, 0x0211)
    assert.equal((await answered(100 + id))?.field, field | 0x8000)
  }
  // C-CANCEL has no answer.
  sender.send(commandPdu(1, bareCommand(0x0fff, 200)))
  const other = storeRequest(201, '1.2.840.10008.5.1.4.1.1.4', '1.2.3')
  sender.send(Buffer.concat([commandPdu(1, other), piece(2)]))
  assert.equal((await answered(201))?.status, 0x0122)
  assert.equal((await sender.store('1.2.3', Buffer.from('still here'))).status, 0)
})

function renamed(command: Buffer, field: number): Buffer {
  const at = command.indexOf(Buffer.from([0, 0, 0, 1, 2, 0, 0, 0]))
  command.writeUInt16LE(field, at + 8)
  return command
}

for (const [how, end] of [
  ['an abort', (sender: Sender) => sender.send(abortPdu(0, 0))],
  ['a reset', (sender: Sender) => sender.socket.resetAndDestroy()],
  ['a close', (sender: Sender) => sender.socket.end()],
] as const) {
  test(`${how} inside a data set leaves nothing behind`, async () => {
    const ingest = createMemoryIngest()
    await using scp = await startScp(ingest)
    using sender = await openGoodSender(scp.port)
    sender.send(Buffer.concat([store(1), piece(0)]))
    await new Promise((resolve) => setTimeout(resolve, 20))
    end(sender)
    await until(() => ingest.aborted() === 1 && scp.connections() === 0)
    assert.equal(ingest.kept.length, 0)
  })
}

test('an archive that fails in any way costs one instance, not the association', async () => {
  const failures: [string, Parameters<typeof createMemoryIngest>[0]][] = [
    ['opening', { ingest: () => Promise.reject(new Error('x')) }],
    [
      'writing',
      {
        onWrite: () => {
          throw new ProtocolError('storage_failed', 'x')
        },
      },
    ],
    ['waiting', { onWrite: () => false, drain: () => Promise.reject(new Error('x')) }],
    ['finishing', { finish: () => Promise.reject(new Error('x')) }],
  ]
  for (const [what, behaviour] of failures) {
    const ingest = createMemoryIngest(behaviour)
    await using scp = await startScp(ingest)
    using sender = await openGoodSender(scp.port)
    const pieces = [Buffer.from('aa'), Buffer.from('bb')]
    assert.equal((await sender.store('1.2.3', ...pieces)).status, 0xa700, what)
    assert.equal((await sender.echo()).status, 0)
    assert.equal(ingest.kept.length, 0)
  }
})

test('after the last word nothing more is listened to', async () => {
  const ingest = createMemoryIngest()
  await using scp = await startScp({ ...ingest, limits: { closeTimeoutMs: 200 } })
  using sender = await openGoodSender(scp.port)
  sender.send(Buffer.concat([requestPdu(), storeMessage(1, '1.2.3', Buffer.from('late'))]))
  await sender.closed
  assert.deepEqual(sender.units(), ['2', '7 2 2'])
  assert.equal(ingest.kept.length, 0)
})

test('a flood after the last word is cut off', async () => {
  await using scp = await startScp({ ...createMemoryIngest(), limits: { closeBytesMax: 100_000 } })
  const stranger = await connectRaw(scp.port)
  const noise = Buffer.alloc(65_536, 0xff)
  const timer = setInterval(() => stranger.socket.write(noise), 1)
  await stranger.closed.finally(() => clearInterval(timer))
})

test('a unit header that never ends is not waited for longer than an association may take', async () => {
  const limits = { associationTimeoutMs: 100, sweepIntervalMs: 20 }
  await using scp = await startScp({ ...createMemoryIngest(), limits })
  const request = requestPdu()
  const silent = await connectRaw(scp.port)
  const truncated = await connectRaw(scp.port)
  truncated.socket.write(requestPdu().subarray(0, 40))
  const dripping = await connectRaw(scp.port)
  let sent = 0
  const drip = () => void dripping.socket.write(request.subarray(sent, ++sent))
  const timer = setInterval(drip, 5)
  await Promise.all([silent.closed, truncated.closed, dripping.closed]).finally(() =>
    clearInterval(timer),
  )
})

test('a data set that drips is aborted, one that waits for us is not', async () => {
  const limits = {
    idleTimeoutMs: 300,
    rateWindowMs: 150,
    rateBytesPerSecondMin: 1000,
    sweepIntervalMs: 20,
  }
  let release = () => {}
  let pieces = 0
  const ingest = createMemoryIngest({
    // Only the first piece of all, the one of `waiting`.
    onWrite: () => pieces++ > 0,
    drain: () => new Promise((resolve) => (release = resolve)),
  })
  await using scp = await startScp({ ...ingest, limits })
  using waiting = await openGoodSender(scp.port)
  waiting.send(Buffer.concat([store(1), piece(2)]))
  using dripping = await openGoodSender(scp.port)
  dripping.send(Buffer.concat([store(1), dataHeader(1, 0, 1000)]))
  const timer = setInterval(() => dripping.send(Buffer.from([0])), 10)
  await until(() => dripping.units().includes('7 2 0')).finally(() => clearInterval(timer))
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.deepEqual(waiting.units(), ['2'])
  release()
  await until(() => waiting.answers().length === 1)
  // Now it is the peer that does nothing.
  await until(() => waiting.units().includes('7 2 0'))
})

test('a flood of small requests lets others run', async () => {
  await using scp = await startScp(createMemoryIngest())
  using good = await openGoodSender(scp.port)
  using flooding = await openGoodSender(scp.port)
  const count = 20_000
  flooding.send(Buffer.concat(Array.from({ length: count }, () => commandPdu(3, echoRequest(1)))))
  assert.equal((await good.echo()).status, 0)
  assert.ok(flooding.answers().length < count / 2, `${flooding.answers().length} answers before`)
})

test('a peer that never reads its answers is paused, then ended', async () => {
  const limits = { idleTimeoutMs: 1000, sweepIntervalMs: 20, closeTimeoutMs: 100 }
  await using scp = await startScp({ ...createMemoryIngest(), limits })
  using good = await openGoodSender(scp.port)
  using deaf = await openGoodSender(scp.port)
  deaf.socket.pause()
  const echo = commandPdu(3, echoRequest(1))
  const flood = Buffer.concat(Array.from({ length: 10_000 }, () => echo))
  const before = process.memoryUsage().rss
  // Unread answers fill the system's buffers, then ours; only then is reading stopped.
  for (let round = 0; round < 200 && !deaf.socket.destroyed; round++) {
    if (deaf.socket.writableLength === 0) deaf.send(flood)
    assert.equal((await good.echo()).status, 0)
  }
  const grown = process.memoryUsage().rss - before
  assert.ok(grown < 200 * 1024 * 1024, `${grown} bytes`)
  // The good one goes on talking, so that only the deaf one is idle, however slow the machine is.
  const end = Date.now() + 60_000
  while (scp.connections() !== 1 && Date.now() < end) {
    assert.equal((await good.echo()).status, 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal(scp.connections(), 1)
})
