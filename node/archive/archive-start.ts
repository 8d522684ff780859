import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { isTrusted, openCatalog, removeCatalog } from './catalog.ts'
import type { Catalog } from './catalog.ts'
import { changeOf } from './filing.ts'
import { checkLevelFolder } from './leveldb-check.ts'
import { CatalogMismatch } from './log-start.ts'
import type { Replayed } from './log-start.ts'
import { recoverFiling } from './salvage.ts'
import type { ValueLog } from './value-log.ts'

type StartParts = {
  folder: string
  valueLog: Pick<ValueLog, 'replay' | 'read'>
  log: Log
  node: string
}

/** The catalog, and the data sets in the log that nothing files: whoever can walk them files them again. */
export type Start = { catalog: Catalog; unfiled: Replayed[] }

/** Opens the catalog and brings it up to the log; one that cannot be trusted is made again from the log. */
export async function startCatalog(parts: StartParts): Promise<Start> {
  const { folder, log } = parts
  const problem = (await isTrusted(folder)) ? await checkLevelFolder(folder) : 'rows were altered'
  if (problem !== undefined) {
    log.error({ problem }, 'the catalog is damaged; it is made again from the value log')
    await removeCatalog(folder)
  }
  try {
    return await openAndReplay(parts)
  } catch (error) {
    if (isOfFullDisk(error)) {
      throw new ProtocolError('storage_full', 'no room to open the catalog', { cause: error })
    }
    if (!isCatalogFault(error)) throw error
    log.error({ err: error }, 'the catalog cannot be trusted; it is made again from the value log')
    await removeCatalog(folder)
    return await openAndReplay(parts)
  }
}

/** One made again would find no room either. LevelDB has no code for it, only what the system said. */
const isOfFullDisk = (error: unknown): boolean =>
  error instanceof Error &&
  (/No space left|Disk quota exceeded/.test(error.message) || isOfFullDisk(error.cause))

/** The lock of the archive is held, so a catalog that does not open is damaged. */
function isCatalogFault(error: unknown): boolean {
  if (error instanceof CatalogMismatch || codeOf(error) === 'storage_corrupt') return true
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('LEVEL_')
}

async function openAndReplay({ folder, valueLog, log, node }: StartParts): Promise<Start> {
  await using stack = new AsyncDisposableStack()
  const catalog = stack.use(await openCatalog(folder, { log, node }))
  await checkCounts(catalog)
  const unfiled: Replayed[] = []
  let count = 0
  let pending: Promise<void>[] = []
  for await (const record of valueLog.replay(catalog.positions())) {
    const change = changeOf(record)
    if (change !== 'orphan') pending.push(catalog.apply(change))
    else if (record.type === 'instance') unfiled.push(record)
    else await fileOrphan({ valueLog, catalog, log }, record)
    if (pending.length < storageLimits.catalogBatchMax) continue
    count += pending.length
    await Promise.all(pending)
    pending = []
    // What LevelDB refuses stays in memory: no more of it than intake would allow.
    if (count % storageLimits.catalogBehindMax === 0) await catalog.check()
    if (count % progressRecords === 0) log.info({ records: count }, 'reading the value log')
  }
  await Promise.all(pending)
  count += pending.length
  if (count > 0) log.info({ records: count }, 'the catalog has caught up with the value log')
  stack.move()
  return { catalog, unfiled }
}

async function fileOrphan(
  { valueLog, catalog, log }: Omit<StartParts, 'folder' | 'node'> & { catalog: Catalog },
  record: Replayed,
): Promise<void> {
  const { change, isWhole } = await recoverFiling(valueLog, record)
  const { segment, offset } = record.location
  log.error({ segment, offset, isWhole }, 'the record of a data set is damaged; its filing is not')
  await catalog.apply(change)
  if (!isWhole && change.kind === 'instance') {
    await catalog.markCorrupt(change.filing.sop, { at: change.filing.receivedAt })
  }
}

const progressRecords = 40 * storageLimits.catalogBatchMax

/** Studies that are there against those that were counted: rows that vanished are noticed. */
async function checkCounts(catalog: Catalog): Promise<void> {
  const { studies, instances, bytes } = catalog.ledger()
  const found = { studies: 0, instances: 0, bytes: 0 }
  for await (const study of catalog.firstStudies()) {
    found.studies++
    found.instances += study.instances
    found.bytes += study.bytes
  }
  if (found.studies !== studies || found.instances !== instances || found.bytes !== bytes) {
    throw new CatalogMismatch('rows of the catalog are missing')
  }
}
