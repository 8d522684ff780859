import { readCommand, type Command } from './command-set.ts'
import { abortReason, abortSource } from './pdu.ts'
import { PduError, type PduEvent } from './pdu-guard.ts'
import { joined, type Reception } from './receive-store.ts'

/** Puts fragments together to messages: a command, and the data set that it announces. */
export type Messages = {
  take(fragment: Fragment): Promise<void> | undefined
  /** True while a command or a data set has begun and not ended. */
  readonly isInside: boolean
  /** The association ended: whatever is on its way in is dropped. */
  abort(): Promise<void>
}

type Fragment = PduEvent & { kind: 'fragment' }

export type MessagesDeps = {
  isAccepted: (context: number) => boolean
  /** Begins the work for a request; its data set, when one follows, goes to what is returned. */
  perform: (
    context: number,
    command: Command,
  ) => Promise<Reception | undefined> | Reception | undefined
  /** The data set is here whole. */
  complete: (context: number, command: Command, reception: Reception) => void
  commandBytes: number
}

export function createMessages(deps: MessagesDeps): Messages {
  const { isAccepted, perform, complete, commandBytes } = deps
  const read = createCommandReader()
  let parts: Buffer[] = []
  let partsBytes = 0
  /** Context of the message on its way in. */
  let current: number | undefined
  let incoming: { command: Command; reception: Reception } | undefined
  let isAborted = false

  const takeCommand = ({ context, data, last }: Fragment): Promise<void> | undefined => {
    if (incoming !== undefined) throw unexpected('command inside a data set')
    partsBytes += data.length
    if (partsBytes > commandBytes) throw unexpected('command too long')
    // A copy: the piece of input around it must not live as long as a slow command.
    parts.push(Buffer.from(data))
    current = context
    if (!last) return undefined
    const command = read(joined(parts))
    parts = []
    partsBytes = 0
    return begin(context, command)
  }

  const begin = (context: number, command: Command): Promise<void> | undefined => {
    const performed = perform(context, command)
    return performed instanceof Promise
      ? performed.then((reception) => begun(command, reception))
      : begun(command, performed)
  }

  const begun = (command: Command, reception?: Reception): Promise<void> | undefined => {
    if (reception === undefined) current = undefined
    else if (isAborted) return reception.abort()
    else incoming = { command, reception }
    return undefined
  }

  const takeData = ({ context, data, last }: Fragment): Promise<void> | undefined => {
    if (incoming === undefined) throw unexpected('data set without a command')
    const { command, reception } = incoming
    const end = (): undefined => {
      incoming = undefined
      current = undefined
      complete(context, command, reception)
    }
    const wait = reception.take(data)
    if (!last) return wait
    return wait === undefined ? end() : wait.then(end)
  }

  return {
    take(fragment) {
      if (!isAccepted(fragment.context)) throw unexpected('presentation context was not accepted')
      if (current !== undefined && current !== fragment.context) {
        throw unexpected('presentation context changes inside a message')
      }
      return fragment.command ? takeCommand(fragment) : takeData(fragment)
    },
    get isInside() {
      return current !== undefined
    },
    async abort() {
      isAborted = true
      const reception = incoming?.reception
      incoming = undefined
      await reception?.abort()
    },
  }
}

/** The thousand answers of a query come with the same command, which is read once. */
function createCommandReader(): (bytes: Buffer) => Command {
  let last: { bytes: Buffer; command: Command } | undefined
  return (bytes) => {
    if (last?.bytes.equals(bytes) !== true) last = { bytes, command: readCommand(bytes) }
    return last.command
  }
}

const unexpected = (message: string) =>
  new PduError(abortReason.unspecified, message, abortSource.user)
