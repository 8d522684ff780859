import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import * as keys from './catalog-keys.ts'
import type { Change, EntryRow, InstanceRow, QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { changeOf } from './filing.ts'
import type { LogPosition, Replayed } from './log-start.ts'
import type { Repair } from './repair.ts'
import { recoverFiling } from './salvage.ts'
import type { ValueLog } from './value-log.ts'

export type SegmentParts = {
  valueLog: Pick<ValueLog, 'check' | 'read'>
  /** The catalog that is in use, and the one that the scrub makes anew from what it reads. */
  catalog: Catalog
  shadow: Catalog
  repair: Repair
  pace: (bytes: number) => Promise<void>
  log: Log
}
export type SegmentFinding = { repaired: number; damaged: number }

/**
 * Reads a segment up to where the catalog has applied it, compares payloads and chain, and takes its records into the
 * shadow. What the catalog points at here and was not read whole is repaired.
 */
export async function scrubSegment(
  parts: SegmentParts,
  segment: number,
  position: LogPosition,
): Promise<SegmentFinding> {
  const { valueLog, pace, log } = parts
  const until = position.offset
  const whole = new Set<number>()
  let isDamaged = false
  await using records = valueLog.check({ segment, until, pace })
  const taker = createTaker(parts)
  let next = await records.next()
  for (; next.done !== true; next = await records.next()) {
    const change = changeOf(next.value)
    if (change === 'orphan') isDamaged = true
    else whole.add(pointedAt(change) ?? -1)
    await taker.take(next.value)
  }
  await taker.settle()
  const { damage, end, chain } = next.value
  isDamaged ||= damage.length > 0 || end !== until || chain.compare(position.chain) !== 0
  if (!isDamaged) return { repaired: 0, damaged: 0 }
  log.error({ segment, places: damage.length, end, until }, 'the scrub found damage in the log')
  return await repairSegment(parts, segment, whole)
}

/** Takes records of the log into the shadow, many in one batch. */
export function createTaker({
  valueLog,
  catalog,
  shadow,
}: Pick<SegmentParts, 'valueLog' | 'catalog' | 'shadow'>) {
  let pending: Promise<void>[] = []

  async function settle(): Promise<void> {
    await Promise.all(pending)
    pending = []
  }

  /** When a data set's record is damaged and its filing is not, it is still known. */
  async function meaningOf(record: Replayed): Promise<Change> {
    const meaning = changeOf(record)
    if (meaning !== 'orphan') return meaning
    if (record.type === 'instance') return { kind: 'none', span: record.span }
    const { change } = await recoverFiling(valueLog, record)
    // Where its record begins cannot be seen any more, but is known.
    const known = catalog.receivedInstance(change.filing.sop)?.location
    const { segment, payload } = change.location
    const isSame = known?.segment === segment && known.payload === payload
    return isSame ? { ...change, location: known } : change
  }

  return {
    async take(record: Replayed): Promise<void> {
      pending.push(shadow.apply(await meaningOf(record)))
      if (pending.length < storageLimits.catalogBatchMax) return
      await settle()
      // What a full disk does not take stays in memory: the rest of the log would, too.
      await shadow.check()
    },
    settle,
  }
}

/** Offset of the record that the catalog points at. */
function pointedAt(change: Change): number | undefined {
  return change.kind === 'instance' || change.kind === 'entry' ? change.location.offset : undefined
}

/** Everything that lies in a segment and is not known to be whole gets a new record. */
export async function repairSegment(
  { catalog, repair }: Pick<SegmentParts, 'catalog' | 'repair'>,
  segment: number,
  whole: ReadonlySet<number>,
): Promise<SegmentFinding> {
  const finding = { repaired: 0, damaged: 0 }
  const count = (isRepaired: boolean): void => void finding[isRepaired ? 'repaired' : 'damaged']++
  const isWanting = ({ location }: Pick<EntryRow, 'location'>): boolean =>
    location.segment === segment && !whole.has(location.offset)
  for await (const row of rowsOf<InstanceRow>(catalog, 'i')) {
    if (isWanting(row)) count(await repair.instance(row.sop))
  }
  for await (const row of rowsOf<QuarantineRow>(catalog, 'q')) {
    if (isWanting(row)) count(await repair.quarantined(row))
  }
  for await (const [row, key] of rowsWithKeys<EntryRow>(catalog, 'n')) {
    if (isWanting(row)) count(await repair.entry(Number(keys.lastPart(key)), row))
  }
  return finding
}

async function* rowsWithKeys<Row>(
  catalog: Pick<Catalog, 'rows'>,
  kind: string,
): AsyncGenerator<[Row, string]> {
  for await (const { key, value } of catalog.rows(keys.rangeOf(kind))) {
    if (value !== undefined) yield [JSON.parse(value.toString()) as Row, key.toString()]
  }
}

/** Rows of a kind that are not altered themselves. */
export async function* rowsOf<Row>(
  catalog: Pick<Catalog, 'rows'>,
  kind: string,
): AsyncGenerator<Row> {
  for await (const [row] of rowsWithKeys<Row>(catalog, kind)) yield row
}
