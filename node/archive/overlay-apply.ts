import * as keys from './catalog-keys.ts'
import type { Draft } from './catalog-draft.ts'
import { isSaying, targetsOf } from './overlay.ts'
import type { Overlay, Saying } from './overlay.ts'
import { numbersAt, overlayAt, revertedBy, targetKeyOf } from './overlay-view.ts'
import type { StudyRows } from './study-rows.ts'

/**
 * Takes an overlay in: first that it exists, then the rows of what it speaks of are made anew. They depend on which
 * overlays exist and on nothing else, so their order in the log does not matter, nor whether what they speak of has
 * come already.
 */
export async function takeOverlay(draft: Draft, rows: StudyRows, overlay: Overlay): Promise<void> {
  const { seq } = overlay
  if (overlayAt(draft, seq) !== undefined) return
  draft.put(keys.overlayKey(seq), overlay)
  for (const target of targetsOf(overlay)) addNumber(draft, targetKeyOf(target), seq)
  if (isSaying(overlay)) {
    if (overlay.kind === 'release') {
      for (const entry of overlay.content.quarantined) addNumber(draft, keys.releaseKey(entry), seq)
    }
    return await refresh(draft, rows, overlay)
  }
  const earlier = revertedBy(draft, overlay.reverts)
  if (earlier === undefined || earlier > seq) draft.put(keys.revertKey(overlay.reverts), seq)
  const reverted = overlayAt(draft, overlay.reverts)
  if (reverted !== undefined && isSaying(reverted)) await refresh(draft, rows, reverted)
}

function addNumber(draft: Draft, key: string, seq: number): void {
  const numbers = new Set([...numbersAt(draft, key), seq])
  draft.put(
    key,
    [...numbers].sort((a, b) => a - b),
  )
}

async function refresh(draft: Draft, rows: StudyRows, overlay: Saying): Promise<void> {
  const { target } = overlay
  if (target.level === 'patient') {
    const patient = keys.patientKey(target.id, target.issuer)
    const found = await draft.keys(keys.rangeOf('oy', patient))
    for (const key of found) rows.reshow(keys.lastPart(key))
    return
  }
  const entries = overlay.kind === 'release' ? overlay.content.quarantined : []
  for (const entry of entries) await rows.refreshQuarantine(entry)
  await rows.refold(target.study, Math.max(overlay.seq, revertedBy(draft, overlay.seq) ?? 0))
}
