import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import dimse from 'dcmjs-dimse'
import { storeRequest } from './command-set.ts'
import { createAcceptor, createRequestor } from './dcmjs-dimse.ts'
import { commandPdu, pduType, rejectPdu, rejections } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { choose } from './syntaxes.ts'
import {
  ctClass,
  dataUnit,
  explicitLittle,
  fragment,
  implicitLittle,
  requestPdu,
  unit,
  unitsOf,
  verificationClass,
} from './units.fixture.ts'

/**
 * First what we make of the library, then the faults of it that we work around. When one of the latter fails, the
 * library was mended: look whether the work-around can go.
 */

function startAcceptor(t: TestContext) {
  const sent: Buffer[] = []
  const acceptor = createAcceptor({
    send: (bytes) => sent.push(bytes),
    maximumPduBytes: 131_072,
  })
  t.after(() => acceptor.close())
  return { acceptor, sent }
}

test('an association is accepted in one write, with our own maximum length', (t) => {
  const { acceptor, sent } = startAcceptor(t)
  const accepted = acceptor.accept(requestPdu({ maximumPduBytes: 4096 }), choose)
  assert.deepEqual(
    [...accepted],
    [
      [1, { abstractSyntax: ctClass, transferSyntax: explicitLittle }],
      [3, { abstractSyntax: verificationClass, transferSyntax: implicitLittle }],
    ],
  )
  assert.equal(sent.length, 1)
  const [answer] = sent
  assert.equal(answer?.[0], pduType.associateAccept)
  assert.equal(maximumLengthIn(answer), 131_072)
})

test('contexts are refused one by one, each with its reason', (t) => {
  const { acceptor, sent } = startAcceptor(t)
  const accepted = acceptor.accept(
    requestPdu({
      contexts: [
        { id: 1, abstractSyntax: '1.2.840.10008.5.1.4.31', transferSyntaxes: [implicitLittle] },
        { id: 3, abstractSyntax: ctClass, transferSyntaxes: ['1.2.840.10008.1.2.1.99'] },
      ],
    }),
    choose,
  )
  assert.equal(accepted.size, 0)
  assert.deepEqual(resultsIn(sent[0]), [
    [1, 3],
    [3, 4],
  ])
})

test('what the library cannot read is a failure of the peer, not silence', (t) => {
  const { acceptor } = startAcceptor(t)
  assert.throws(
    () => acceptor.accept(unit(pduType.associateRequest, Buffer.alloc(9)), choose),
    PduError,
  )
})

test('a requestor learns what was accepted, and refusal as refusal', (t) => {
  const sent: Buffer[] = []
  const options = {
    send: (bytes: Buffer) => void sent.push(bytes),
    callingAe: 'A',
    calledAe: 'B',
    pairs: [
      { abstractSyntax: ctClass, transferSyntax: explicitLittle },
      { abstractSyntax: ctClass, transferSyntax: '1.2.840.10008.1.2.1.99' },
    ],
    maximumPduBytes: 131_072,
  }
  const requestor = createRequestor(options)
  t.after(() => requestor.close())
  requestor.request()
  const { acceptor, sent: answers } = startAcceptor(t)
  acceptor.accept(sent[0] ?? Buffer.alloc(0), choose)
  const negotiated = requestor.negotiated(answers[0] ?? Buffer.alloc(0))
  assert.ok(negotiated?.ok === true)
  assert.deepEqual([...negotiated.accepted], [[1, options.pairs[0]]])

  const other = createRequestor(options)
  t.after(() => other.close())
  other.request()
  assert.deepEqual(other.negotiated(rejectPdu(rejections.callingAe)), {
    ok: false,
    result: 1,
    source: 1,
    reason: 3,
  })
})

/** The library as it comes, on a socket that is none. */
function startLibrary(t: TestContext, Provider: typeof dimse.Scp = Accepting) {
  const sent: Buffer[] = []
  const wire = Object.assign(new EventEmitter(), {
    setTimeout: () => undefined,
    write: (bytes: Buffer) => sent.push(bytes),
  })
  const provider = new Provider(wire as unknown as Socket, {})
  t.after(() => wire.emit('close'))
  return { provider, sent, receive: (bytes: Buffer) => void wire.emit('data', bytes) }
}

