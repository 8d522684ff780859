import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { OrganizationOid } from '#protocol/ids.ts'
import { openDisk, type Disk } from '../../node/archive/disk.ts'
import { openArchive } from '../../node/archive/level-archive.ts'
import type { ArchiveOptions } from '../../node/archive/level-archive.ts'
import type { Archive, Origin } from '../../node/archive/archive.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import { silentLog } from '../../node/log.ts'

/** How many are on their way at a time: they share one write and one sync. */
const parallel = 48

const quietMs = 2000

const origin: Origin = {
  kind: 'dimse',
  callingAe: 'STORESCU',
  calledAe: 'OKB',
  address: '127.0.0.1',
  association: 'load',
  device: 'okb-storescu',
}

/** Opens an archive as a node does, without the node around it. */
export const openBenchArchive = (
  dir: string,
  holder: OrganizationOid,
  options: Partial<ArchiveOptions> = {},
): Promise<Archive> =>
  openArchive({
    dir,
    holder,
    log: silentLog,
    clock: Date.now,
    random: randomBytes,
    freeSpace: { freeFractionMin: 0.01, freeBytesMin: 2 ** 28 },
    quietMs: () => quietMs,
    ...options,
  })

/**
 * Fills a node's archive while the node is stopped: the archive's own way in, with its walker, log and catalog, but no
 * network before it. Studies are complete at the end.
 */
export async function fillArchive(
  { dataDir, holder }: { dataDir: string; holder: OrganizationOid },
  items: Iterable<StoreItem>,
): Promise<number> {
  const dir = path.join(dataDir, 'archive')
  const disk = unsynced(await openDisk(path.join(dir, 'log')))
  await using archive = await openBenchArchive(dir, holder, { disk })
  const count = await ingestAll(archive, items)
  await allComplete()
  return count
}

/** What is complete in the process that filled an archive need not be found complete by the next one. */
export const allComplete = (): Promise<void> => pause(3 * quietMs)

/** Fills faster: what is measured afterwards has a disk that syncs. */
export const unsynced = (disk: Disk): Disk => ({
  ...disk,
  open: async (name, mode) => ({ ...(await disk.open(name, mode)), sync: async () => {} }),
  syncNames: async () => {},
})

/** Takes in many at a time; says how many they were. */
export async function ingestAll(archive: Archive, items: Iterable<StoreItem>): Promise<number> {
  let count = 0
  const iterator = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      await ingestOne(archive, next.value)
      count++
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return count
}

export async function ingestOne(archive: Archive, item: StoreItem): Promise<void> {
  const { sopClass, sopUid, transferSyntax, dataSet } = item
  const sink = await archive.ingest({ sopClass, sopUid, transferSyntax }, origin)
  sink.write(dataSet)
  const { outcome } = await sink.finish()
  if (outcome === 'quarantined') throw new Error('an instance of the set went to quarantine')
}
