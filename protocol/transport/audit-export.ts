import { once } from 'node:events'
import { open, readFile, rename } from 'node:fs/promises'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import {
  auditXml,
  syslogFrame,
  type AuditExportConfig,
  type AuditExportStatus,
  type AuditMessage,
} from '../audit-message.ts'
import { codeOf, ProtocolError } from '../errors.ts'
import { auditExportLimits } from '../limits.ts'

/** The audit as the exporter reads it. The audit itself is the queue: it is on the disk, in order, and never shortened. */
export type AuditSource = {
  newest(): number
  /** Records after a number, oldest first. */
  read(after: number, limit: number): Promise<{ seq: number; message: AuditMessage }[]>
}

/**
 * Sends every record of an audit to a syslog receiver over TLS (RFC 5424, 5425), at least once and in order. Syslog has
 * no acknowledgement, so a record counts as arrived when so much was written after it that it cannot be in our buffers
 * any more, or the connection has lived so long that TCP would have found out, or the receiver has closed it in order.
 * What was not, is sent again on the next connection: a receiver knows a record by its number.
 */
export type AuditExport = AsyncDisposable & { status(): AuditExportStatus }

type Limits = { readonly [K in keyof typeof auditExportLimits]: number }
type Options = {
  config: AuditExportConfig
  program: string
  source: AuditSource
  /** Keeps the number of the last record that has arrived. */
  positionFile: string
  log: { info(about: object, text: string): void; warn(about: object, text: string): void }
  limits?: Partial<Limits>
}

export async function openAuditExport(options: Options): Promise<AuditExport> {
  const { source, log } = options
  const limits: Limits = { ...auditExportLimits, ...options.limits }
  const tls = await readTls(options.config)
  const position = await openPosition(options.positionFile)
  if (position.seq() > source.newest()) {
    // An older copy of the audit was restored; its next records are new ones under old numbers.
    log.warn({ position: position.seq() }, 'the audit is shorter than what was exported of it')
    await position.put(source.newest())
  }
  const state: State = { isConnected: false, sent: position.seq(), failures: 0 }
  const stop = new AbortController()
  const work = { ...options, limits, tls, position, state, stop: stop.signal }
  const running = run(work)
  return {
    status: () => ({
      ...state,
      confirmed: position.seq(),
      waiting: Math.max(0, source.newest() - state.sent),
    }),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

type State = { isConnected: boolean; sent: number; failures: number }
type Work = Options & {
  limits: Limits
  tls: ConnectionOptions
  position: Position
  state: State
  stop: AbortSignal
}

async function run(work: Work): Promise<void> {
  const { state, position, limits, stop, log } = work
  let wait = limits.retryMs
  while (!stop.aborted) {
    try {
      await connectAndSend(work, () => {
        wait = limits.retryMs
      })
    } catch (error) {
      state.failures += 1
      const code = error instanceof Error && 'code' in error ? String(error.code) : codeOf(error)
      log.warn({ code, waitMs: wait }, 'the audit is not exported now')
    }
    state.isConnected = false
    state.sent = position.seq()
    await delay(wait, undefined, { signal: stop, ref: false }).catch(() => undefined)
    wait = Math.min(2 * wait, limits.retryMsMax)
  }
}

/** One connection, until it breaks or the exporter is stopped. */
async function connectAndSend(work: Work, onSent: () => void): Promise<void> {
  const { state, position, limits, stop, log, source } = work
  const socket = await openSocket(work)
  const life = lifeOf(socket)
  try {
    state.isConnected = true
    log.info({ after: position.seq() }, 'the audit is exported')
    const arrived = createArrived(limits)
    let isClosing = false
    while (!isClosing) {
      const isBehind = source.newest() > state.sent
      const records = isBehind ? await source.read(state.sent, limits.batchRecords) : []
      for (const { seq, message } of records) {
        const bytes = frameOf(work, seq, message)
        await life.within(write(socket, bytes), limits.writeTimeoutMs)
        state.sent = seq
        arrived.wrote(seq, bytes.byteLength)
        onSent()
        if (stop.aborted) break
      }
      await position.put(arrived.until() ?? position.seq())
      isClosing = stop.aborted
      if (records.length < limits.batchRecords && !isClosing) {
        const pause = delay(limits.pollMs, undefined, { signal: stop, ref: false })
        await life.within(
          pause.catch(() => undefined),
          limits.writeTimeoutMs,
        )
        isClosing = stop.aborted
      }
    }
    // An orderly end: the receiver has read up to our last byte before it closes too.
    socket.end()
    if (await life.endsWithin(limits.closeTimeoutMs)) await position.put(state.sent)
  } finally {
    socket.destroy()
  }
}

const frameOf = ({ program }: Work, seq: number, message: AuditMessage): Uint8Array =>
  syslogFrame({
    at: message.at,
    isAlert: message.outcome !== 'success',
    host: os.hostname(),
    program,
    seq,
    xml: auditXml(message),
  })

async function openSocket({ tls, limits, stop }: Work): Promise<TLSSocket> {
  const socket = connect(tls)
  // What the receiver says is not part of the protocol; reading it lets its end be seen.
  socket.resume()
  socket.setKeepAlive(true, limits.keepAliveMs)
  const signal = AbortSignal.any([stop, AbortSignal.timeout(limits.connectTimeoutMs)])
  try {
    await once(socket, 'secureConnect', { signal })
    return socket
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    throw error
  }
}

/** The end of a connection, seen wherever one waits for something else. */
function lifeOf(socket: TLSSocket) {
  const closed = Promise.withResolvers<boolean>()
  const waiting = new Set<(error: Error) => void>()
  let failure: Error | undefined
  let end: Error | undefined
  const finish = (error: Error): void => {
    end ??= error
    for (const reject of waiting) reject(end)
  }
  socket.once('error', (error) => {
    failure = error
  })
  // The receiver's own end is as good as a break: it reads no more.
  socket.once('end', () => finish(new ProtocolError('stream_closed', 'the receiver ended')))
  socket.once('close', () => {
    finish(failure ?? new ProtocolError('stream_closed', 'the connection ended'))
    closed.resolve(failure === undefined)
  })
  return {
    /** Waits for work no longer than the connection lives, and than this. */
    async within(work: Promise<unknown>, ms: number): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const late = () => reject(new ProtocolError('timeout', 'the receiver does not read'))
      const timer = setTimeout(late, ms)
      if (end === undefined) waiting.add(reject)
      else reject(end)
      work.then(resolve, reject)
      try {
        await promise
      } finally {
        clearTimeout(timer)
        waiting.delete(reject)
      }
    },
    endsWithin: async (ms: number): Promise<boolean> =>
      await Promise.race([closed.promise, delay(ms, false, { ref: false })]),
  }
}

const write = (socket: TLSSocket, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()))
  })

