import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Archive, Declared, IngestSink, Origin, Stored } from '../archive/archive.ts'
import { abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { outcomeOfError, outcomeOfStored, type Outcome } from './status.ts'

/** The data set of one message on its way in. Each message has its own: nothing is shared between pipelined ones. */
export type Reception = {
  /** Takes the next piece; nothing more may be read until the promise, if there is one, resolves. */
  take(data: Buffer): Promise<void> | undefined
  /** After the last piece: what to answer, unless it was answered already. */
  finish(): Promise<Outcome | undefined>
  /** The association ended before the data set did. */
  abort(): Promise<void>
}

/** Reads a data set only to refuse it; there is no other way to refuse in DIMSE but to abort. */
export function discardData(outcome: Outcome, bytesMax: number): Reception {
  const count = createCounter(bytesMax)
  return {
    take(data) {
      count(data.length)
      return undefined
    },
    finish: async () => outcome,
    abort: async () => undefined,
  }
}

/** Keeps a data set whole and hands it on. */
export function collectData(
  bytesMax: number,
  use: (dataSet: Buffer) => Promise<Outcome | undefined>,
): Reception {
  const count = createCounter(bytesMax)
  let parts: Buffer[] = []
  return {
    take(data) {
      count(data.length)
      // A copy: the piece of input around it must not live as long as a slow data set.
      parts.push(Buffer.from(data))
      return undefined
    },
    async finish() {
      const dataSet = joined(parts)
      parts = []
      return use(dataSet)
    },
    abort: async () => undefined,
  }
}

/** Streams a data set into the archive as it came. A failure is kept until the sender can be told. */
export async function receiveStore(deps: {
  archive: Pick<Archive, 'ingest'>
  declared: Declared
  origin: Origin
  onStored: (stored: Stored) => void
  /** Every wait for the archive goes through here: it has an end, and does not count against the sender. */
  during: <T>(work: Promise<T>) => Promise<T>
}): Promise<Reception> {
  const { archive, declared, origin, onStored, during } = deps
  const count = createCounter(instanceLimits.instanceBytes)
  const opening = archive.ingest(declared, origin)
  let sink: IngestSink
  try {
    sink = await during(opening)
  } catch (error) {
    opening.then(async (late) => late.abort()).catch(() => undefined)
    return discardData(outcomeOfError(error), instanceLimits.instanceBytes)
  }
  let failure: unknown
  const fail = async (error: unknown) => {
    failure = error ?? new ProtocolError('internal', 'the archive failed')
    await during(sink.abort())
  }
  return {
    take(data) {
      count(data.length)
      if (data.length === 0 || failure !== undefined) return undefined
      try {
        return sink.write(data) ? undefined : during(sink.drain()).catch(fail)
      } catch (error) {
        return fail(error)
      }
    },
    async finish() {
      if (failure !== undefined) return outcomeOfError(failure)
      try {
        const stored = await during(sink.finish())
        onStored(stored)
        return outcomeOfStored(stored)
      } catch (error) {
        return outcomeOfError(error)
      }
    },
    async abort() {
      if (failure === undefined) await during(sink.abort())
    },
  }
}

/** Most come in one part. */
export function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts
  return first !== undefined && parts.length === 1 ? first : Buffer.concat(parts)
}

function createCounter(bytesMax: number): (bytes: number) => void {
  let total = 0
  return (bytes) => {
    total += bytes
    if (total > bytesMax) {
      throw new PduError(abortReason.unspecified, 'data set too long', abortSource.user)
    }
  }
}
