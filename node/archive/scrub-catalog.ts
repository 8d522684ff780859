import { scrubLimits } from '#protocol/limits.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { differencesOf } from './catalog-mend.ts'
import type { Difference } from './catalog-mend.ts'
import * as keys from './catalog-keys.ts'
import type { Catalog } from './catalog.ts'
import type { LogPosition } from './log-start.ts'
import type { Overlay } from './overlay.ts'
import type { Repair } from './repair.ts'
import { createTaker } from './scrub-segment.ts'
import type { ValueLog } from './value-log.ts'

export type CatalogScrubParts = {
  valueLog: Pick<ValueLog, 'check' | 'segments' | 'read'>
  catalog: Catalog
  shadow: Catalog
  repair: Pick<Repair, 'overlay'>
}

/** Kinds of rows that belong to one catalog and say nothing of the log: positions, batches, format, damage found. */
const own = /^(?:[pwb]\0|format$)/
/** What only the log can say: a row of these kinds that the shadow lacks is all that is left of a damaged record. */
const kept = /^(?:[ceikqnso]\0|o[vc]\0|ledger$)/
const roundsMax = 3

/**
 * Compares the catalog row by row with the one that was made from the log just now, and puts right what differs: rows,
 * and corrections that the log has lost and the catalog has not.
 */
export async function scrubCatalog(
  parts: CatalogScrubParts,
): Promise<{ rows: number; repaired: number; damaged: number }> {
  const figures = { rows: 0, repaired: 0, damaged: 0 }
  for (let round = 0; round < roundsMax; round++) {
    const found = await compare(parts)
    if (found.lost.length > 0 && round === 0) {
      for (const overlay of found.lost) {
        figures[(await parts.repair.overlay(overlay)) ? 'repaired' : 'damaged']++
      }
      // Rows differ because of them: what is left is looked at again.
      continue
    }
    const mended = await parts.catalog.mend(found.differences)
    await parts.catalog.discard(found.altered)
    figures.rows += mended + found.altered.length
    // What changed meanwhile is looked at again.
    if (found.differences.length === mended) return figures
  }
  return figures
}

async function compare({ valueLog, catalog, shadow }: Omit<CatalogScrubParts, 'repair'>) {
  const { positions, rows } = await catalog.snapshot()
  await catchUp({ valueLog, catalog, shadow }, positions)
  // A disk that filled up has kept rows out of the shadow: it proves nothing then.
  await shadow.check()
  const differences: Difference[] = []
  const altered: Buffer[] = []
  const lost: Overlay[] = []
  let isLogDamaged = false
  for await (const one of differencesOf({ rows, inspect: catalog.inspect }, shadow)) {
    if ('altered' in one) {
      altered.push(one.altered)
    } else if (!own.test(one.key)) {
      const isLeft = one.expected === undefined && kept.test(one.key)
      isLogDamaged ||= isLeft
      if (!isLeft) differences.push(one)
      else if (one.found !== undefined && keys.isOverlay(one.key)) {
        lost.push(JSON.parse(one.found.toString()) as Overlay)
      }
    }
    if (differences.length + altered.length + lost.length > scrubLimits.differencesMax) {
      const error = new ProtocolError('storage_corrupt', 'the catalog differs from the log')
      await catalog.distrust(error)
      throw error
    }
  }
  // The shadow counts less where the log lost something: then only rows that are missing are put back.
  const safe = isLogDamaged ? differences.filter(({ found }) => found === undefined) : differences
  return { differences: safe, altered, lost }
}

/** Takes into the shadow what the catalog has applied and it has not. */
async function catchUp(
  { valueLog, catalog, shadow }: Omit<CatalogScrubParts, 'repair'>,
  positions: ReadonlyMap<number, LogPosition>,
): Promise<void> {
  const taker = createTaker({ valueLog, catalog, shadow })
  const present = new Set((await valueLog.segments()).map(({ number }) => number))
  for (const [segment, { offset: until }] of positions) {
    const from = shadow.positions().get(segment)
    if (!present.has(segment) || (from?.offset ?? 0) >= until) continue
    const at = from && { offset: from.offset, chain: from.chain }
    for await (const record of valueLog.check({ segment, from: at, until, pace: async () => {} })) {
      await taker.take(record)
    }
    await taker.settle()
  }
}
