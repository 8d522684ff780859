import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { z } from 'zod'
import { events, methods, PROTOCOL_VERSION } from '../control.ts'
import type { ControlFrame, EventName, EventParams, Method, Params } from '../control.ts'
import { codeOf, ProtocolError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { PeerIdString } from '../ids.ts'
import { createCalls } from './calls.ts'
import type { Calls } from './calls.ts'
import { decodeControl, encodeControl } from './framing.ts'
import { createOutbox } from './outbox.ts'
import { readFrom, writeTo } from './streams.ts'
import type { Handlers, HostOptions, TransportLimits } from './transport.ts'
import { endOf } from './waits.ts'

export type ControlDeps = {
  peer: PeerIdString
  stream: Stream
  role: 'dialler' | 'listener'
  handlers: Handlers
  onEvent?: HostOptions['onEvent']
  /** The listener's hello has been answered. */
  onHello?: (hello: Params<'hello'>) => void
  limits: TransportLimits
}

/**
 * One end of `/cami/control/1`: requests both ways by id, events, heartbeat. Nothing but `hello` is heard before
 * both sides have accepted each other.
 */
export type Control = Pick<Calls, 'request'> & {
  send: <E extends EventName>(event: E, params: EventParams<E>) => void
  /**
   * Hears requests and events from now on; the dialler calls it after it accepted the answer to its hello. False
   * when the stream has ended meanwhile.
   */
  open: () => boolean
  close: (code: ErrorCode) => void
  /** Resolves with the reason, once. */
  readonly closed: Promise<ErrorCode>
  /** Everything written before the close has been handed to the connection; a refused peer had time to read why. */
  readonly flushed: Promise<void>
}

export function createControl(deps: ControlDeps): Control {
  const { stream, limits } = deps
  const outbox = createOutbox(limits.controlQueueBytes)
  const ended = new AbortController()
  const opened = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<ErrorCode>()
  let state: 'greeting' | 'open' | 'closed' = 'greeting'
  let refused = false

  const write = (frame: ControlFrame): void => {
    const bytes = encodeControl(frame)
    if (state === 'closed' || outbox.post(bytes)) return
    // A peer that does not read is cut off rather than buffered for without end.
    close('unavailable')
  }
  const calls = createCalls(limits, write)
  const close = (code: ErrorCode): void => {
    if (state === 'closed') return
    state = 'closed'
    pulse.stop()
    outbox.end()
    calls.fail(code)
    ended.abort(new ProtocolError('stream_closed', 'the connection ended'))
    opened.resolve()
    closed.resolve(code)
  }
  const pulse = createPulse(limits, {
    ping: async () => (state === 'open' ? await calls.request('ping', {}) : undefined),
    onSilence: () => close('timeout'),
  })
  const dispatch = createDispatcher({ ...deps, write, ended: ended.signal })
  const open = (): boolean => {
    if (state !== 'greeting') return false
    state = 'open'
    opened.resolve()
    return true
  }
  const hear = async (frame: ControlFrame): Promise<void> => {
    if (state === 'closed') throw new ProtocolError('stream_closed', 'the connection ended')
    pulse.heard()
    if ('result' in frame || 'error' in frame) return calls.settle(frame)
    if (state === 'greeting' && deps.role === 'listener') {
      const hello = await dispatch.greet(frame).catch(async (error: unknown) => {
        refused = true
        close(codeOf(error))
        // Giving up the reading end resets the stream, and a reset overtakes what was written before it.
        await flushed
        throw error
      })
      if (open()) deps.onHello?.(hello)
      return
    }
    if (state === 'greeting') await opened.promise
    if (state === 'open') dispatch.hear(frame)
  }
  void readFrames(stream, hear).then(close)
  const flushed = pipe(outbox, writeTo(stream))
    .then(() => (refused ? endOf(stream, limits.closeTimeoutMs) : undefined))
    .catch(() => close('stream_closed'))

  return {
    request: calls.request,
    send: (event, params) => write({ event, params }),
    open,
    close,
    closed: closed.promise,
    flushed,
  }
}

/** Hears frame after frame, in order; resolves with the reason why there are no more. */
async function readFrames(
  stream: Stream,
  hear: (frame: ControlFrame) => Promise<void>,
): Promise<ErrorCode> {
  try {
    for await (const frame of pipe(readFrom(stream), decodeControl)) await hear(frame)
    return 'stream_closed'
  } catch (error) {
    return error instanceof ProtocolError ? error.code : 'stream_closed'
  }
}

/** Pings while the connection lives, and says when nothing at all has been heard for too long. */
function createPulse(
  limits: TransportLimits,
  { ping, onSilence }: { ping: () => Promise<unknown>; onSilence: () => void },
) {
  // Only what is heard counts, so a refused or late ping needs no handling of its own.
  const beat = setInterval(() => void ping().catch(() => undefined), limits.pingIntervalMs)
  const silence = setTimeout(onSilence, limits.pingTimeoutMs)
  return {
    heard: (): void => {
      silence.refresh()
    },
    stop: (): void => {
      clearInterval(beat)
      clearTimeout(silence)
    },
  }
}

function hearEvent(deps: ControlDeps, frame: EventFrame): void {
  // An event that this version does not know is a newer peer's, not a fault.
  if (!Object.hasOwn(events, frame.event)) return
  const name = frame.event as EventName
  const params = events[name].safeParse(frame.params)
  if (!params.success) throw new ProtocolError('frame_malformed', `event ${name} is not as agreed`)
  deps.onEvent?.(deps.peer, name, params.data)
}

type DispatchDeps = ControlDeps & { write: (frame: ControlFrame) => void; ended: AbortSignal }
type EventFrame = Extract<ControlFrame, { event: string }>
type RequestFrame = Extract<ControlFrame, { method: string }>
type Handler = (
  params: unknown,
  context: { peer: PeerIdString; signal: AbortSignal },
) => Promise<unknown>

/** Answers the peer's requests: bounded in number, each with a deadline; failures cross as a code, never as text. */
function createDispatcher(deps: DispatchDeps) {
  const { limits, write } = deps
  let running = 0

  const run = async (method: string, params: unknown): Promise<unknown> => {
    if (method === 'ping') return {}
    const known = Object.hasOwn(methods, method) ? (method as Method) : undefined
    const handler = known && (deps.handlers[known] as Handler | undefined)
    if (known === undefined || handler === undefined) {
      throw new ProtocolError('unsupported', 'no such request here')
    }
    const parsed = methods[known].params.safeParse(params)
    if (!parsed.success) throw new ProtocolError('bad_request', `${known}: wrong parameters`)
    return await withDeadline(deps, (signal) => handler(parsed.data, { peer: deps.peer, signal }))
  }
  const fail = (id: number, error: unknown): void => write({ id, error: { code: codeOf(error) } })

  return {
    /** The first frame must be `hello`; throws (after answering) whatever refuses it. */
    async greet(frame: ControlFrame): Promise<Params<'hello'>> {
      if (!('method' in frame) || frame.method !== 'hello') {
        if ('id' in frame) write({ id: frame.id, error: { code: 'unauthenticated' } })
        throw new ProtocolError('unauthenticated', 'the first message is not hello')
      }
      try {
        checkVersion(frame.params)
        const result = await run('hello', frame.params)
        write({ id: frame.id, result })
        return frame.params as Params<'hello'>
      } catch (error) {
        fail(frame.id, error)
        throw new ProtocolError(codeOf(error), 'hello was refused', { cause: error })
      }
    },
    hear(frame: RequestFrame | EventFrame): void {
      if ('event' in frame) return hearEvent(deps, frame)
      if (frame.method === 'hello') {
        return fail(frame.id, new ProtocolError('conflict', 'hello comes once'))
      }
      if (running >= limits.pendingRequestsMax) {
        return fail(frame.id, new ProtocolError('rate_limited', 'too many requests at once'))
      }
      running += 1
      run(frame.method, frame.params)
        .then((result) => write({ id: frame.id, result }))
        .catch((error: unknown) => fail(frame.id, error))
        .finally(() => {
          running -= 1
        })
    },
  }
}

/** An unknown version is refused by its number, before the rest of the message is judged by our schema. */
export function checkVersion(hello: unknown): void {
  const said = z.looseObject({ version: z.int() }).safeParse(hello)
  if (said.success && said.data.version !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      'version_unsupported',
      `version ${said.data.version} is not spoken here`,
    )
  }
}

async function withDeadline<T>(
  deps: DispatchDeps,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const late = Promise.withResolvers<never>()
  const stop = (code: ErrorCode): void => {
    const reason = new ProtocolError(code, 'the request was given up')
    controller.abort(reason)
    late.reject(reason)
  }
  const onEnded = (): void => stop('stream_closed')
  const deadline = setTimeout(() => stop('timeout'), deps.limits.requestTimeoutMs)
  deps.ended.addEventListener('abort', onEnded, { once: true })
  try {
    return await Promise.race([work(controller.signal), late.promise])
  } finally {
    clearTimeout(deadline)
    deps.ended.removeEventListener('abort', onEnded)
  }
}
