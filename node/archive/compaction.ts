import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Change, EntryRow, InstanceRow, QuarantineRow } from './catalog-rows.ts'
import { standingOf } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { changeOf } from './filing.ts'
import { createRecord, endOf, sealBytes } from './log-record.ts'
import type { RecordLocation } from './log-record.ts'
import type { Replayed } from './log-start.ts'
import { copyInstance, knownInstance, knownQuarantined, placeOf } from './record-copy.ts'
import type { CopyParts } from './record-copy.ts'
import { rowsOf } from './scrub-segment.ts'
import type { ValueLog } from './value-log.ts'

/**
 * Gives space back. A sealed segment of which little is still pointed at is read, what lives in it is appended to the
 * log again, and it is removed when the copies are synced and nothing points into it any more. A crash at any moment
 * leaves both or the copy: a record may exist twice, and the one with the higher number stands.
 */
export type CompactionParts = Omit<CopyParts, 'valueLog' | 'catalog'> & {
  valueLog: ValueLog
  catalog: Catalog
  log: Log
  /** The archive closes: a segment that is not empty yet stays. */
  signal: AbortSignal
}
export type Compacted = { segments: number; bytes: number }

export async function compact(
  parts: CompactionParts,
  { deadFractionMin }: { deadFractionMin: number },
): Promise<Compacted> {
  const { valueLog, log, signal } = parts
  const live = await liveBytes(parts.catalog)
  const done: Compacted = { segments: 0, bytes: 0 }
  for (const { number, bytes, isOpen } of await valueLog.segments()) {
    const dead = 1 - (live.get(number) ?? 0) / bytes
    if (signal.aborted) break
    if (isOpen || dead < deadFractionMin) continue
    try {
      await compactSegment(parts, number, bytes)
      done.segments++
      done.bytes += bytes
    } catch (error) {
      if (codeOf(error) === 'storage_failed') throw error
      log.warn({ segment: number, code: codeOf(error), err: error }, 'a segment stays as it is')
    }
  }
  return done
}

/** Bytes of each segment that the catalog points at. */
async function liveBytes(catalog: Catalog): Promise<ReadonlyMap<number, number>> {
  const live = new Map<number, number>()
  for await (const location of locations(catalog)) {
    const bytes = endOf(location) - location.offset
    live.set(location.segment, (live.get(location.segment) ?? 0) + bytes)
  }
  return live
}

async function* locations(catalog: Catalog): AsyncGenerator<RecordLocation> {
  for (const kind of ['i', 'q', 'n']) {
    for await (const row of rowsOf<Pick<InstanceRow | QuarantineRow | EntryRow, 'location'>>(
      catalog,
      kind,
    )) {
      yield row.location
    }
  }
}

async function compactSegment(
  parts: CompactionParts,
  segment: number,
  bytes: number,
): Promise<void> {
  const { valueLog, catalog, log, signal } = parts
  const position = catalog.positions().get(segment)
  const isApplied = position !== undefined && position.offset >= bytes - sealBytes
  if (!isApplied) throw new ProtocolError('unavailable', 'the catalog has not applied a segment')
  // What breaks off in the middle must not seem to be reading for ever.
  await using records = valueLog.check({ segment, pace: async () => {} })
  const waiting = createWindow()
  let next = await records.next()
  for (; next.done !== true; next = await records.next()) {
    const record = next.value
    if (signal.aborted) break
    await waiting.add(record.instance?.location.bytes ?? 0, () => keep(parts, record))
  }
  await waiting.settle()
  if (next.done !== true) throw new ProtocolError('aborted', 'the archive is being closed')
  if (next.value.state !== 'sealed') throw damaged()
  // A catalog that takes no writes has not switched; and what it wrote must last longer than what it points at.
  await catalog.check()
  for await (const location of locations(catalog)) {
    if (location.segment === segment) throw new ProtocolError('conflict', 'something still points')
  }
  await catalog.forgetSegment(segment)
  await valueLog.remove(segment)
  log.info({ segment, bytes }, 'a segment was emptied and removed')
}

const damaged = () => new ProtocolError('storage_corrupt', 'the segment is damaged: scrub it first')

/** Appends again what a record means today. */
async function keep(parts: CompactionParts, record: Replayed): Promise<void> {
  // What is copied while the catalog takes no writes gives nothing back.
  await parts.catalog.check()
  const change = changeOf(record)
  if (change === 'orphan') return await keepOrphan(parts, record)
  switch (change.kind) {
    case 'instance':
      return await keepInstance(parts, record, change)
    case 'complete':
    case 'overlay':
    case 'entry':
      return await keepRecord(parts, record)
    case 'none':
      throw new ProtocolError('unsupported', 'a record of a kind that compaction does not know')
  }
}

async function keepInstance(
  parts: CompactionParts,
  record: Replayed,
  change: Extract<Change, { kind: 'instance' }>,
): Promise<void> {
  const { catalog } = parts
  const { filing, location } = change
  const kept = catalog.quarantined(filing.sop, filing.sha256)
  const isQuarantined = filing.reason !== undefined
  const row = isQuarantined ? kept : catalog.receivedInstance(filing.sop)
  if (row === undefined)
    throw new ProtocolError('conflict', 'the catalog does not know an instance')
  if (standingOf(row) > standingOf(filing)) return
  const isHere =
    row.location.segment === location.segment && row.location.offset === location.offset
  if (!isHere) throw new ProtocolError('conflict', 'the catalog points elsewhere')
  // A data set that was filed later lies in another segment, and only its filing here.
  if (filing.at !== undefined && filing.at.segment !== record.location.segment) {
    return await keepRecord(parts, record)
  }
  const known = isQuarantined
    ? kept && knownQuarantined(catalog, kept)
    : knownInstance(catalog, filing.sop)
  if (known === undefined) throw new ProtocolError('conflict', 'the catalog lacks chunk digests')
  await copyInstance(parts, known)
}

/** A data set alone: filed again elsewhere, or unknown. */
async function keepOrphan({ catalog }: CompactionParts, record: Replayed): Promise<void> {
  const { segment, offset } = record.location
  if (record.type !== 'instance') throw damaged()
  for await (const location of locations(catalog)) {
    if (location.segment === segment && location.offset === offset) throw damaged()
  }
}

/** Word for word: what it says does not depend on where it lies. */
async function keepRecord({ valueLog, catalog }: CompactionParts, record: Replayed): Promise<void> {
  const { type, header, payload } = record
  const { location, span } = placeOf(await valueLog.append([createRecord(type, header, payload)]))
  const { instance: _, ...alone } = record
  const change = changeOf({ ...alone, location, span })
  if (change !== 'orphan') await catalog.apply(change)
}

/** Some at a time: one sync serves all of them, and memory is bounded. */
function createWindow() {
  let waiting: Promise<void>[] = []
  let held = 0

  async function settle(): Promise<void> {
    const tasks = waiting
    waiting = []
    held = 0
    const [failed] = (await Promise.allSettled(tasks)).filter((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  return {
    async add(bytes: number, task: () => Promise<void>): Promise<void> {
      held += bytes
      waiting.push(task())
      if (waiting.length >= storageLimits.catalogBatchMax || held > storageLimits.groupBytes) {
        await settle()
      }
    },
    settle,
  }
}
