import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { dimseLimits } from '#protocol/limits.ts'
import { abortPdu, abortReason, abortSource } from './pdu.ts'
import { createPduGuard, PduError, type PduEvent } from './pdu-guard.ts'

export type DimseLimits = { readonly [name in keyof typeof dimseLimits]: number }

/** One socket that speaks the upper layer protocol, in either role. */
export type Link = {
  /** One write, so that Nagle's algorithm and delayed acknowledgements never meet. */
  send(...bytes: Uint8Array[]): void
  /** The same, and `written` once the system has taken all of it, or never will. */
  sendThen(bytes: readonly Uint8Array[], written: () => void): void
  /** Something to wait for while the socket's queue is full. */
  drained(): Promise<void> | undefined
  /** Last words. The peer closes (PS3.8 §9.2, ARTIM); when it does not, we do, whatever it still sends. */
  close(bytes: Buffer): void
  destroy(): void
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>
  readonly isClosing: boolean
  /** True while a unit has begun and not ended. */
  readonly isInside: boolean
}

export type LinkDeps = {
  /** See `createPduGuard`. */
  allowed: (type: number) => number | undefined
  /** Takes one event; nothing more is read until the promise, if there is one, resolves. Its bytes end then: copy. */
  handle: (event: PduEvent) => Promise<void> | undefined
  /** After all events of a piece of input. */
  onReceived: (bytes: number) => void
  /** The peer, or we ourselves, failed; the link closes. */
  onFailure: (error: unknown) => void
  limits: Pick<DimseLimits, 'closeTimeoutMs' | 'closeBytesMax'>
}

/** Drives a socket through the guard: input is cut, handed on in order, and paused whenever a handler must wait. */
export function createLink(socket: Socket, deps: LinkDeps): Link {
  const { limits } = deps
  const guard = createPduGuard(deps.allowed)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let isClosing = false

  const close = (bytes: Buffer) => {
    if (isClosing || socket.destroyed) return
    isClosing = true
    socket.write(bytes)
    discard(socket, limits)
  }
  const fail = (error: unknown) => {
    if (isClosing || socket.destroyed) return
    deps.onFailure(error)
    const { reason, source } = error instanceof PduError ? error : ourFailure
    close(abortPdu(reason, source))
  }

  const received = (chunk: Buffer) => {
    deps.onReceived(chunk.length)
    release(chunk)
  }

  const write = (bytes: readonly Uint8Array[], written?: () => void) => {
    if (isClosing || socket.destroyed) return written?.()
    writeTogether(socket, bytes, written)
  }

  socket.on('data', (chunk: Buffer) => {
    if (isClosing) return
    try {
      const wait = handleAll(guard.feed(chunk), (event) =>
        isClosing ? undefined : deps.handle(event),
      )
      if (wait === undefined) {
        received(chunk)
        return
      }
      socket.pause()
      wait.then(() => received(chunk)).then(() => socket.resume(), fail)
    } catch (error) {
      fail(error)
    }
  })
  // After a peer's FIN nothing can complete; after an error 'close' follows.
  socket.on('end', () => socket.destroy())
  socket.on('error', () => undefined)

  return {
    send: (...bytes) => write(bytes),
    sendThen: write,
    drained: () => (socket.destroyed || !socket.writableNeedDrain ? undefined : drain(socket)),
    close,
    destroy() {
      // What was said before is on its way first.
      if (socket.writableCorked > 0) socket.uncork()
      socket.destroy()
    },
    closed,
    get isClosing() {
      return isClosing || socket.destroyed
    },
    get isInside() {
      return guard.isInside
    },
  }
}

/**
 * Nobody keeps a piece of input: whoever needs one copies it. Its memory is given back at once, because the collector
 * would come for it only after tens of megabytes, with a mark over the whole heap each time.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk
  const isItsOwn = buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength
  if (isItsOwn) buffer.transfer(0)
}

/** Whatever is said within one turn, such as many answers of a query, goes into one write. */
function writeTogether(socket: Socket, bytes: readonly Uint8Array[], written?: () => void): void {
  const last = bytes.length - 1
  if (socket.writableCorked === 0) {
    socket.cork()
    process.nextTick(() => socket.uncork())
  }
  for (const [index, part] of bytes.entries()) {
    if (index === last) socket.write(part, written)
    else socket.write(part)
  }
}

const ourFailure = { reason: abortReason.unspecified, source: abortSource.provider }

const waitsPerTurn = 64

/** Runs as far as it can at once; a promise for the rest when an event must be waited for. */
function handleAll(
  events: Iterator<PduEvent, void>,
  handle: LinkDeps['handle'],
): Promise<void> | undefined {
  const untilWait = (): Promise<void> | undefined => {
    for (let next = events.next(); !next.done; next = events.next()) {
      const wait = handle(next.value)
      if (wait !== undefined) return wait
    }
    return undefined
  }
  const first = untilWait()
  if (first === undefined) return undefined
  const rest = async () => {
    let waits = 0
    for (let wait: Promise<void> | undefined = first; wait !== undefined; wait = untilWait()) {
      await wait
      // Waits that are over at once let nobody else run: a flood of small requests must not hold the process.
      if (++waits % waitsPerTurn === 0) await setImmediate()
    }
  }
  return rest()
}

/** Reads on, so that our last words are not lost in a reset, and closes when the peer has not. */
function discard(socket: Socket, limits: LinkDeps['limits']): void {
  let discarded = 0
  socket.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > limits.closeBytesMax) socket.destroy()
  })
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), limits.closeTimeoutMs)
  socket.once('close', () => clearTimeout(timer))
}

async function drain(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
