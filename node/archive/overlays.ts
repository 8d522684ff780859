import type { VerifiedCorrection } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { overlayLimits } from '#protocol/limits.ts'
import type { Archive, OverlayEntry, OverlayFilter } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { Catalog } from './catalog.ts'
import { correctionContent, mergeContent, rejectContent, revertContent } from './corrections.ts'
import { overlayRecord, spanOf } from './filing.ts'
import { createLocks } from './locks.ts'
import { actOf, Overlay, targetsOf } from './overlay.ts'
import type { OverlayRequest } from './overlay.ts'
import { numbersAt, overlayAt, patientsOf, revertedBy, targetKeyOf } from './overlay-view.ts'
import { prepareRelease } from './release.ts'
import type { ReleaseParts } from './release.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

export type OverlayParts = ReleaseParts & {
  valueLog: ValueLog
  catalog: Catalog
  sequence: Sequence
  holder: OrganizationOid
  clock: () => number
  /** For a few bytes that are written even when the disk is full. */
  makeRoom: () => Promise<void>
  applied: (overlay: Overlay) => void
}

/** What an overlay says and of what; who, why and when are added when it is written. */
export type OverlayDraft = Pick<Overlay, 'kind' | 'target'> &
  ({ content: object } | { reverts: number })
export type Author = { who: string; reason: string; basis?: string }

export type Overlays = {
  doors: Pick<Archive, 'overlay' | 'overlays'>
  /** For rejection notes, which devices send. */
  write(author: Author, drafts: readonly OverlayDraft[]): Promise<Overlay[]>
}

/** The ways to change what is shown. */
export function createOverlays(parts: OverlayParts): Overlays {
  const { catalog, holder, valueLog, makeRoom } = parts
  /** One at a time: each is decided on what all before it left. */
  const locks = createLocks()

  function check(proof: VerifiedCorrection): void {
    if (proof.organization === holder) return
    throw new ProtocolError('forbidden', 'the proof is for another organization')
  }

  const doors: Overlays['doors'] = {
    async overlay(proof, request) {
      check(proof)
      const reverted = request.kind === 'revert' ? overlayAt(catalog, request.reverts) : undefined
      if (actOf(request, reverted) !== proof.act) {
        throw new ProtocolError('forbidden', 'the proof is for something else')
      }
      // What is released is copied; the others are a few bytes and go on while the disk is full.
      await (request.kind === 'release' ? valueLog.checkSpace() : makeRoom())
      await catalog.check()
      using _ = await locks('overlay')
      const { user, reason, basis } = proof
      const drafts = await draftsOf(parts, request)
      return await write(
        parts,
        { who: user, reason, ...(basis !== undefined && { basis }) },
        drafts,
      )
    },
    async overlays(proof, filter) {
      check(proof)
      return await list(catalog, filter)
    },
  }
  return {
    doors,
    async write(author, drafts) {
      await makeRoom()
      await catalog.check()
      using _ = await locks('overlay')
      return await write(parts, author, drafts)
    },
  }
}

async function draftsOf(parts: OverlayParts, request: OverlayRequest): Promise<OverlayDraft[]> {
  const { catalog } = parts
  if (request.kind === 'release') return await prepareRelease(parts, request)
  if (request.kind === 'correct') return [await correctionContent(catalog, request)]
  if (request.kind === 'merge') return [await mergeContent(catalog, request)]
  if (request.kind === 'reject') return [rejectContent(catalog, request)]
  return [revertContent(catalog, request.reverts)]
}

/** All or none: they are appended together. */
async function write(
  { valueLog, catalog, sequence, clock, applied }: OverlayParts,
  author: Author,
  drafts: readonly OverlayDraft[],
): Promise<Overlay[]> {
  const at = clock()
  const overlays: Overlay[] = []
  const numbers: number[] = []
  try {
    for (const draft of drafts) {
      const seq = sequence.next()
      numbers.push(seq)
      const overlay = Overlay.safeParse({ v: 1, seq, at, ...author, ...draft })
      if (!overlay.success) {
        const [issue] = overlay.error.issues
        throw new ProtocolError('bad_request', `${issue?.path.join('.')}: ${issue?.message}`)
      }
      checkCount(catalog, overlay.data)
      overlays.push(overlay.data)
    }
    const appended = await valueLog.append(overlays.map(overlayRecord))
    for (const [index, overlay] of overlays.entries()) {
      const span = spanOf(appended.slice(index, index + 1))
      await catalog.apply({ kind: 'overlay', overlay, span })
    }
  } finally {
    for (const seq of numbers) sequence.settle(seq)
  }
  for (const overlay of overlays) applied(overlay)
  return overlays
}

function checkCount(catalog: Catalog, overlay: Overlay): void {
  for (const target of targetsOf(overlay)) {
    if (numbersAt(catalog, targetKeyOf(target)).length < overlayLimits.perTargetMax) continue
    throw new ProtocolError('conflict', 'too much has been changed about this already')
  }
}

async function list(catalog: Catalog, filter: OverlayFilter): Promise<OverlayEntry[]> {
  const { kind, offset, limit } = filter
  const found: OverlayEntry[] = []
  let skipped = 0
  for await (const overlay of candidates(catalog, filter)) {
    if (kind !== undefined && overlay.kind !== kind) continue
    if (skipped++ < offset) continue
    if (found.length >= limit) break
    const ended = revertedBy(catalog, overlay.seq)
    found.push({ ...overlay, ...(ended !== undefined && { revertedBy: ended }) })
  }
  return found
}

async function* candidates(catalog: Catalog, filter: OverlayFilter): AsyncGenerator<Overlay> {
  const { study, patient, number } = filter
  if (number !== undefined) {
    const overlay = overlayAt(catalog, number)
    if (overlay !== undefined) yield overlay
    return
  }
  if (study === undefined && patient === undefined) {
    yield* catalog.overlays()
    return
  }
  const numbers = new Set<number>()
  const add = (key: string): void => {
    for (const seq of numbersAt(catalog, key)) numbers.add(seq)
  }
  if (patient !== undefined) add(targetKeyOf({ level: 'patient', ...patient }))
  if (study !== undefined) for (const key of await keysOfStudy(catalog, study)) add(key)
  for (const seq of [...numbers].sort((a, b) => b - a)) {
    const overlay = overlayAt(catalog, seq)
    if (overlay !== undefined) yield overlay
  }
}

/** Of the study, everything in it, and the patients that it belongs to. */
async function keysOfStudy(catalog: Catalog, study: StudyUid): Promise<string[]> {
  const found = [targetKeyOf({ level: 'study', study })]
  for (const level of ['e', 'i']) {
    for await (const page of catalog.keyPages(keys.rangeOf('ot', level, study))) found.push(...page)
  }
  const row = catalog.study(study)
  const patients = row === undefined ? [] : patientsOf(row)
  return [...found, ...patients.map((patient) => keys.targetKey('p', patient))]
}