class Accepting extends dimse.Scp {
  override associationRequested(
    requested: InstanceType<typeof dimse.association.Association>,
  ): void {
    for (const { context } of requested.getPresentationContexts()) {
      context.setResult(dimse.constants.PresentationContextResult.Accept)
    }
    this.sendAssociationAccept()
  }
}

test('fault: the library announces the smaller of both maximum lengths', (t) => {
  const { receive, sent } = startLibrary(t)
  receive(requestPdu({ maximumPduBytes: 4096 }))
  assert.equal(maximumLengthIn(sent[0]), 4096)
})

test('fault: the library echoes a window of operations that it cannot honour', (t) => {
  const { receive, sent } = startLibrary(t)
  const window = Buffer.from([0x53, 0, 0, 4, 0, 16, 0, 16])
  const plain = requestPdu()
  const request = Buffer.concat([plain, window])
  // The window goes to the end of the user information, the last item of the request.
  request.writeUInt32BE(plain.readUInt32BE(2) + 8, 2)
  request.writeUInt16BE(plain.readUInt16BE(plain.length - 10) + 8, plain.length - 10)
  receive(request)
  assert.ok(sent[0]?.includes(window))
})

test('fault: the library gives no answer when context ids do not ascend', (t) => {
  const { receive, sent } = startLibrary(t)
  const syntaxes = { abstractSyntax: ctClass, transferSyntaxes: [explicitLittle] }
  const ascending = requestPdu({
    contexts: [
      { id: 1, ...syntaxes },
      { id: 3, ...syntaxes },
    ],
  })
  const first = ascending.indexOf(Buffer.from([0x20, 0, 0]), 74) + 4
  const second = ascending.indexOf(Buffer.from([0x20, 0, 0]), first) + 4
  const descending = Buffer.from(ascending)
  descending[first] = 3
  descending[second] = 1
  receive(descending)
  assert.equal(sent.length, 0)
})

test('fault: the library takes a second association on one connection', (t) => {
  const { receive, sent } = startLibrary(t)
  receive(requestPdu())
  receive(requestPdu())
  assert.equal(sent.length, 2)
})

test('fault: the library buffers a unit of 4 GiB and does not abort on garbage', (t) => {
  const { receive, sent } = startLibrary(t)
  receive(requestPdu())
  receive(dataUnit(fragment(1, 3, Buffer.from('no command set'))))
  receive(unit(9, Buffer.alloc(4)))
  receive(unit(pduType.data, Buffer.alloc(100), 0xff_ff_ff_ff))
  assert.equal(sent.length, 1)
})

test('fault: the library loses data when a sink asks it to wait', async (t) => {
  let stored = ''
  class Storing extends Accepting {
    override createStoreWritableStream(): Writable {
      return new Writable({
        highWaterMark: 1,
        write(chunk: Buffer, _encoding, done) {
          stored += chunk.toString()
          setTimeout(done, 5)
        },
      })
    }

    override createDatasetFromStoreWritableStream(
      _writable: Writable,
      _context: unknown,
      callback: (dataset: InstanceType<typeof dimse.Dataset>) => void,
    ): void {
      callback(new dimse.Dataset({}, explicitLittle))
    }

    override cStoreRequest(): void {}
  }
  const { receive } = startLibrary(t, Storing)
  receive(requestPdu())
  receive(commandPdu(1, storeRequest(1, ctClass, '1.2.3')))
  receive(dataUnit(fragment(1, 0, Buffer.from('AAAA')), fragment(1, 0, Buffer.from('BBBB'))))
  receive(dataUnit(fragment(1, 2, Buffer.from('CCCC'))))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.notEqual(stored, 'AAAABBBBCCCC')
})

function maximumLengthIn(answer: Buffer | undefined): number | undefined {
  const at = answer?.indexOf(Buffer.from([0x51, 0, 0, 4])) ?? -1
  return at < 0 ? undefined : answer?.readUInt32BE(at + 4)
}

/** Id and result of each context in an A-ASSOCIATE-AC. */
function resultsIn(answer: Buffer | undefined): [id: number, result: number][] {
  const [event] = unitsOf(answer ?? Buffer.alloc(0))
  assert.ok(event?.kind === 'pdu')
  const results: [number, number][] = []
  for (let at = 74; at < event.bytes.length; at += 4 + event.bytes.readUInt16BE(at + 2)) {
    if (event.bytes[at] !== 0x21) continue
    results.push([event.bytes.readUInt8(at + 4), event.bytes.readUInt8(at + 6)])
  }
  return results
}
