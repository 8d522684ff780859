import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import { SeriesUid as Series, SopUid as Sop, StudyUid as Study } from '#protocol/ids.ts'
import { overlayLimits } from '#protocol/limits.ts'
import type { DicomJson, DicomJsonValue } from '../dicom/dicom-json.ts'
import { textOf } from './attribute-levels.ts'
import type { Identity, InstanceHeader } from './filing.ts'
import { rejectionCodes } from './overlay.ts'
import type { RejectionCode } from './overlay.ts'
import { numbersAt, overlayAt, targetKeyOf } from './overlay-view.ts'
import type { OverlayDraft, Overlays } from './overlays.ts'
import { randomAccess } from './verified-read.ts'
import type { ReaderParts } from './study-reader.ts'

const keyObjectSelection = '1.2.840.10008.5.1.4.1.1.88.59'

/** Whether it may be a note: then what it asks for is done before it is acknowledged. */
export const mayReject = ({ sopClass }: Pick<Identity, 'sopClass'>): boolean =>
  sopClass === keyObjectSelection

type Named = { study: StudyUid; series: SeriesUid; sop: SopUid }
/** What a rejection note says. */
type Note = { code: RejectionCode; instances: Named[] }

type NoteParts = {
  catalog: ReaderParts['catalog']
  reader: ReaderParts
  overlays: Pick<Overlays, 'write'>
}

/**
 * A Key Object Selection whose title is a reason for rejection hides what it refers to, and itself (IHE RAD TF-3,
 * IOCM). Only a registered device may send one: for people there is a door that asks who they are. It is done before
 * the note is acknowledged, and once: a note that comes again changes nothing, also when its effect was reverted.
 */
export async function applyNote(
  { catalog, reader, overlays }: NoteParts,
  { sopClass, study, series, sop }: Identity,
  { origin }: InstanceHeader,
): Promise<void> {
  if (!mayReject({ sopClass })) return
  if (origin.kind !== 'dimse' || origin.device === undefined) return
  if (wasApplied(catalog, { study, series, sop })) return
  const row = catalog.receivedInstance(sop)
  if (row === undefined) return
  const data = randomAccess(reader, row)
  const note = readNote(await reader.readHeader(data, row.transferSyntax, row.headerBytes))
  if (note === undefined) return
  const drafts = draftsOf(note, { study, series, sop })
  await overlays.write(
    { who: `device:${origin.device}`.slice(0, 128), reason: rejectionCodes[note.code] },
    drafts,
  )
}

/** The note hides itself, so its own overlays tell whether it was applied. */
const wasApplied = (catalog: ReaderParts['catalog'], note: Named): boolean =>
  numbersAt(catalog, targetKeyOf({ level: 'instance', ...note })).some((seq) => {
    const overlay = overlayAt(catalog, seq)
    return overlay?.kind === 'reject' && overlay.content.note === note.sop
  })

const titleTag = '0040A043'
const evidenceTag = '0040A375'

/** Undefined: this selection of objects rejects nothing. */
function readNote(header: DicomJson): Note | undefined {
  const [title] = itemsOf(header, titleTag)
  const code = title === undefined ? '' : textOf(title, '00080100')
  if (title === undefined || textOf(title, '00080102') !== 'DCM' || !isRejection(code)) {
    return undefined
  }
  const instances: Named[] = []
  for (const study of itemsOf(header, evidenceTag)) {
    for (const series of itemsOf(study, '00081115')) {
      for (const one of itemsOf(series, '00081199')) {
        const named = {
          study: textOf(study, '0020000D') as StudyUid,
          series: textOf(series, '0020000E') as SeriesUid,
          sop: textOf(one, '00081155') as SopUid,
        }
        if (isValid(named)) instances.push(named)
        if (instances.length >= overlayLimits.noteInstancesMax) return { code, instances }
      }
    }
  }
  return { code, instances }
}

const isRejection = (code: string): code is RejectionCode => code in rejectionCodes

const isValid = ({ study, series, sop }: Named): boolean =>
  Study.safeParse(study).success && Series.safeParse(series).success && Sop.safeParse(sop).success

const itemsOf = (attributes: DicomJson, tag: string): DicomJson[] =>
  (attributes[tag]?.Value ?? []).filter(isItem)

const isItem = (value: DicomJsonValue): value is DicomJson =>
  typeof value === 'object' && value !== null

/** One overlay names as many instances of one study as it holds; the note goes with the last. */
function draftsOf({ code, instances }: Note, note: Named): OverlayDraft[] {
  const drafts: OverlayDraft[] = []
  const byStudy = Map.groupBy([...instances, note], ({ study }) => study)
  for (const [study, named] of byStudy) {
    for (let at = 0; at < named.length; at += overlayLimits.instancesMax) {
      const some = named
        .slice(at, at + overlayLimits.instancesMax)
        .map(({ series, sop }) => ({ series, sop }))
      const content = { code, instances: some, note: note.sop }
      drafts.push({ kind: 'reject', target: { level: 'study', study }, content })
    }
  }
  return drafts
}
