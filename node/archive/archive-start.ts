import { ProtocolError, codeOf } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { isTrusted, openCatalog, removeCatalog } from './catalog.ts'
import type { Catalog } from './catalog.ts'
import { changeOf } from './filing.ts'
import { CatalogMismatch } from './log-start.ts'
import type { ValueLog } from './value-log.ts'

type StartParts = { folder: string; valueLog: Pick<ValueLog, 'replay'>; log: Log }

/** Opens the catalog and brings it up to the log; one that cannot be trusted is made again from the log. */
export async function startCatalog(parts: StartParts): Promise<Catalog> {
  const { folder, log } = parts
  if (!(await isTrusted(folder))) await removeCatalog(folder)
  try {
    return await openAndReplay(parts)
  } catch (error) {
    if (!isCatalogFault(error)) throw error
    log.error({ err: error }, 'the catalog cannot be trusted; it is made again from the value log')
    await removeCatalog(folder)
    return await openAndReplay(parts)
  }
}

function isCatalogFault(error: unknown): boolean {
  if (error instanceof CatalogMismatch || codeOf(error) === 'storage_corrupt') return true
  return levelCode(error) === 'LEVEL_DATABASE_NOT_OPEN' || levelCode(error) === 'LEVEL_CORRUPTION'
}

const levelCode = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

async function openAndReplay({ folder, valueLog, log }: StartParts): Promise<Catalog> {
  await using stack = new AsyncDisposableStack()
  const catalog = stack.use(await openUnlessLocked(folder, log))
  let count = 0
  let pending: Promise<void>[] = []
  for await (const record of valueLog.replay(catalog.positions())) {
    pending.push(catalog.apply(changeOf(record)))
    if (pending.length < storageLimits.catalogBatchMax) continue
    count += pending.length
    await Promise.all(pending)
    pending = []
    if (count % 10_240 === 0) log.info({ records: count }, 'reading the value log')
  }
  await Promise.all(pending)
  count += pending.length
  if (count > 0) log.info({ records: count }, 'the catalog has caught up with the value log')
  stack.move()
  return catalog
}

/** A catalog that another process has open is no damage. */
async function openUnlessLocked(folder: string, log: Log): Promise<Catalog> {
  try {
    return await openCatalog(folder, log)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (levelCode(cause) !== 'LEVEL_LOCKED') throw error
    const message = 'the archive is open in another process: stop that one first'
    throw new ProtocolError('configuration_invalid', message, { cause: error })
  }
}