/** Which records cannot be in a buffer on this side any more. */
function createArrived({ settleBytes, settleMs }: Limits) {
  const unsettled: { seq: number; end: number; at: number }[] = []
  let written = 0
  let until: number | undefined
  return {
    wrote(seq: number, bytes: number): void {
      written += bytes
      unsettled.push({ seq, end: written, at: performance.now() })
    },
    until(): number | undefined {
      const now = performance.now()
      let settled = 0
      for (const { seq, end, at } of unsettled) {
        if (written - end < settleBytes && now - at < settleMs) break
        until = seq
        settled += 1
      }
      unsettled.splice(0, settled)
      return until
    },
  }
}

type Position = { seq(): number; put(seq: number): Promise<void> }

async function openPosition(file: string): Promise<Position> {
  let seq = await readPosition(file)
  return {
    seq: () => seq,
    async put(next) {
      if (next === seq) return
      const handle = await open(`${file}.new`, 'w', 0o600)
      try {
        await handle.writeFile(`${next}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(`${file}.new`, file)
      seq = next
    },
  }
}

/** A file that cannot be understood sends everything again rather than leave something out. */
async function readPosition(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return /^\d{1,15}\n$/.test(text) ? Number(text) : 0
}

async function readTls(config: AuditExportConfig): Promise<ConnectionOptions> {
  const { host, port, authorityFile, certificateFile, keyFile, serverName } = config
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    const advice = 'auditExport: certificateFile and keyFile belong together; give both or none'
    throw new ProtocolError('configuration_invalid', advice)
  }
  return {
    host,
    port,
    servername: serverName ?? host,
    minVersion: 'TLSv1.2',
    ca: await readPem(authorityFile),
    ...(certificateFile !== undefined && { cert: await readPem(certificateFile) }),
    ...(keyFile !== undefined && { key: await readPem(keyFile) }),
  }
}

async function readPem(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: unknown) => {
    const advice = `cannot read ${file}: check the path and its permissions`
    throw new ProtocolError('configuration_invalid', advice, { cause })
  })
}
