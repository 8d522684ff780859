import type { FetchError, FetchOpen, FetchWant } from '../fetch.ts'
import type { EventName, EventParams, Method, Params, Result } from '../control.ts'
import type { ErrorCode } from '../errors.ts'
import type { PeerIdString, PrivateJwk } from '../ids.ts'
import type { streamLimits } from '../limits.ts'

/**
 * What the rest of the product sees of the network. Everything libp2p stays behind these types; identity is the
 * peer id that Noise proved, never a claim in a message.
 */

export type HostOptions = {
  key: PrivateJwk
  /** Multiaddrs such as `/ip4/127.0.0.1/tcp/8412`. */
  listen: readonly string[]
  /** Asked before a connection is accepted and before one is dialled. */
  isAllowed: (peer: PeerIdString) => boolean
  /** Requests that peers make of us; a missing handler answers `unsupported`. */
  handlers: Handlers
  /** Fetch streams that peers open; absent where nothing is held (the registry). */
  onFetch?: (stream: HolderStream) => Promise<void>
  onEvent?: <E extends EventName>(peer: PeerIdString, event: E, params: EventParams<E>) => void
  /** After the last connection of a peer has ended; `code` says why. */
  onDisconnect?: (peer: PeerIdString, code: ErrorCode) => void
  /** What we say first to a peer that we dialled; by default version and addresses, without a credential. */
  hello?: (peer: PeerIdString) => Params<'hello'> | Promise<Params<'hello'>>
  /** Judges the answer of a peer that we dialled; throws to refuse it. Incoming ones: `handlers.hello`. */
  acceptHello?: (peer: PeerIdString, hello: Result<'hello'>) => void | Promise<void>
  /** A connection is past its hello, whoever dialled; `host.connection(peer)` is live now. */
  onConnect?: (peer: PeerIdString, hello: PeerHello) => void
  /** Shorter deadlines for tests and simulations. */
  limits?: Partial<TransportLimits>
  clock: () => number
}

export type TransportLimits = { readonly [K in keyof typeof streamLimits]: number }

export type PeerHello =
  | ({ direction: 'inbound' } & Params<'hello'>)
  | ({ direction: 'outbound' } & Result<'hello'>)

export type RequestContext = { peer: PeerIdString; signal: AbortSignal }
export type Handlers = {
  [M in Method]?: (params: Params<M>, context: RequestContext) => Promise<Result<M>>
}

export type Host = AsyncDisposable & {
  readonly peerId: PeerIdString
  /** Addresses others can dial, with `/p2p/<id>`. */
  addresses(): string[]
  /** Dials when not connected, exchanges `hello`; throws `holder_unreachable` or the peer's own code. */
  connect(
    peer: PeerIdString,
    addresses: readonly string[],
    signal?: AbortSignal,
  ): Promise<Connection>
  /** The live connection, if there is one past its hello. */
  connection(peer: PeerIdString): Connection | undefined
  /** Peers with a live connection. */
  peers(): PeerIdString[]
  /** Ends every connection of a peer at once. */
  hangUp(peer: PeerIdString): Promise<void>
}

export type Connection = {
  readonly peer: PeerIdString
  request<M extends Method>(
    method: M,
    params: Params<M>,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Result<M>>
  /** Fire and forget, in order; a slow reader's connection is closed rather than buffered without end. */
  send<E extends EventName>(event: E, params: EventParams<E>): void
  openFetch(open: FetchOpen, options?: { signal?: AbortSignal }): Promise<ReaderStream>
}

/** Reader's end of `/cami/fetch/1`. Bytes arrive only as credit is granted. */
export type ReaderStream = AsyncDisposable & {
  want(want: FetchWant): void
  cancel(want: number): void
  credit(bytes: number): void
  /** Ends cleanly only after `close()`; a cut link throws `stream_closed`, a refusal its code. */
  frames(): AsyncIterable<ReaderFrame>
  close(): Promise<void>
}
export type ReaderFrame =
  | { type: 'data'; want: number; offset: number; bytes: Uint8Array }
  | { type: 'done'; want: number }
  | { type: 'error'; error: FetchError }

/** Holder's end. `data` waits for credit and for the socket to drain. */
export type HolderStream = {
  readonly peer: PeerIdString
  readonly open: FetchOpen
  readonly signal: AbortSignal
  requests(): AsyncIterable<HolderRequest>
  data(want: number, offset: number, bytes: Uint8Array): Promise<void>
  done(want: number): Promise<void>
  error(error: FetchError): Promise<void>
}
export type HolderRequest = { type: 'want'; want: FetchWant } | { type: 'cancel'; want: number }
