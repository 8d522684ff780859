import type { Connection as Libp2pConnection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { CONTROL_PROTOCOL, FETCH_PROTOCOL, PROTOCOL_VERSION } from '../control.ts'
import type { Params, Result } from '../control.ts'
import { codeOf, ProtocolError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { FetchOpen } from '../fetch.ts'
import type { PeerIdString } from '../ids.ts'
import { streamLimits } from '../limits.ts'
import { checkVersion, createControl } from './control.ts'
import type { Control } from './control.ts'
import { dialControl } from './dial.ts'
import { serveFetchStream } from './holder-stream.ts'
import { createLibp2pNode } from './libp2p-node.ts'
import { createLinks } from './links.ts'
import type { Link, Links } from './links.ts'
import { createReaderStream } from './reader-stream.ts'
import type { Connection, Host, HostOptions, ReaderStream, TransportLimits } from './transport.ts'
import { pause } from './waits.ts'

type Context = {
  options: HostOptions
  limits: TransportLimits
  node: Libp2p
  links: Links
  /** Aborts when the host is disposed of. */
  shutdown: AbortSignal
}

/** This program's place in the federation's network: who may connect, what is answered, whom it dials. */
export async function createHost(options: HostOptions): Promise<Host> {
  const limits: TransportLimits = { ...streamLimits, ...options.limits }
  const shutdown = new AbortController()
  const node = await createLibp2pNode(options, limits)
  const links = createLinks((peer, code) => options.onDisconnect?.(peer, code))
  const context: Context = { options, limits, node, links, shutdown: shutdown.signal }
  const serving = await listen(context)
  const dials = new Map<PeerIdString, { api: Promise<Connection>; stop: AbortController }>()

  const dial = (peer: PeerIdString, addresses: readonly string[]): Promise<Connection> => {
    const known = dials.get(peer)
    if (known !== undefined) return known.api
    const stop = new AbortController()
    const api = connectTo(context, peer, { addresses, signal: stop.signal })
    const entry = { api: api.finally(() => dials.delete(peer)), stop }
    dials.set(peer, entry)
    return entry.api
  }
  const hangUp = async (peer: PeerIdString): Promise<void> => {
    dials.get(peer)?.stop.abort()
    for (const link of links.of(peer)) link.control.close('aborted')
    for (const connection of node.getConnections()) {
      if (connection.remotePeer.toString() === peer) connection.abort(new Error('hung up'))
    }
  }
  return {
    peerId: node.peerId.toString() as PeerIdString,
    addresses: () => node.getMultiaddrs().map(String),
    async connect(peer, addresses, signal) {
      const live = links.live(peer)
      if (live !== undefined) return live.api
      if (!options.isAllowed(peer)) throw new ProtocolError('peer_unknown', 'not an allowed peer')
      return await abortable(dial(peer, addresses), signal)
    },
    connection: (peer) => links.live(peer)?.api,
    peers: links.peers,
    hangUp,
    async [Symbol.asyncDispose]() {
      shutdown.abort()
      for (const { stop } of dials.values()) stop.abort()
      for (const connection of node.getConnections()) connection.abort(new Error('shutting down'))
      await Promise.race([serving.ended(), pause(limits.closeTimeoutMs)])
      await node.stop()
    },
  }
}

/** Incoming connections must greet in time; incoming fetch streams are counted per peer. */
async function listen(context: Context) {
  const { node, limits, links } = context
  node.addEventListener('connection:open', ({ detail: connection }) => {
    if (connection.direction !== 'inbound') return
    const late = setTimeout(() => {
      if (links.on(connection) === undefined) connection.abort(new Error('no hello came'))
    }, limits.helloTimeoutMs)
    connection.addEventListener('close', () => clearTimeout(late))
  })
  await node.handle(
    CONTROL_PROTOCOL,
    (stream, connection) => acceptControl(context, stream, connection),
    {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
    },
  )
  const serving = new Set<Promise<void>>()
  const ended = async (): Promise<void> => {
    await Promise.allSettled(serving)
  }
  const { onFetch } = context.options
  if (onFetch === undefined) return { ended }
  const streams = new Map<PeerIdString, number>()
  const serve = async (stream: Stream, connection: Libp2pConnection): Promise<void> => {
    const peer = connection.remotePeer.toString() as PeerIdString
    const count = (streams.get(peer) ?? 0) + 1
    streams.set(peer, count)
    try {
      if (!(await hasGreeted(context, connection))) return stream.abort(new Error('no hello yet'))
      const refuse = async (): Promise<void> => {
        throw new ProtocolError('rate_limited', 'too many bulk streams')
      }
      const isOver = count > limits.inboundStreamsPerPeer
      await serveFetchStream({ stream, peer, limits, onFetch: isOver ? refuse : onFetch })
    } finally {
      const left = (streams.get(peer) ?? 1) - 1
      if (left === 0) streams.delete(peer)
      else streams.set(peer, left)
    }
  }
  await node.handle(
    FETCH_PROTOCOL,
    (stream, connection) => {
      const one = serve(stream, connection)
        .catch((error: Error) => stream.abort(error))
        .finally(() => serving.delete(one))
      serving.add(one)
    },
    // A few more than are served, so that one too many is told why.
    {
      maxInboundStreams: 2 * limits.inboundStreamsPerPeer,
      maxOutboundStreams: limits.inboundStreamsPerPeer,
    },
  )
  return { ended }
}

function acceptControl(context: Context, stream: Stream, connection: Libp2pConnection): void {
  const { options, limits, links } = context
  const peer = connection.remotePeer.toString() as PeerIdString
  // The dialler opens it: a second one, or one from the side that was dialled, is a fault.
  if (connection.direction !== 'inbound') return stream.abort(new Error('not yours to open'))
  const control = createControl({
    peer,
    stream,
    role: 'listener',
    handlers: options.handlers,
    onEvent: options.onEvent,
    limits,
    onHello: (hello) => {
      links.add(linkOf(context, { connection, control }))
      options.onConnect?.(peer, { direction: 'inbound', ...hello })
    },
  })
  endWith(context, connection, control)
}

async function connectTo(
  context: Context,
  peer: PeerIdString,
  { addresses, signal }: { addresses: readonly string[]; signal: AbortSignal },
): Promise<Connection> {
  const { options, limits } = context
  const within = AbortSignal.any([
    signal,
    context.shutdown,
    AbortSignal.timeout(limits.dialTimeoutMs),
  ])
  const { connection, stream } = await dialControl(context.node, peer, {
    addresses,
    signal: within,
  })
  const { handlers, onEvent } = options
  const control = createControl({ peer, stream, role: 'dialler', handlers, onEvent, limits })
  endWith(context, connection, control)
  try {
    const hello = await greet(context, control, { peer, signal })
    const link = linkOf(context, { connection, control })
    if (!control.open()) throw new ProtocolError('holder_unreachable', 'the connection ended')
    context.links.add(link)
    options.onConnect?.(peer, { direction: 'outbound', ...hello })
    return link.api
  } catch (error) {
    control.close(codeOf(error))
    throw error
  }
}

/** Says hello; what the peer refuses it with is thrown, a link that broke meanwhile is `holder_unreachable`. */
async function greet(
  { options, limits, node }: Context,
  control: Control,
  { peer, signal }: { peer: PeerIdString; signal: AbortSignal },
): Promise<Result<'hello'>> {
  const hello: Params<'hello'> = (await options.hello?.(peer)) ?? {
    version: PROTOCOL_VERSION,
    addresses: node.getMultiaddrs().map(String),
  }
  let answer: Result<'hello'>
  try {
    answer = await control.request('hello', hello, { timeoutMs: limits.helloTimeoutMs, signal })
  } catch (error) {
    const broken: ErrorCode[] = ['stream_closed', 'timeout', 'aborted']
    if (!broken.includes(codeOf(error))) throw error
    throw new ProtocolError('holder_unreachable', 'no answer to hello', { cause: error })
  }
  checkVersion(answer)
  await options.acceptHello?.(peer, answer)
  return answer
}

/** A connection lives exactly as long as its control stream. */
function endWith(context: Context, connection: Libp2pConnection, control: Control): void {
  const onClose = (): void => control.close('stream_closed')
  connection.addEventListener('close', onClose)
  if (connection.status !== 'open') onClose()
  void control.closed.then(async () => {
    // A refusal is written to the end before the connection goes; a connection that was cut is gone already.
    await Promise.race([control.flushed, pause(context.limits.closeTimeoutMs)])
    await connection.close().catch(() => undefined)
    connection.abort(new Error('closed'))
  })
}

function linkOf(
  { limits }: Context,
  { connection, control }: { connection: Libp2pConnection; control: Control },
): Link {
  const peer = connection.remotePeer.toString() as PeerIdString
  const openFetch = async (
    open: FetchOpen,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ReaderStream> => {
    const timeout = AbortSignal.timeout(limits.requestTimeoutMs)
    const stream = await connection
      .newStream(FETCH_PROTOCOL, {
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        maxOutboundStreams: limits.inboundStreamsPerPeer,
      })
      .catch((cause: unknown) => {
        throw streamError(cause, signal)
      })
    return createReaderStream({ stream, open, limits, ...(signal && { signal }) })
  }
  const api: Connection = { peer, request: control.request, send: control.send, openFetch }
  return { peer, direction: connection.direction, connection, control, api }
}

function streamError(cause: unknown, signal: AbortSignal | undefined): ProtocolError {
  const name = cause instanceof Error ? cause.name : ''
  const code: ErrorCode =
    signal?.aborted === true
      ? 'aborted'
      : name === 'UnsupportedProtocolError'
        ? 'unsupported'
        : name === 'TooManyOutboundProtocolStreamsError'
          ? 'rate_limited'
          : 'stream_closed'
  return new ProtocolError(code, 'could not open a bulk stream', { cause })
}

/** A peer may open a bulk stream a moment before our side of the greeting is done. */
async function hasGreeted(
  { links, limits }: Context,
  connection: Libp2pConnection,
): Promise<boolean> {
  const steps = 200
  for (let step = 0; step < steps && connection.status === 'open'; step++) {
    if (links.on(connection) !== undefined) return true
    await pause(limits.helloTimeoutMs / steps)
  }
  return links.on(connection) !== undefined
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(new ProtocolError('aborted', 'the dial was given up'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
