import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { storeRequest } from './command-set.ts'
import { commandPdu } from './pdu.ts'
import { createMemoryIngest, sha256, startScp } from './scp.fixture.ts'
import { openGoodSender } from './sender.fixture.ts'
import { ctClass, dataUnit, fragment, storeMessage, until } from './units.fixture.ts'

const pause = async (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

test('pieces keep their order when the archive asks to wait after every one', async () => {
  const ingest = createMemoryIngest({ onWrite: () => false, drain: async () => pause(5) })
  await using scp = await startScp(ingest)
  using sender = await openGoodSender(scp.port)
  sender.send(
    Buffer.concat([
      commandPdu(1, storeRequest(1, ctClass, '1.2.3')),
      dataUnit(fragment(1, 0, Buffer.from('AAAA')), fragment(1, 0, Buffer.from('BBBB'))),
      dataUnit(fragment(1, 2, Buffer.from('CCCC'))),
    ]),
  )
  await until(() => ingest.kept.length === 1)
  assert.equal(ingest.kept[0]?.dataSet.toString(), 'AAAABBBBCCCC')
})

test('a sender is stopped while the archive is slow', async () => {
  let held = 0
  let heldMax = 0
  const gate = Promise.withResolvers<object>()
  const ingest = createMemoryIngest({
    onWrite: (bytes) => {
      held += bytes
      heldMax = Math.max(heldMax, held)
      return held < 100_000
    },
    drain: async () => {
      await pause(1)
      held = 0
    },
    finish: async () => gate.promise,
  })
  await using scp = await startScp(ingest)
  using sender = await openGoodSender(scp.port)
  const pieces = Array.from({ length: 300 }, (_, index) => Buffer.alloc(65_000, index))
  sender.send(storeMessage(1, '1.2.3', ...pieces))
  await until(() => sender.socket.writableLength === 0)
  // What one piece of input can hold is above the mark, never the whole data set.
  assert.ok(heldMax < 400_000, `${heldMax} bytes`)
  assert.equal(sender.answers().length, 0)
  gate.resolve({})
  await until(() => ingest.kept.length === 1)
  assert.equal(sha256(ingest.kept[0]?.dataSet ?? Buffer.alloc(0)), sha256(Buffer.concat(pieces)))
})

test('pipelined requests are each stored whole and answered in their order', async () => {
  const order: string[] = []
  const ingest = createMemoryIngest({
    ingest: async () => pause(3),
    // The first takes longest: answers would overtake if they could.
    finish: async ({ declared }) => {
      await pause(declared.sopUid === '1.0' ? 30 : 1)
      order.push(declared.sopUid)
      return {}
    },
  })
  await using scp = await startScp(ingest)
  using sender = await openGoodSender(scp.port)
  const bodies = Array.from({ length: 20 }, (_, index) =>
    [1, 2, 3].map((part) => Buffer.alloc(part * 1000, index * 3 + part)),
  )
  sender.send(
    Buffer.concat(bodies.map((pieces, index) => storeMessage(index + 1, `1.${index}`, ...pieces))),
  )
  await until(() => sender.answers().length === bodies.length)
  assert.deepEqual(
    sender.answers().map(({ messageIdRespondedTo, status }) => [messageIdRespondedTo, status]),
    bodies.map((_, index) => [index + 1, 0]),
  )
  assert.deepEqual(
    order,
    bodies.map((_, index) => `1.${index}`),
  )
  for (const [index, pieces] of bodies.entries()) {
    const kept = ingest.kept[index]
    assert.equal(kept?.declared.sopUid, `1.${index}`)
    assert.equal(sha256(kept.dataSet), sha256(Buffer.concat(pieces)))
  }
})

test('a release waits for the answer that is being worked on', async () => {
  const ingest = createMemoryIngest({ finish: async () => pause(30).then(() => ({})) })
  await using scp = await startScp(ingest)
  using sender = await openGoodSender(scp.port)
  const release = Buffer.from([5, 0, 0, 0, 0, 4, 0, 0, 0, 0])
  sender.send(Buffer.concat([storeMessage(1, '1.2.3', Buffer.from('x')), release]))
  await until(() => sender.units().includes('6'))
  assert.equal(sender.answers()[0]?.status, 0)
})

test('however a data set is cut, and whenever the archive waits, its bytes are kept', async () => {
  let waits: boolean[] = []
  const ingest = createMemoryIngest({
    onWrite: () => waits.pop() ?? true,
    drain: async () => new Promise((resolve) => setImmediate(resolve)),
  })
  await using scp = await startScp(ingest)
  using sender = await openGoodSender(scp.port)
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 5000 }),
      fc.array(fc.array(fc.nat(700), { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      fc.array(fc.boolean(), { maxLength: 30 }),
      async (bytes, cuts, answers) => {
        waits = [...answers]
        const dataSet = Buffer.from(bytes)
        sender.send(commandPdu(1, storeRequest(++count, ctClass, `1.${count}`)))
        let at = 0
        for (const sizes of cuts) {
          const fragments = sizes.map((size) => {
            const piece = dataSet.subarray(at, at + size)
            at += piece.length
            return fragment(1, 0, piece)
          })
          sender.send(dataUnit(...fragments))
        }
        sender.send(dataUnit(fragment(1, 2, dataSet.subarray(at))))
        await until(() => sender.answers().length === count)
        assert.equal(ingest.kept[count - 1]?.dataSet.compare(dataSet), 0)
      },
    ),
    { seed: 4, numRuns: 100 },
  )
})
