import * as keys from './catalog-keys.ts'
import type { Draft } from './catalog-draft.ts'
import { changeSeq, emptyStudy, isVisible, standingOf, stateOf } from './catalog-rows.ts'
import type {
  Completion,
  InstanceRow,
  QuarantineRow,
  SeriesRow,
  SopRow,
  StudyRow,
} from './catalog-rows.ts'
import {
  baseOf,
  patientsOf,
  releaseOf,
  viewInstance,
  viewSeries,
  viewStudy,
} from './overlay-view.ts'
import {
  instanceRow,
  isAway,
  mergeSeries,
  mergeStudy,
  noteArrival,
  quarantineRow,
  searchKeysOf,
  sopRow,
  withAway,
} from './row-merge.ts'
import type { InstanceChange } from './row-merge.ts'
import { needsCorrection } from './study-quality.ts'

/**
 * Rows of studies, series and instances: what the instances received so far say, seen through the overlays in force.
 * A promise is returned only where rows have to be looked for.
 */
export type StudyRows = {
  takeInstance(change: InstanceChange): Promise<void> | undefined
  takeCompletion(completion: Completion): Promise<void> | undefined
  /** Makes everything of a study anew: something in it is hidden, shown or called differently. */
  refold(study: StudyRow['study'], touchedSeq?: number): Promise<void>
  /** A patient of the study is shown differently. */
  reshow(study: string): void
  /** A quarantine entry was released, or its release reverted. */
  refreshQuarantine(entry: number): Promise<void> | undefined
}

export function createStudyRows(draft: Draft, node: string): StudyRows {
  const parts: Parts = { draft, node }
  return {
    takeInstance: (change) => takeInstance(parts, change),
    takeCompletion: (completion) => takeCompletion(parts, completion),
    refold: (study, touchedSeq) => refold(parts, study, touchedSeq),
    reshow(study) {
      const before = draft.study(study)
      if (before !== undefined) changeStudy(parts, before, { row: baseOf(before), isAnew: true })
    },
    refreshQuarantine: (entry) => refreshQuarantine(parts, entry),
  }
}

type Parts = { draft: Draft; node: string }

function takeInstance(parts: Parts, change: InstanceChange): Promise<void> | undefined {
  const { draft } = parts
  const { filing, chunks } = change
  if (filing.reason !== undefined) return takeQuarantined(parts, change)
  const known = draft.read(keys.sopKey(filing.sop)) as SopRow | undefined
  const row = instanceRow(filing, change)
  if (known !== undefined) {
    replace(parts, { row, sop: sopRow(filing), chunks }, known)
    return undefined
  }
  fileInstance(parts, { row, sop: sopRow(filing), chunks })
  return undefined
}

const empty = Buffer.alloc(0)

type Filed = { row: InstanceRow; sop: SopRow; chunks: Buffer }

function fileInstance(parts: Parts, filed: Filed): void {
  const { draft } = parts
  const { study, series } = filed.row
  const before = draft.study(study)
  const row = putInstance(parts, filed, before)
  const base = before === undefined ? emptyStudy(study) : baseOf(before)
  if (row.hidden === true) return changeStudy(parts, before, { row: noteArrival(base, row) })
  const known = draft.series(study, series)
  const merged = mergeSeries(known && baseOf(known), row)
  draft.putSeries(isTouched(before) ? viewSeries(draft, merged) : merged)
  if (known === undefined) draft.putBytes(keys.seriesStudyKey(series, study), empty)
  changeStudy(parts, before, { row: mergeStudy(base, row, known === undefined) })
}

/** Without an overlay on it or in it, nothing of a study has to be looked up. */
const isTouched = (study: StudyRow | undefined): boolean => (study?.touchedSeq ?? 0) > 0

function putInstance(
  { draft }: Parts,
  { row, sop, chunks }: Filed,
  before?: StudyRow,
): InstanceRow {
  const { study, series } = row
  const isSeen = isTouched(before) || row.from !== undefined
  const viewed = isSeen ? viewInstance(draft, row) : row
  draft.put(keys.sopKey(row.sop), sop)
  draft.put(keys.instanceKey(study, series, row.sop), viewed)
  draft.putBytes(keys.chunksKey(row.sop), chunks)
  return viewed
}

