import type { Device, DeviceService } from '../config.ts'
import type { Answer, Command, SubRequest } from './command-set.ts'
import type { Accepted, Context } from './dcmjs-dimse.ts'
import type { DimseOrigin } from './services.ts'
import type { Data } from './speech.ts'

/**
 * One DIMSE service: the requests of some SOP classes. Only registered devices whose register entry names
 * `permission` reach it; for everybody else its presentation contexts are not accepted.
 */
export type Service = {
  permission: DeviceService
  abstractSyntaxes: ReadonlySet<string>
  /** Command Field values of the requests that it takes; see `commandField`. */
  fields: ReadonlySet<number>
  /**
   * Answers one request: any number of pending responses, then exactly one that is final. While it runs the peer's next
   * request waits, and so does a release. What it throws is answered with the status of its code, see `status.ts`.
   */
  perform(request: Request, exchange: Exchange): Promise<void>
}

export type Request = {
  command: Command
  contextId: number
  context: Context
  /** Who asks. */
  origin: DimseOrigin
  device: Device
  /** Fingerprint of the certificate that it showed over TLS. */
  certificate?: string
  /** The whole data set of the request, in the context's transfer syntax; at most `identifierBytes`. */
  identifier?: Buffer
}

/** The way back to the peer. */
export type Exchange = {
  /**
   * Sends a response and resolves when the socket takes more; throws `aborted` when the association is over. Who sends
   * many looks at `cancelled`, and lets others run now and then.
   */
  respond(answer: Answer): Promise<void>
  /** The same for pending responses that differ in nothing but their data set, such as matches of a query. */
  respondAll(status: number, dataSets: readonly Buffer[]): Promise<void>
  /**
   * Sends a request of ours on the same association (C-STORE of a C-GET, N-EVENT-REPORT) and gives the peer's response.
   * It may be used also after the final response, until `signal` aborts. A data set that fails on its way aborts the
   * association, for half of one cannot be taken back.
   */
  request(contextId: number, request: SubRequest, data?: Data): Promise<Reply>
  /** What was negotiated, by context id. */
  readonly contexts: Accepted
  /** Aborts when the association is over. */
  readonly signal: AbortSignal
  /** Aborts when the peer cancels this request (C-CANCEL), or the association is over. */
  readonly cancelled: AbortSignal
}

/** The peer's response to a request of ours. */
export type Reply = { command: Command; dataSet?: Buffer }
