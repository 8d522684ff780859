import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { commandField, type Command } from './command-set.ts'
import { createExchanges } from './exchange.ts'

const limits = { responseTimeoutMs: 5000, identifierBytes: 1024 }
const asked = { field: commandField.storeRequest, sopClass: '1.2', sopUid: '1.2.3' }
const replyTo = (messageIdRespondedTo: number) =>
  ({ field: commandField.storeRequest | commandField.response, messageIdRespondedTo }) as Command

function open() {
  const speech = { say: () => undefined, sayAll: () => undefined }
  const link = { close: () => undefined }
  const exchanges = createExchanges({ contexts: new Map(), link, speech, limits })
  const exchange = exchanges.begin(1, { messageId: 1 } as Command)
  return { exchanges, exchange }
}

test('of what a peer has answered nothing is held until the association ends', async () => {
  const { exchanges, exchange } = open()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const answered: WeakRef<Command>[] = []
  for (let id = 1; id <= 100; id++) {
    const waiting = exchange.request(1, asked)
    const reply = replyTo(id)
    exchanges.respondTo(reply)
    answered.push(new WeakRef(reply))
    await waiting
  }
  await new Promise(setImmediate)
  collect()
  const held = answered.filter((one) => one.deref() !== undefined).length
  assert.ok(held < 10, `${held} of ${answered.length} answers are held`)
})

test('a request fails when the association ends before its answer, and after', async () => {
  const { exchanges, exchange } = open()
  const waiting = exchange.request(1, asked)
  exchanges.close()
  await assert.rejects(waiting, { code: 'aborted' })
  await assert.rejects(exchange.request(1, asked), { code: 'aborted' })
})