/** The same instance again: a copy that was repaired, moved, or is elsewhere now. The newer record stands. */
function replace(parts: Parts, filed: Filed, known: SopRow): void {
  const { sop } = filed
  if (known.sha256 !== sop.sha256 || standingOf(known) >= standingOf(sop)) return
  const { draft } = parts
  const { study, series } = filed.row
  const before = draft.read(keys.instanceKey(study, series, filed.row.sop)) as
    | InstanceRow
    | undefined
  const row = putInstance(parts, filed, draft.study(sop.study))
  draft.remove(keys.corruptKey(row.sop))
  // What is hidden is not counted.
  if (before === undefined || before.hidden === true) return
  const more = Number(isAway(row)) - Number(isAway(before))
  const [ofSeries, ofStudy] = [draft.series(study, series), draft.study(study)]
  if (more !== 0 && ofSeries !== undefined) draft.putSeries(withAway(ofSeries, more))
  if (more !== 0 && ofStudy !== undefined) draft.putStudy(withAway(ofStudy, more))
}

function takeQuarantined(parts: Parts, change: InstanceChange): Promise<void> | undefined {
  const { draft } = parts
  const { filing } = change
  const key = keys.quarantineKey(filing.seq)
  const known = draft.read(key) as QuarantineRow | undefined
  if (known !== undefined && standingOf(known) >= standingOf(filing)) return undefined
  const row = quarantineRow(filing, change)
  if (row === undefined) return undefined
  const { released, filed } = known ?? {}
  draft.put(key, { ...row, ...(released && { released }), ...(filed && { filed }) })
  draft.putBytes(keys.quarantineChunksKey(filing.seq), change.chunks)
  draft.put(keys.quarantinedKey(filing.sop, filing.sha256), filing.seq)
  if (known === undefined) draft.count({ quarantined: 1 })
  return refreshQuarantine(parts, filing.seq)
}

function refreshQuarantine(parts: Parts, entry: number): Promise<void> | undefined {
  const { draft } = parts
  const key = keys.quarantineKey(entry)
  const known = draft.read(key) as QuarantineRow | undefined
  if (known === undefined) return undefined
  const release = releaseOf(draft, entry)
  if (release === undefined && known.released === undefined) return undefined
  const { released: _, filed: wasFiled, ...kept } = known
  const isFiled = release !== undefined && release.content.renamed === undefined
  const row: QuarantineRow = {
    ...kept,
    ...(release && { released: release.seq }),
    ...(isFiled && { filed: true as const }),
  }
  draft.put(key, row)
  const isOpen = (one: QuarantineRow): number => (one.released === undefined ? 1 : 0)
  draft.count({ quarantined: isOpen(row) - isOpen(known) })
  if (isFiled) {
    const chunks = draft.readBytes(keys.quarantineChunksKey(entry)) ?? empty
    const filed = filedOf(row, chunks, release.content.adopt === true)
    const other = draft.read(keys.sopKey(row.entry.sop)) as SopRow | undefined
    if (other === undefined) fileInstance(parts, filed)
    else if (other.seq === row.seq) putInstance(parts, filed, draft.study(filed.row.study))
    return undefined
  }
  return wasFiled === true ? unfile(parts, row) : undefined
}

function filedOf(
  { seq, copy, reason, entry, location }: QuarantineRow,
  chunks: Buffer,
  adopted: boolean,
): Filed {
  const { study, series, sha256 } = entry
  const numbers = { seq, ...(copy !== undefined && { copy }) }
  return {
    row: { ...entry, ...numbers, reason, location, ...(adopted && { adopted }) },
    sop: { study, series, sha256, ...numbers },
    chunks,
  }
}

async function unfile(parts: Parts, { seq, entry }: QuarantineRow): Promise<void> {
  const { draft } = parts
  const { study, series, sop } = entry
  const known = draft.read(keys.sopKey(sop)) as SopRow | undefined
  if (known?.seq !== seq) return
  draft.remove(keys.sopKey(sop))
  draft.remove(keys.instanceKey(study, series, sop))
  draft.remove(keys.chunksKey(sop))
  await refold(parts, study)
}

function takeCompletion(parts: Parts, { study, seq }: Completion): Promise<void> | undefined {
  const before = parts.draft.study(study)
  const base = before === undefined ? emptyStudy(study) : baseOf(before)
  const first = base.firstCompleteSeq === 0 ? seq : Math.min(base.firstCompleteSeq, seq)
  const completeSeq = Math.max(base.completeSeq, seq)
  changeStudy(parts, before, { row: { ...base, completeSeq, firstCompleteSeq: first } })
  // Instances that came later were counted before this was known: only when the log is read again out of order.
  const isMiscounted = first !== base.firstCompleteSeq && base.instanceSeq > first
  return isMiscounted ? refold(parts, study) : undefined
}

