import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ProtocolError } from '#protocol/errors.ts'
import { commandField, request, response, type Command } from './command-set.ts'
import { commandPdu, control } from './pdu.ts'
import { device } from './query-retrieve.fixture.ts'
import { createMemoryIngest, startScp } from './scp.fixture.ts'
import { openSender } from './sender.fixture.ts'
import type { Exchange, Request, Service } from './service.ts'
import { status } from './status.ts'
import {
  bareCommand,
  dataUnit,
  fragment,
  implicitLittle,
  requestPdu,
  until,
} from './units.fixture.ts'

const findClass = '1.2.840.10008.5.1.4.1.2.2.1'

/** A provider with one service that does as told, and an association with its context. */
async function startService(
  perform: (request: Request, exchange: Exchange) => Promise<void>,
  { callingAe = 'STORESCU', limits = {} } = {},
) {
  const service: Service = {
    permission: 'query',
    abstractSyntaxes: new Set([findClass]),
    fields: new Set([commandField.findRequest]),
    perform,
  }
  const scp = await startScp({
    ...createMemoryIngest(),
    services: [service],
    devices: [device('STORESCU'), device('CT1', { services: ['store'] })],
    quarantineSubnets: ['127.0.0.0/8'],
    limits: { closeTimeoutMs: 100, ...limits },
  })
  const contexts = [{ id: 1, abstractSyntax: findClass, transferSyntaxes: [implicitLittle] }]
  const sender = await openSender(scp.port, { request: requestPdu({ contexts, callingAe }) })
  return Object.assign(sender, {
    find(messageId: number, identifier: Buffer) {
      const asked = { field: commandField.findRequest, sopClass: findClass, sopUid: '' }
      sender.send(commandPdu(1, request(messageId, asked, true)))
      sender.send(dataUnit(fragment(1, control.last, identifier)))
    },
    async finalStatus(): Promise<number | undefined> {
      const last = () => sender.answers().at(-1)?.status
      const isFinal = () => last() !== undefined && last() !== status.pending
      await until(() => isFinal() || sender.socket.destroyed)
      return last()
    },
    async [Symbol.asyncDispose]() {
      sender[Symbol.dispose]()
      await scp[Symbol.asyncDispose]()
    },
  })
}

const identifier = Buffer.alloc(8)
const cancel = (messageId: number): Buffer => {
  const bytes = bareCommand(commandField.cancelRequest, messageId)
  // Message ID Being Responded To in place of Message ID.
  bytes.writeUInt16LE(0x0120, 12)
  return commandPdu(1, bytes)
}
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('a cancel is read while its request is worked on', async () => {
  await using sender = await startService(async (_request, exchange) => {
    await exchange.respond({ status: status.pending })
    while (!exchange.cancelled.aborted) await sleep(5)
    await exchange.respond({ status: status.cancelled })
  })
  sender.find(7, identifier)
  await until(() => sender.answers().length === 1)
  sender.send(cancel(6))
  await sleep(50)
  assert.equal(sender.answers().length, 1)
  sender.send(cancel(7))
  assert.equal(await sender.finalStatus(), status.cancelled)
})

test('a request that takes longer than any peer may is not given up by our own deadlines', async () => {
  const limits = { idleTimeoutMs: 100, sweepIntervalMs: 10, rateWindowMs: 50 }
  await using sender = await startService(
    async (_request, exchange) => {
      await sleep(600)
      await exchange.respond({ status: status.success })
    },
    { limits },
  )
  sender.find(1, identifier)
  assert.equal(await sender.finalStatus(), status.success)
})

test('whatever a service does, there is one final answer and the association lives on', async () => {
  const acts: ((exchange: Exchange) => Promise<void>)[] = [
    async () => {
      throw new ProtocolError('bad_request', 'secret')
    },
    async () => {
      throw new Error('a bug')
    },
    async () => undefined,
    async ({ respond }) => respond({ status: status.success, comment: 'x'.repeat(100) }),
    async ({ respond }) => {
      await respond({ status: status.success })
      await respond({ status: status.success })
    },
  ]
  let act: ((exchange: Exchange) => Promise<void>) | undefined
  await using sender = await startService(async (_request, exchange) => act?.(exchange))
  const statuses: number[] = []
  for (const [index, next] of acts.entries()) {
    act = next
    sender.find(index + 1, identifier)
    await until(() => sender.answers().length > index)
    await sleep(20)
    assert.equal(sender.answers().length, index + 1)
    statuses.push(sender.answers().at(-1)?.status ?? -1)
  }
  assert.deepEqual(statuses, [0xa900, 0x0110, 0x0110, 0, 0])
  assert.ok(sender.answers().every(({ comment }) => !comment.includes('secret')))
})

test('the service sees who asks, and the whole identifier', async () => {
  const seen: Request[] = []
  await using sender = await startService(async (request, exchange) => {
    seen.push(request)
    await exchange.respond({ status: status.success })
  })
  sender.find(3, Buffer.from('0800520006000000535455445920', 'hex'))
  await sender.finalStatus()
  const [request] = seen
  assert.equal(request?.device.aeTitle, 'STORESCU')
  assert.equal(request?.origin.callingAe, 'STORESCU')
  assert.equal(request?.command.messageId, 3)
  assert.equal(request?.identifier?.length, 14)
  assert.deepEqual(request?.context, { abstractSyntax: findClass, transferSyntax: implicitLittle })
})

test('an identifier above the limit ends the association', async () => {
  await using sender = await startService(async () => undefined, {
    limits: { identifierBytes: 1000 },
  })
  sender.find(1, Buffer.alloc(2000))
  await sender.closed
  assert.deepEqual(sender.units().at(-1), '7 0 0')
})

test('who may not use a service does not get its context, nor does a stranger', async () => {
  for (const callingAe of ['CT1', 'STRANGER']) {
    let isCalled = false
    await using sender = await startService(
      async () => {
        isCalled = true
      },
      { callingAe },
    )
    sender.find(1, identifier)
    await sender.closed
    assert.equal(isCalled, false)
  }
})

test('the loss of an association reaches the service, also one that waits for the peer', async () => {
  const ended: string[] = []
  await using sender = await startService(async (_request, exchange) => {
    const asked = { field: commandField.storeRequest, sopClass: '1.2', sopUid: '1.2.3' }
    const reply = exchange.request(1, asked).catch(() => ended.push('request'))
    await new Promise<void>((resolve) => exchange.signal.addEventListener('abort', () => resolve()))
    await reply
    ended.push('service')
  })
  sender.find(1, identifier)
  await until(() => sender.answers().length > 0)
  sender.socket.destroy()
  await until(() => ended.length === 2)
  assert.deepEqual(ended, ['request', 'service'])
})

test('a request of ours on the same association gets its own answer', async () => {
  const replies: Command[] = []
  await using sender = await startService(async (_request, exchange) => {
    for (const sopUid of ['1.2.3', '1.2.4']) {
      const asked = { field: commandField.storeRequest, sopClass: '1.2', sopUid }
      const { command } = await exchange.request(1, asked)
      replies.push(command)
    }
    await exchange.respond({ status: status.success })
  })
  sender.find(1, identifier)
  for (const [index, code] of [0xb000, 0xa700].entries()) {
    await until(() => sender.answers().length > index)
    const asked = sender.answers().at(index)
    assert.ok(asked)
    sender.send(commandPdu(1, response(asked, { status: code })))
  }
  await until(() => replies.length === 2)
  assert.deepEqual(
    replies.map((reply) => [reply.status, reply.sopUid]),
    [
      [0xb000, '1.2.3'],
      [0xa700, '1.2.4'],
    ],
  )
})
