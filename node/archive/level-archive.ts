import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { VerifiedCorrection, VerifiedSearch } from '#protocol/authorize.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { readHeader } from '../dicom/header.ts'
import { isDeflated } from '../dicom/transfer-syntax.ts'
import type { Log } from '../log.ts'
import type { Archive, Person, QuarantineEntry } from './archive.ts'
import { listAttention, readDoubt, studyFindings } from './attention.ts'
import { createArchiveEvents } from './archive-events.ts'
import { lockArchive } from './archive-lock.ts'
import { startCatalog } from './archive-start.ts'
import { textOf } from './attribute-levels.ts'
import { createLoans, giveBack } from './loans.ts'
import { createRecentWindows } from './recent-windows.ts'
import { isVisible } from './catalog-rows.ts'
import type { QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { systemTimers } from './completion.ts'
import type { Timers } from './completion.ts'
import { createDeflatedSink } from './deflated-sink.ts'
import { giveUpBallast, openBallast } from './ballast.ts'
import type { Ballast } from './ballast.ts'
import { openDisk } from './disk.ts'
import type { Disk } from './disk.ts'
import { findDuplicates } from './duplicates.ts'
import { createEntries } from './index-entries.ts'
import { createIngestState, createSink } from './ingest.ts'
import type { IngestParts } from './ingest.ts'
import { createOverlays } from './overlays.ts'
import { applyNote, mayReject } from './rejection-note.ts'
import type { Replayed } from './log-start.ts'
import { createMaintenance } from './maintenance.ts'
import type { MaintenanceOptions } from './maintenance.ts'
import { createReceptionWalker, plainReception } from './reception.ts'
import type { Reception } from './reception.ts'
import { refile } from './salvage.ts'
import { searchCatalog } from './search.ts'
import { seeingAll } from './seeing-all.ts'
import { createSequence } from './sequence.ts'
import type { Sequence } from './sequence.ts'
import { createStudyCompletion, quietOf } from './study-completion.ts'
import type { QuietFacts } from './study-completion.ts'
import { createStudyFacts, createStudyRecord } from './study-record.ts'
import { createStudyReader } from './study-reader.ts'
import type { ReaderParts } from './study-reader.ts'
import { openValueLog } from './value-log.ts'
import type { ValueLog } from './value-log.ts'

export type ArchiveOptions = MaintenanceOptions & {
  /** The archive's own folder: `log/` and `catalog/` are made in it. */
  dir: string
  holder: OrganizationOid
  log: Log
  clock: () => number
  random: (bytes: number) => Uint8Array
  freeSpace?: { freeFractionMin: number; freeBytesMin: number }
  /** Room that is kept for when the disk is full; absent: none. */
  ballastBytes?: number
  /** The disk under the value log; tests give one that fails. */
  disk?: Disk
  timers?: Timers
  segmentBytes?: number
  /** What is known of those who send. */
  reception?: Reception
  /** How long after its last instance a study is complete; a minute, and five for CT (DQ-18). */
  quietMs?: (about: QuietFacts) => number
}

/** Opens an archive: a LevelDB catalog over a value log. What the catalog misses is taken from the log first. */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { dir, log, clock, random } = options
  await using stack = new AsyncDisposableStack()
  await mkdir(dir, { recursive: true })
  stack.use(await lockArchive(join(dir, 'lock'), () => giveUpBallast(dir)))
  const ballast = stack.use(
    await openBallast({
      folder: dir,
      disk: options.disk ?? (await openDisk(join(dir, 'log'))),
      bytes: options.ballastBytes ?? 0,
      log,
    }),
  )
  const { disk } = ballast
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
  const { catalog, unfiled } = await startCatalog({
    folder: join(dir, 'catalog'),
    valueLog,
    log,
    node: nodeName(options.holder),
  })
  stack.use(catalog)
  const archive = await createArchive(options, { ballast, valueLog, catalog, unfiled, stack })
  const owned = stack.move()
  return {
    ...seeingAll(archive, catalog),
    async [Symbol.asyncDispose]() {
      await catalog.written()
      await owned[Symbol.asyncDispose]()
    },
  }
}

/** What a node calls itself where an organization's whole OID would be too long: region and number. */
const nodeName = (holder: OrganizationOid): string => holder.split('.').slice(-2).join('.')

type Opened = {
  ballast: Ballast
  valueLog: ValueLog
  catalog: Catalog
  unfiled: Replayed[]
  stack: AsyncDisposableStack
}

