import assert from 'node:assert/strict'
import { readCommand, type Command } from './command-set.ts'
import { commandPdu, pduType } from './pdu.ts'
import { createPduGuard } from './pdu-guard.ts'
import { connectRaw, type Raw } from './scp.fixture.ts'
import { echoRequest, requestPdu, storeMessage, until } from './units.fixture.ts'

/** An association of hand-made units, to send right and wrong ones on. */
export type Sender = Raw &
  Disposable & {
    send(bytes: Buffer): void
    /** Commands that came back, in order. */
    answers(): Command[]
    /** Types of the units that came back; an A-ABORT with its source and reason. */
    units(): string[]
    /** Stores one instance and waits for the answer. */
    store(sopUid: string, ...pieces: Buffer[]): Promise<Command>
    echo(): Promise<Command>
  }

export async function openSender(
  port: number,
  { request = requestPdu(), localAddress }: { request?: Buffer; localAddress?: string } = {},
): Promise<Sender> {
  const raw = await connectRaw(port, localAddress)
  const answers: Command[] = []
  const units: string[] = []
  const parts: Buffer[] = []
  const guard = createPduGuard(() => 1 << 20)
  raw.socket.on('data', (chunk: Buffer) => {
    for (const event of guard.feed(chunk)) {
      if (event.kind === 'pdu') {
        units.push(nameOf(event))
        continue
      }
      parts.push(event.data)
      if (event.last) answers.push(readCommand(Buffer.concat(parts.splice(0))))
    }
  })
  let messageId = 0
  const exchange = async (message: (id: number) => Buffer): Promise<Command> => {
    const id = ++messageId
    const find = () => answers.find((answer) => answer.messageIdRespondedTo === id)
    raw.socket.write(message(id))
    await until(() => find() !== undefined || raw.socket.destroyed)
    return find() ?? assert.fail('the association was lost')
  }
  const sender: Sender = {
    ...raw,
    send: (bytes) => void raw.socket.write(bytes),
    answers: () => answers,
    units: () => units,
    store: async (sopUid, ...pieces) => exchange((id) => storeMessage(id, sopUid, ...pieces)),
    echo: async () => exchange((id) => commandPdu(3, echoRequest(id))),
    [Symbol.dispose]: () => void raw.socket.destroy(),
  }
  if (request.length > 0) {
    sender.send(request)
    await until(() => sender.units().length > 0 || raw.socket.destroyed)
  }
  return sender
}

function nameOf({ type, bytes }: { type: number; bytes: Buffer }): string {
  return type === pduType.abort ? `${type} ${bytes[8]} ${bytes[9]}` : `${type}`
}

/** The association was accepted. */
export async function openGoodSender(port: number, localAddress?: string): Promise<Sender> {
  const sender = await openSender(port, localAddress === undefined ? {} : { localAddress })
  assert.deepEqual(sender.units(), ['2'])
  return sender
}
