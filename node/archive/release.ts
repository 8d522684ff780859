import { createHash } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { readRewritten, rewriteDataSet } from '../dicom/rewrite.ts'
import { element } from './attribute-levels.ts'
import * as keys from './catalog-keys.ts'
import type { QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { hasValidUids } from './filing.ts'
import { createSink } from './ingest.ts'
import type { IngestParts } from './ingest.ts'
import { isOtherPatient } from './intake-rules.ts'
import { systemOf } from './modifications.ts'
import type { OverlayRequest } from './overlay.ts'
import { personal } from './overlay-view.ts'
import type { OverlayDraft } from './overlays.ts'
import { patientOf } from './row-merge.ts'
import { randomAccess } from './verified-read.ts'
import type { ReaderParts } from './study-reader.ts'

export type ReleaseParts = {
  catalog: Catalog
  holder: OrganizationOid
  clock: () => number
  ingest: IngestParts
  reader: ReaderParts
}
type Request = Extract<OverlayRequest, { kind: 'release' }>
type Names = { study: StudyUid; series: SeriesUid; sop: SopUid }

/**
 * Lets quarantined objects in. Under their own UIDs they become visible where they lie. Where a UID is taken, breaks
 * the syntax, or is another patient's study, a copy under new UIDs is stored first; it is seen only once the overlay
 * that names it is there. The original stays in quarantine.
 */
export async function prepareRelease(
  parts: ReleaseParts,
  request: Request,
): Promise<OverlayDraft[]> {
  const rows = [...new Set(request.entries)].map((id) => openEntry(parts.catalog, id))
  const [first] = rows
  if (first === undefined) throw new ProtocolError('bad_request', 'nothing is named')
  if (rows.some(({ entry }) => entry.study !== first.entry.study)) {
    throw new ProtocolError('bad_request', 'objects of several studies are released one by one')
  }
  const plans = rows.map((row) => ({ row, names: namesOf(parts.catalog, row, request.as) }))
  checkPatients(parts.catalog, plans, request.as)
  const isRenamed = ({ row, names }: Plan): boolean => !isSame(row, names)
  const adopt = request.as === 'same-patient' ? { adopt: true as const } : {}
  const drafts: OverlayDraft[] = []
  for (const group of [plans.filter((plan) => !isRenamed(plan)), plans.filter(isRenamed)]) {
    const [leading] = group
    if (leading === undefined) continue
    const quarantined = group.map(({ row }) => row.seq)
    const renamed = isRenamed(leading) ? { renamed: await copies(parts, group, request.as) } : {}
    const target = { level: 'study', study: leading.names.study } as const
    drafts.push({ kind: 'release', target, content: { quarantined, ...adopt, ...renamed } })
  }
  return drafts
}

type Plan = { row: QuarantineRow; names: Names }

function openEntry(catalog: Catalog, id: string): QuarantineRow {
  const row = /^\d{1,16}$/.test(id)
    ? (catalog.read(keys.quarantineKey(Number(id))) as QuarantineRow | undefined)
    : undefined
  if (row === undefined) throw new ProtocolError('not_found', 'no such quarantine entry')
  if (row.released !== undefined) throw new ProtocolError('conflict', 'it was released already')
  return row
}

const isSame = ({ entry }: QuarantineRow, { study, series, sop }: Names): boolean =>
  entry.study === study && entry.series === series && entry.sop === sop

/** Under which UIDs an object comes in: the same ones whenever it is asked. */
function namesOf(catalog: Catalog, { seq, entry }: QuarantineRow, as: Request['as']): Names {
  const isSplit = as === 'other-patient'
  const person = Object.values(patientOf(0, entry.attributes)).map(({ value }) => value)
  const valid = (part: Partial<Names>): boolean =>
    hasValidUids({
      sopClass: '1.2',
      study: '1.2',
      series: '1.2',
      sop: '1.2',
      ...part,
    } as Parameters<typeof hasValidUids>[0])
  const given = (kind: string, uid: string): string => (uid === '' ? `${kind} ${seq}` : uid)
  const study = isSplit
    ? uidOf('study', entry.study, ...person)
    : valid({ study: entry.study })
      ? entry.study
      : uidOf('study', given('study', entry.study))
  const isSeriesKept = study === entry.study && valid({ series: entry.series })
  const series = isSeriesKept ? entry.series : uidOf('series', study, given('series', entry.series))
  const known = catalog.sop(entry.sop)
  const isOwn = known?.study === study && catalog.receivedInstance(entry.sop)?.from === seq
  const isFree = known === undefined || isOwn
  const sop =
    valid({ sop: entry.sop }) && isFree
      ? entry.sop
      : uidOf('sop', as, study, entry.sop, entry.sha256)
  return { study: study as StudyUid, series: series as SeriesUid, sop: sop as SopUid }
}

/** `2.25.` and a name-based UUID in decimal (PS3.5 §B.2, RFC 9562 §5.5): the same names give the same UID. */
export function uidOf(...names: string[]): string {
  const digest = createHash('sha1').update(namespace).update(names.join('\n')).digest()
  const uuid = digest.subarray(0, 16)
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x50
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`
}
/** A UUID of its own for the names that nodes make. */
const namespace = Buffer.from('6f0f2f2b41d54c0a9d5b0b6d2a3f7c11', 'hex')

/** Nothing comes into a study whose patient it does not name, unless somebody says that it is hers. */
function checkPatients(catalog: Catalog, plans: readonly Plan[], as: Request['as']): void {
  for (const { row, names } of plans) {
    const study = catalog.study(names.study)
    if (as === 'same-patient' && study === undefined) {
      throw new ProtocolError('not_found', 'there is no study whose patient this could be')
    }
    if (as === 'same-patient' || study === undefined) continue
    if (isOtherPatient(study, patientOf(0, row.entry.attributes))) {
      throw new ProtocolError('conflict', 'somebody has to say whose study this is')
    }
  }
}

/** Stores copies under their new names; pairs of old and new UIDs. */
async function copies(
  parts: ReleaseParts,
  plans: readonly Plan[],
  as: Request['as'],
): Promise<[string, string][]> {
  const pairs = new Map<string, string>()
  for (const { row, names } of plans) {
    await storeCopy(parts, { row, names }, as)
    for (const level of ['study', 'series', 'sop'] as const) {
      if (row.entry[level] !== names[level]) pairs.set(row.entry[level], names[level])
    }
  }
  return [...pairs]
}

async function storeCopy(
  parts: ReleaseParts,
  { row, names }: Plan,
  as: Request['as'],
): Promise<void> {
  const { catalog, clock, holder, ingest } = parts
  const known = catalog.receivedInstance(names.sop)
  // Stored by an earlier attempt that did not come to its overlay, or by a release that was reverted.
  if (known?.from === row.seq) return
  if (known !== undefined) throw new ProtocolError('conflict', 'the new UID is taken')
  const patient = as === 'same-patient' ? catalog.study(names.study)?.attributes : undefined
  const set: DicomJson = {
    ...(patient && personal(patient)),
    ...changed('00080018', row.entry.sop, names.sop),
    ...changed('0020000D', row.entry.study, names.study),
    ...changed('0020000E', row.entry.series, names.series),
  }
  const common = { at: clock(), system: systemOf(holder), source: '' }
  const data = randomAccess(quarantineReader(parts, row), { ...row.entry, ...row })
  const modification = { ...common, set, reason: 'COERCE' } as const
  const rewritten = await rewriteDataSet(data, row.entry, [modification], row.entry.text)
  const { transferSyntax } = rewritten
  const declared = { sopClass: row.entry.sopClass, sopUid: names.sop, transferSyntax }
  const sink = createSink(ingest, declared, { kind: 'release', entry: row.seq })
  try {
    for await (const part of readRewritten(rewritten)) if (!sink.write(part)) await sink.drain()
    const { outcome } = await sink.finish()
    if (outcome !== 'quarantined') return
  } catch (error) {
    await sink.abort()
    throw error
  }
  throw new ProtocolError('conflict', 'the copy could not be filed')
}

const changed = (tag: string, old: string, uid: string): DicomJson =>
  old === uid ? {} : { [tag]: element('UI', uid) }

/** The bytes of a quarantined object: its chunk digests lie under its own number. */
function quarantineReader({ reader }: ReleaseParts, { seq }: QuarantineRow): ReaderParts {
  const chunks = (): Buffer | undefined => reader.catalog.quarantineChunks(seq)
  return { ...reader, catalog: { ...reader.catalog, chunks, markCorrupt: async () => {} } }
}
