import { join } from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { VerifiedSearch } from '#protocol/authorize.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { indexLimits, storageLimits } from '#protocol/limits.ts'
import { readHeader } from '../dicom/header.ts'
import { createWalker } from '../dicom/walker.ts'
import type { Log } from '../log.ts'
import type { Archive, ArchiveEvent, QuarantineEntry } from './archive.ts'
import { startCatalog } from './archive-start.ts'
import { createBuffers } from './buffers.ts'
import type { QuarantineRow } from './catalog-rows.ts'
import { stateOf } from './catalog-rows.ts'
import { createQuietWatch, systemTimers } from './completion.ts'
import type { Timers } from './completion.ts'
import { openDisk } from './disk.ts'
import type { Disk } from './disk.ts'
import { completionRecord, entryRecord, spanOf } from './filing.ts'
import { createSink } from './ingest.ts'
import type { IngestParts } from './ingest.ts'
import { createLocks } from './locks.ts'
import { digestOf, readPayload } from './payload.ts'
import { searchCatalog } from './search.ts'
import { createSequence } from './sequence.ts'
import { createStudyFacts, createStudyRecord } from './study-record.ts'
import { createStudyReader } from './study-reader.ts'
import { openValueLog } from './value-log.ts'

export type ArchiveOptions = {
  /** The archive's own folder: `log/` and `catalog/` are made in it. */
  dir: string
  holder: OrganizationOid
  log: Log
  clock: () => number
  random: (bytes: number) => Uint8Array
  freeSpace?: { freeFractionMin: number; freeBytesMin: number }
  /** The disk under the value log; tests give one that fails. */
  disk?: Disk
  timers?: Timers
  segmentBytes?: number
  studyQuietMs?: number
}

/** Opens an archive: a LevelDB catalog over a value log. What the catalog misses is taken from the log first. */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { dir, log, clock, random } = options
  await using stack = new AsyncDisposableStack()
  const disk = options.disk ?? (await openDisk(join(dir, 'log')))
  const valueLog = stack.use(
    openValueLog({
      disk,
      log,
      clock,
      random,
      freeSpace: options.freeSpace ?? storageLimits,
      segmentBytes: options.segmentBytes ?? storageLimits.segmentBytes,
    }),
  )
  const catalog = stack.use(await startCatalog({ folder: join(dir, 'catalog'), valueLog, log }))
  const archive = await createArchive(options, { valueLog, catalog, stack })
  const owned = stack.move()
  return { ...archive, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() }
}

type Opened = {
  valueLog: ReturnType<typeof openValueLog>
  catalog: Awaited<ReturnType<typeof startCatalog>>
  stack: AsyncDisposableStack
}

async function createArchive(
  options: ArchiveOptions,
  { valueLog, catalog, stack }: Opened,
): Promise<Omit<Archive, typeof Symbol.asyncDispose>> {
  const { holder, clock, log } = options
  const listeners = new Set<(event: ArchiveEvent) => void>()
  const sequence = createSequence(catalog.ledger().seq)
  const reader = { valueLog, catalog, holder, clock, log, readHeader }
  const emit = (event: ArchiveEvent): void => {
    for (const listener of listeners) listener(event)
  }

  const completing = new Set<Promise<void>>()
  const watch = stack.use(
    createQuietWatch(
      options.timers ?? systemTimers,
      options.studyQuietMs ?? indexLimits.studyQuietMs,
      (study) => {
        const task = complete(study).finally(() => completing.delete(task))
        completing.add(task)
      },
    ),
  )
  stack.defer(async () => void (await Promise.allSettled(completing)))

  async function complete(study: StudyUid): Promise<void> {
    const row = catalog.study(study)
    if (row === undefined || stateOf(row) === 'complete') return
    const seq = sequence.next()
    try {
      const completion = { kind: 'complete', seq, study, at: clock() } as const
      const span = spanOf(await valueLog.append([completionRecord(completion)]))
      await catalog.apply({ kind: 'complete', completion, span })
    } catch (error) {
      log.warn({ err: error }, 'a study could not be marked complete; it is tried again')
      watch.touch(study)
      return
    } finally {
      sequence.settle(seq)
    }
    emit({ kind: 'study-complete', study })
  }

  const ingest: IngestParts = {
    valueLog,
    catalog,
    sequence,
    buffers: createBuffers(),
    locks: createLocks(),
    arriving: new Map(),
    createWalker,
    clock,
    log,
    stored({ outcome, study, sop }) {
      if (outcome !== 'stored') return
      watch.touch(study)
      emit({ kind: 'instance-stored', study, sop })
    },
  }

  function checkOwn(search: VerifiedSearch): void {
    if (search.organization === holder) return
    throw new ProtocolError('forbidden', 'the proof is for another organization')
  }

  for (const { study, lastReceivedAt } of await openStudies(catalog)) {
    watch.touch(study, clock() - lastReceivedAt)
  }

  return {
    failed: valueLog.failed,
    async ingest(declared, origin) {
      await valueLog.checkSpace()
      await catalog.check()
      return createSink(ingest, declared, origin)
    },
    async open(grant) {
      if (grant.expiresAt < clock()) throw new ProtocolError('forbidden', 'the proof has expired')
      if (catalog.study(grant.study) === undefined) {
        throw new ProtocolError('not_found', 'no such study')
      }
      return createStudyReader(reader, grant.study)
    },
    async search(search, query) {
      checkOwn(search)
      return await searchCatalog(catalog, query)
    },
    async facts(study) {
      const row = catalog.study(study)
      return row && createStudyFacts(row, holder)
    },
    async record(study) {
      const row = catalog.study(study)
      return row && createStudyRecord(row, await catalog.seriesOf(study))
    },
    async changes(after, limit) {
      const settled = sequence.settled()
      const changes = await catalog.changes(after, limit)
      return changes.filter(({ position }) => position <= settled)
    },
    async quarantine(search) {
      checkOwn(search)
      return (await catalog.quarantine()).map(quarantineEntry)
    },
    async append(_kind, payload) {
      await valueLog.checkSpace()
      const seq = sequence.next()
      try {
        const appended = await valueLog.append([entryRecord(seq, payload)])
        const location = appended[0]?.location
        if (location === undefined) throw new ProtocolError('internal', 'nothing was appended')
        const sha256 = digestOf(payload)
        await catalog.apply({ kind: 'entry', seq, location, sha256, span: spanOf(appended) })
      } finally {
        sequence.settle(seq)
      }
    },
    async *replay(_kind) {
      for await (const { location, sha256 } of catalog.entries()) {
        yield await readPayload(valueLog, location, sha256)
      }
    },
    on(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async counts() {
      const { studies, instances, bytes, quarantined } = catalog.ledger()
      return { studies, instances, bytes, quarantined }
    },
  }
}

/** Oldest first: so they fall quiet in this order. */
async function openStudies(catalog: Opened['catalog']) {
  const studies: { study: StudyUid; lastReceivedAt: number }[] = []
  for await (const study of catalog.open()) studies.push(study)
  return studies.sort((a, b) => a.lastReceivedAt - b.lastReceivedAt)
}

function quarantineEntry({ seq, reason, entry, origin }: QuarantineRow): QuarantineEntry {
  const { sop, study, series, bytes, sha256, receivedAt, attributes } = entry
  const facts = { sop, study, series, bytes, sha256, receivedAt, attributes }
  return { id: String(seq), reason, ...facts, origin }
}