async function refold(parts: Parts, study: StudyRow['study'], touchedSeq = 0): Promise<void> {
  const { draft } = parts
  const before = draft.study(study)
  const { completeSeq, firstCompleteSeq, ...known } = before ?? emptyStudy(study)
  let row: StudyRow = {
    ...emptyStudy(study),
    completeSeq,
    firstCompleteSeq,
    touchedSeq: Math.max(known.touchedSeq, touchedSeq),
  }
  const found = new Map<string, SeriesRow>()
  for (const key of await draft.keys(keys.rangeOf('i', study))) {
    const instance = draft.read(key) as InstanceRow
    const viewed = viewInstance(draft, instance)
    if (isChanged(instance, viewed)) draft.put(key, viewed)
    if (viewed.hidden === true) {
      row = noteArrival(row, viewed)
      continue
    }
    const series = found.get(viewed.series)
    found.set(viewed.series, mergeSeries(series, viewed))
    row = mergeStudy(row, viewed, series === undefined)
  }
  for (const key of await draft.keys(keys.rangeOf('e', study))) {
    const uid = keys.lastPart(key)
    draft.removeSeries(study, uid)
    draft.remove(keys.seriesStudyKey(uid, study))
  }
  for (const series of found.values()) {
    draft.putSeries(viewSeries(draft, series))
    draft.putBytes(keys.seriesStudyKey(series.series, study), empty)
  }
  changeStudy(parts, before, { row, isAnew: true })
}

const isChanged = (a: InstanceRow, b: InstanceRow): boolean =>
  a.hidden !== b.hidden || JSON.stringify(a.shown) !== JSON.stringify(b.shown)

/** The study's row, from what instances say of it, and everything that points at it. */
function changeStudy(
  { draft, node }: Parts,
  before: StudyRow | undefined,
  { row: base, isAnew = false }: { row: StudyRow; isAnew?: boolean },
): void {
  const row = (isAnew ? undefined : viewAgain(before, base)) ?? viewStudy(draft, base, node)
  draft.putStudy(row)
  const old = before === undefined ? [] : pointersOf(before)
  const now = pointersOf(row)
  for (const key of old) if (!now.includes(key)) draft.remove(key)
  for (const key of now) if (!old.includes(key)) draft.putBytes(key, empty)
  if (before !== undefined && changeSeq(before) !== changeSeq(row)) {
    draft.remove(keys.changeKey(changeSeq(before), row.study))
  }
  draft.putBytes(keys.changeKey(changeSeq(row), row.study), empty)
  if (stateOf(row) === 'complete') draft.remove(keys.openKey(row.study))
  else draft.put(keys.openKey(row.study), row.lastReceivedAt)
  const counted = (one: StudyRow | undefined) =>
    one !== undefined && isVisible(one)
      ? { studies: 1, instances: one.instances, bytes: one.bytes }
      : { studies: 0, instances: 0, bytes: 0 }
  const [was, is] = [counted(before), counted(row)]
  draft.count({
    studies: is.studies - was.studies,
    instances: is.instances - was.instances,
    bytes: is.bytes - was.bytes,
  })
}

/** Most instances change nothing that overlays could bear on: what is shown stays. */
function viewAgain(before: StudyRow | undefined, base: StudyRow): StudyRow | undefined {
  const isSame =
    before?.firstSeq === base.firstSeq && (before.received ?? before.attributes) === base.attributes
  if (before === undefined || !isSame || !isVisible(before)) return undefined
  const { attributes, received, shown, also, patients, overlaySeq } = before
  return {
    ...base,
    attributes,
    overlaySeq,
    ...(received && { received }),
    ...(shown && { shown }),
    ...(also && { also }),
    ...(patients && { patients }),
  }
}

/** Keys by which a study is found: as one in a list, by its patient, and by what must be corrected. */
function pointersOf(row: StudyRow): readonly string[] {
  const known = pointers.get(row)
  if (known !== undefined) return known
  const made = makePointers(row)
  pointers.set(row, made)
  return made
}

/** A row comes twice: as what it is now, and before the next instance as what it was. */
const pointers = new WeakMap<StudyRow, readonly string[]>()

function makePointers(row: StudyRow): string[] {
  const patients = patientsOf(row).map((patient) => keys.patientStudyKey(patient, row.study))
  const attention = needsCorrection(row) ? [keys.attentionKey(row.study)] : []
  return isVisible(row) ? [...searchKeysOf(row), ...patients, ...attention] : patients
}