async function createArchive(
  options: ArchiveOptions,
  { ballast, valueLog, catalog, unfiled, stack }: Opened,
): Promise<Omit<Archive, typeof Symbol.asyncDispose>> {
  const { clock, log, holder, reception = plainReception } = options
  const events = createArchiveEvents()
  const sequence = createSequence(catalog.ledger().seq)
  const state = createIngestState()
  const createWalker = createReceptionWalker({ catalog, reception })
  for (const record of unfiled) {
    await refile({ valueLog, catalog, sequence, ...state, createWalker, log }, record)
  }
  const common = { valueLog, catalog, sequence, clock, log }
  const { timers = systemTimers, quietMs = quietOf } = options
  const { completed } = events
  const completion = stack.use(
    await createStudyCompletion({ ...common, timers, quietMs, completed }),
  )
  const node = nodeName(holder)
  const maintenance = stack.use(
    await createMaintenance({ ...options, ...common, disk: ballast.disk, node, emit: events.emit }),
  )
  const ingest: IngestParts = {
    ...common,
    ...state,
    createWalker,
    stored({ outcome, study, sop, bytes }, agoMs) {
      maintenance.count(bytes)
      if (outcome !== 'stored') return
      completion.touch(study, agoMs)
      events.stored(study, sop, catalog.study(study)?.late ?? 0)
    },
    mayAsk: mayReject,
    filed: (identity, header) => applyNote({ catalog, overlays, reader }, identity, header),
  }
  const memory = { loans: createLoans(), recent: createRecentWindows() }
  const reader = { ...common, holder, ...memory, readHeader, ...maintenance }
  const overlays = createOverlays({
    ...common,
    holder,
    ingest,
    reader,
    makeRoom: ballast.makeRoom,
    applied(overlay) {
      if (overlay.target.level !== 'patient') completion.touch(overlay.target.study)
      events.emit({ kind: 'overlay', overlay })
    },
  })

  return {
    failed: Promise.race([valueLog.failed, catalog.failed]),
    async ingest(declared, origin) {
      await valueLog.checkSpace()
      await catalog.check()
      const sink = createSink(ingest, declared, origin)
      return isDeflated(declared.transferSyntax) ? createDeflatedSink(sink) : sink
    },
    complete: completion.settle,
    has: (sop) => ingest.coming.has(sop) || catalog.instance(sop) !== undefined,
    ...overlays.doors,
    ...createQuality(options, catalog),
    ...createDoors(options, reader),
    ...createIndexSource(options, { catalog, sequence }),
    ...createEntries({ valueLog, catalog, sequence }),
    ...maintenance.doors,
    on: events.on,
  }
}

/** What the rules of reception found. */
function createQuality(
  { holder }: ArchiveOptions,
  catalog: Catalog,
): Pick<Archive, 'attention' | 'findings' | 'duplicates' | 'readAs'> {
  const checkOwn = ({ organization }: VerifiedCorrection): void => {
    if (organization === holder) return
    throw new ProtocolError('forbidden', 'the proof is for another organization')
  }
  const rowOf = (study: string) => {
    const row = catalog.study(study)
    return row !== undefined && isVisible(row) ? row : undefined
  }
  return {
    async attention(proof, page) {
      checkOwn(proof)
      return await listAttention(catalog, page)
    },
    async findings(proof, study) {
      checkOwn(proof)
      const row = rowOf(study)
      return row && studyFindings(row)
    },
    async duplicates(proof, limit) {
      checkOwn(proof)
      return await findDuplicates(catalog.allStudies(), limit)
    },
    async readAs(proof, study, encoding) {
      checkOwn(proof)
      const row = rowOf(study)
      return row && (await readDoubt(catalog, row, encoding))
    },
  }
}

/** What opens only to a proof, and what looks without showing. */
function createDoors(
  { holder, clock }: ArchiveOptions,
  reader: ReaderParts,
): Pick<Archive, 'open' | 'search' | 'quarantine' | 'verify'> {
  const { catalog } = reader

  function checkOwn(search: VerifiedSearch): void {
    if (search.organization === holder) return
    throw new ProtocolError('forbidden', 'the proof is for another organization')
  }

  return {
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
    async verify(sop) {
      const row = catalog.instance(sop)
      if (row === undefined) return undefined
      const { study, sopClass } = row
      await using whole = createStudyReader(reader, study)
      return { study, sopClass, isIntact: await isIntact(whole.read(sop)) }
    },
    async quarantine(search) {
      checkOwn(search)
      return (await catalog.quarantine()).map((row) => quarantineEntry(catalog, row))
    },
  }
}

async function isIntact(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const part of bytes) giveBack(part)
    return true
  } catch (error) {
    if (codeOf(error) === 'storage_corrupt') return false
    throw error
  }
}

/** What decisions and the index log are made of. */
function createIndexSource(
  { holder }: ArchiveOptions,
  { catalog, sequence }: { catalog: Catalog; sequence: Sequence },
): Pick<Archive, 'facts' | 'record' | 'changes' | 'counts'> {
  return {
    async counts() {
      const { studies, instances, bytes, quarantined } = catalog.ledger()
      return { studies, instances, bytes, quarantined }
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
      // Whoever follows positions must not miss one that comes later with a lower number.
      const settled = sequence.settled()
      const changes = await catalog.changes(after, limit)
      return changes.filter(({ position }) => position <= settled)
    },
  }
}

function quarantineEntry(
  catalog: Pick<Catalog, 'study'>,
  { seq, reason, entry, origin }: QuarantineRow,
): QuarantineEntry {
  const { sop, study, series, bytes, sha256, receivedAt, attributes } = entry
  const facts = { sop, study, series, bytes, sha256, receivedAt, attributes }
  const known = reason === 'patient-conflict' ? catalog.study(study) : undefined
  const patients = known && {
    received: personOf(attributes),
    study: personOf(known.attributes),
  }
  return { id: String(seq), reason, ...facts, origin, ...(patients && { patients }) }
}

const personOf = (attributes: DicomJson): Person => ({
  id: textOf(attributes, '00100020'),
  name: textOf(attributes, '00100010'),
  birthDate: textOf(attributes, '00100030'),
})
