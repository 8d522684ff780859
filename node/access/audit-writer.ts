import { mkdir, open, readdir, stat, truncate, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { AuditEntry, AuditEvent } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { auditLimits } from '#protocol/limits.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { openHeadFile, type HeadFile } from './audit-head.ts'
import {
  chainStart,
  decodeLine,
  encodeLine,
  linesOf,
  segmentName,
  segmentNumber,
  type ChainHead,
} from './audit-segment.ts'

/** What was found wrong when the log was opened. */
export type Damage =
  /** The end of the last batch before a power cut; nobody was told that it was written. */
  | { kind: 'torn-tail'; bytes: number }
  /** Records that had been written are gone or altered, from this one on. */
  | { kind: 'tampered'; at: number }

export type AuditWriter = AsyncDisposable & {
  append(entry: AuditEntry): Promise<AuditEvent>
  durable(): Durable
  /** The newest record that anybody was told is on the disk. */
  promised(): ChainHead
  readonly damage: Damage | undefined
}

/** Up to where the log is on the disk. */
export type Durable = { segment: number; bytes: number; seq: number }

type Waiting = {
  entry: AuditEntry
  resolve: (event: AuditEvent) => void
  reject: (error: ProtocolError) => void
}
type Options = { clock: () => number; segmentBytes: number }

export async function openAuditWriter(dir: string, options: Options): Promise<AuditWriter> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await using opened = new AsyncDisposableStack()
  const head = opened.use(await openHeadFile(path.join(dir, 'head'), options.clock))
  const start = await findEnd(dir, head.found)
  const tail = await openTail(dir, start)
  opened.defer(() => tail.handle().close())
  // A chain that is whole is promised from now on, even when the file that promised it was lost.
  await head.write(tail.head())
  const queue = createQueue({ dir, head, tail, ...options })
  opened.defer(() => queue.idle())
  const owned = opened.move()
  return {
    append: (entry) => queue.append(entry),
    durable: () => tail.durable(),
    promised: () => tail.head(),
    damage: start.damage,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Where the next line goes, and what was found on the way there. */
type End = ChainHead & {
  segment: number
  /** Bytes of the segment that are kept; undefined: the segment is new. */
  bytes: number | undefined
  promised: ChainHead
  damage?: Damage
}

async function findEnd(dir: string, found: ChainHead | undefined): Promise<End> {
  const segments = (await readdir(dir)).map(segmentNumber).filter((n) => n !== undefined)
  const last = Math.max(0, ...segments)
  const promised = found ?? beforeAll
  if (last === 0) {
    const end = { segment: 1, bytes: undefined, ...promised, promised }
    return promised.seq === 0 ? end : afterDamage(end, 1)
  }
  const tail = await readTail(dir, last)
  if (tail.head === undefined) {
    const before = last === 1 ? beforeAll : ((await readTail(dir, last - 1)).head ?? beforeAll)
    const end = { segment: last, bytes: undefined, ...before, promised }
    // Without one whole line the program ended between making the file and writing to it.
    return tail.hasLines || before.seq < promised.seq ? afterDamage(end, before.seq + 1) : end
  }
  const end = { segment: last, bytes: tail.bytes, ...tail.head, promised }
  if (end.seq < promised.seq) return afterDamage(end, end.seq + 1)
  if (found === undefined && end.seq > 0) return afterDamage(end, end.seq + 1)
  if (tail.contradicts(promised)) return afterDamage(end, promised.seq)
  const cut = (await stat(path.join(dir, segmentName(last)))).size - tail.bytes
  return cut === 0 ? end : { ...end, damage: { kind: 'torn-tail', bytes: cut } }
}

const beforeAll: ChainHead = { seq: 0, digest: chainStart }

/** What is there stays as it is, as evidence; the log goes on in a new segment with the next number. */
function afterDamage(end: End, at: number): End {
  const head = end.promised.seq > end.seq ? end.promised : end
  return {
    promised: end.promised,
    segment: end.segment + 1,
    bytes: undefined,
    seq: head.seq,
    digest: head.digest,
    damage: { kind: 'tampered', at },
  }
}

/** How far the lines of a segment follow from each other. */
async function readTail(dir: string, segment: number) {
  const file = path.join(dir, segmentName(segment))
  const { size } = await stat(file)
  let head: ChainHead | undefined
  let bytes = 0
  let hasLines = false
  const digests = new Map<number, Sha256[]>()
  for await (const line of linesOf(file, size)) {
    hasLines = true
    // The header names what it follows; whether that is so, `verify` asks.
    const previous = head?.digest ?? prevOf(line)
    const decoded = decodeLine(line, previous, head === undefined)
    if (decoded === undefined) break
    if (decoded.kind === 'event' && decoded.event.seq !== (head?.seq ?? 0) + 1) break
    const seq = decoded.kind === 'header' ? decoded.header.first - 1 : decoded.event.seq
    head = { seq, digest: decoded.digest }
    digests.set(seq, decoded.kind === 'header' ? [previous, decoded.digest] : [decoded.digest])
    bytes += Buffer.byteLength(line) + 1
  }
  const contradicts = ({ seq, digest }: ChainHead) =>
    seq > 0 && digests.get(seq)?.includes(digest) === false
  return { head, bytes, hasLines, contradicts }
}

function prevOf(line: string): Sha256 {
  const found = /"prev":"([0-9a-f]{64})"/.exec(line)
  return (found?.[1] ?? chainStart) as Sha256
}

type Tail = {
  handle(): FileHandle
  head(): ChainHead
  durable(): Durable
  /** Writes lines and syncs them; after that they are the head. */
  commit(text: string, head: ChainHead): Promise<void>
  roll(): Promise<void>
}

async function openTail(dir: string, start: End): Promise<Tail> {
  let head: ChainHead = { seq: start.seq, digest: start.digest }
  let durable: Durable = { segment: start.segment, bytes: start.bytes ?? 0, seq: start.seq }
  let handle: FileHandle
  const begin = async (segment: number) => {
    const header = { segment, first: head.seq + 1, prev: head.digest }
    const { line, digest } = encodeLine(header, head.digest)
    const created = await open(path.join(dir, segmentName(segment)), 'w', 0o600)
    await created.write(line)
    await created.datasync()
    await syncNames(dir)
    head = { seq: head.seq, digest }
    durable = { segment, bytes: Buffer.byteLength(line), seq: head.seq }
    return created
  }
  if (start.bytes === undefined) handle = await begin(start.segment)
  else {
    const file = path.join(dir, segmentName(start.segment))
    await truncate(file, start.bytes)
    handle = await open(file, 'r+')
  }
  return {
    handle: () => handle,
    head: () => head,
    durable: () => durable,
    async commit(text, next) {
      const bytes = Buffer.from(text)
      let written = 0
      while (written < bytes.byteLength) {
        const rest = bytes.subarray(written)
        const place = durable.bytes + written
        written += (await handle.write(rest, 0, rest.byteLength, place)).bytesWritten
      }
      await handle.datasync()
      head = next
      durable = { ...durable, bytes: durable.bytes + bytes.byteLength, seq: next.seq }
    },
    async roll() {
      const full = handle
      handle = await begin(durable.segment + 1)
      await full.close()
    },
  }
}

async function syncNames(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Group commit: what comes while one batch is synced makes the next one. */
function createQueue(deps: Options & { dir: string; head: HeadFile; tail: Tail }) {
  const { head, tail, clock, segmentBytes } = deps
  const waiting: Waiting[] = []
  let running: Promise<void> | undefined
  let failure: ProtocolError | undefined

  async function commitBatch(): Promise<void> {
    if (tail.durable().bytes >= segmentBytes) await tail.roll()
    const batch: { waiting: Waiting; event: AuditEvent }[] = []
    let { seq, digest } = tail.head()
    let text = ''
    while (waiting.length > 0 && text.length < auditLimits.batchBytes) {
      const next = waiting.shift()
      if (next === undefined) break
      const event: AuditEvent = { ...next.entry, seq: ++seq, at: clock() }
      const encoded = encodeLine(event, digest)
      digest = encoded.digest
      text += encoded.line
      batch.push({ waiting: next, event })
    }
    try {
      await tail.commit(text, { seq, digest })
      await head.write({ seq, digest })
    } catch (cause) {
      failure = unavailable(cause)
      for (const { waiting } of batch) waiting.reject(failure)
      return
    }
    for (const { waiting, event } of batch) waiting.resolve(event)
  }

  async function run(): Promise<void> {
    // What is said in this turn is one batch, and whoever need not wait for the disk answers before the work for it.
    await setImmediate()
    while (waiting.length > 0 && failure === undefined) {
      try {
        await commitBatch()
      } catch (cause) {
        failure = unavailable(cause)
      }
    }
    // What a failed sync left on the disk is unknown, so nothing more is written after it.
    if (failure !== undefined) for (const left of waiting.splice(0)) left.reject(failure)
    running = undefined
  }

  return {
    append(entry: AuditEntry): Promise<AuditEvent> {
      if (failure !== undefined) return Promise.reject(failure)
      if (waiting.length >= auditLimits.pendingMax) {
        return Promise.reject(new ProtocolError('audit_unavailable', 'the audit log is too slow'))
      }
      const { promise, resolve, reject } = Promise.withResolvers<AuditEvent>()
      waiting.push({ entry, resolve, reject })
      running ??= run()
      return promise
    },
    async idle() {
      await running
      failure ??= new ProtocolError('audit_unavailable', 'the audit log is closed')
    },
  }
}

const unavailable = (cause: unknown) =>
  new ProtocolError('audit_unavailable', 'the audit log cannot be written', { cause })
