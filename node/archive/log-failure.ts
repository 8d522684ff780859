import { ProtocolError } from '#protocol/errors.ts'
import type { Log } from '../log.ts'

/** The one state that a log does not leave: its disk failed. */
export type LogFailure = {
  readonly failed: Promise<ProtocolError>
  /** Throws when the log has failed. */
  check(): void
  /** The log is over. */
  fail(cause: unknown): ProtocolError
  /** The error of a write: a full disk passes, everything else is final. */
  ofWrite(cause: unknown): ProtocolError
}

/** After a failed sync nobody knows what is on the disk, and a second sync would lie. */
export function createLogFailure(log: Log): LogFailure {
  const { promise, resolve } = Promise.withResolvers<ProtocolError>()
  let first: ProtocolError | undefined

  function fail(cause: unknown): ProtocolError {
    if (first === undefined) {
      first = new ProtocolError('storage_failed', 'the disk of the archive failed', { cause })
      log.error({ err: cause }, 'the disk of the archive failed; nothing more is accepted')
      resolve(first)
    }
    return first
  }

  return {
    failed: promise,
    check() {
      if (first !== undefined) throw first
    },
    fail,
    ofWrite(cause) {
      if (cause instanceof ProtocolError) return cause
      return isFull(cause)
        ? new ProtocolError('storage_full', 'the disk of the archive is full', { cause })
        : fail(cause)
    },
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
