import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { Archive, Declared, IngestSink, Origin, Stored } from '../archive/archive.ts'
import { silentLog } from '../log.ts'
import { createScp, type Scp, type ScpDeps } from './scp.ts'

export type Kept = { declared: Declared; origin: Origin; dataSet: Buffer }

export type IngestBehaviour = {
  /** Called for every piece; false asks the sender to stop. */
  onWrite?: (bytes: number) => boolean
  drain?: () => Promise<void>
  finish?: (kept: Kept) => Promise<Partial<Stored>>
  ingest?: () => Promise<void>
  /** False: data sets are only counted. */
  keep?: boolean
}

/** Reception without the archive: keeps bytes in memory, and can be made slow, full or broken. */
export function createMemoryIngest(behaviour: IngestBehaviour = {}) {
  const kept: Kept[] = []
  let aborted = 0
  let finished = 0
  const archive: Pick<Archive, 'ingest'> = {
    async ingest(declared, origin): Promise<IngestSink> {
      await behaviour.ingest?.()
      const parts: Buffer[] = []
      return {
        write(chunk) {
          parts.push(Buffer.from(chunk))
          return behaviour.onWrite?.(chunk.length) ?? true
        },
        drain: async () => behaviour.drain?.(),
        async finish() {
          const entry = { declared, origin, dataSet: Buffer.concat(parts) }
          const stored = await behaviour.finish?.(entry)
          finished++
          if (behaviour.keep !== false) kept.push(entry)
          return {
            outcome: 'stored',
            study: '1' as StudyUid,
            series: '1' as SeriesUid,
            sop: declared.sopUid as SopUid,
            bytes: entry.dataSet.length,
            sha256: sha256(entry.dataSet),
            ...stored,
          }
        },
        async abort() {
          aborted++
        },
      }
    },
  }
  return { archive, kept, aborted: () => aborted, finished: () => finished }
}

export const sha256 = (bytes: Uint8Array): Sha256 =>
  createHash('sha256').update(bytes).digest('hex') as Sha256

/** A provider on a free port of loopback, with one registered device and an audit trail to look at. */
export async function startScp(
  deps: Partial<ScpDeps> & Pick<ScpDeps, 'archive'>,
): Promise<Scp & { audited: AuditEntry[] }> {
  const audited: AuditEntry[] = []
  const scp = await createScp({
    host: '127.0.0.1',
    port: 0,
    aeTitle: 'CAMI',
    organization: '1.2.643.5.1.13.13.12.2.77.1',
    devices: [
      {
        id: 'ct-1',
        aeTitle: 'STORESCU',
        addresses: ['127.0.0.0/8'],
        modality: 'CT',
        startDate: '2020-01-01',
      },
    ],
    quarantineSubnets: [],
    audit: async (entry) => void audited.push(entry),
    log: silentLog,
    clock: Date.now,
    ...deps,
  })
  return Object.assign(scp, { audited })
}

const run = promisify(execFile)

/** Runs a dcmtk program without Nagle's algorithm; its exit code and everything it said. */
export async function dcmtk(
  program: 'echoscu' | 'storescu',
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await run(program, args, {
      env: { ...process.env, TCP_NODELAY: '1' },
      maxBuffer: 64 * 1024 * 1024,
    })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (typeof code !== 'number') throw error
    return { code, output: `${stdout ?? ''}${stderr ?? ''}` }
  }
}

export async function hasDcmtk(): Promise<boolean> {
  return run('echoscu', ['--version']).then(
    () => true,
    () => false,
  )
}

/** A raw connection: what comes back, and when it is over. */
export async function connectRaw(port: number, localAddress?: string): Promise<Raw> {
  const socket = connect({
    port,
    noDelay: true,
    host: '127.0.0.1',
    ...(localAddress === undefined ? {} : { localAddress }),
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('error', reject)
  })
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return { socket, received: () => Buffer.concat(received), closed }
}

export type Raw = { socket: Socket; received(): Buffer; closed: Promise<void> }
