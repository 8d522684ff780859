import { z } from 'zod'
import type { CorrectionAct } from '#protocol/authorize.ts'
import { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import { overlayLimits } from '#protocol/limits.ts'

/**
 * The truth about what was received wrong. An overlay is a record of the value log that changes what is shown and
 * never what was received; it is as durable as an instance, and it ends when another record names it in `reverts`.
 */
export const OverlayTarget = z.discriminatedUnion('level', [
  /** All studies of one patient: identifier and who issued it (empty when no study says). */
  z.strictObject({
    level: z.literal('patient'),
    id: z.string().min(1).max(128),
    issuer: z.string().max(128),
  }),
  z.strictObject({ level: z.literal('study'), study: StudyUid }),
  z.strictObject({ level: z.literal('series'), study: StudyUid, series: SeriesUid }),
  z.strictObject({ level: z.literal('instance'), study: StudyUid, series: SeriesUid, sop: SopUid }),
])
export type OverlayTarget = z.infer<typeof OverlayTarget>

const Tag = z.string().regex(/^[0-9A-F]{8}$/, 'not a tag GGGGEEEE')
/** Values as DICOM writes them: names with `^` and `=`, numbers in decimal; none: the attribute is empty. */
const Values = z.array(z.string().max(overlayLimits.valueChars)).max(overlayLimits.valuesMax)

export const CorrectedAttribute = z.strictObject({ tag: Tag, old: Values, new: Values })
export type CorrectedAttribute = z.infer<typeof CorrectedAttribute>

/** Whom another patient's studies are shown under. */
export const Survivor = z.strictObject({
  id: z.string().min(1).max(128),
  issuer: z.string().max(128),
  /** `Иванов^Пётр`; empty: the studies keep what they say themselves. */
  name: z.string().max(324),
  birthDate: z.string().regex(/^(\d{8})?$/, 'not a DICOM date'),
  sex: z.enum(['M', 'F', 'O', '']),
})
export type Survivor = z.infer<typeof Survivor>

/** Why something is rejected (PS3.16 CID 7011; IHE RAD TF-3 IOCM). */
export const rejectionCodes = {
  '113001': 'Rejected for Quality Reasons',
  '113037': 'Rejected for Patient Safety Reasons',
  '113038': 'Incorrect Modality Worklist Entry',
  '113039': 'Data Retention Policy Expired',
} as const
export type RejectionCode = keyof typeof rejectionCodes
const RejectionCode = z.enum(['113001', '113037', '113038', '113039'])

const Instances = z
  .array(z.strictObject({ series: SeriesUid, sop: SopUid }))
  .min(1)
  .max(overlayLimits.instancesMax)

/** What became of quarantined objects. */
export const Release = z.strictObject({
  /** Numbers of the quarantine entries. */
  quarantined: z.array(z.int().min(1)).min(1).max(overlayLimits.quarantinedMax),
  /** They belong to the study's patient, whatever they say themselves (DQ-10, the same patient). */
  adopt: z.literal(true).exactOptional(),
  /** They are kept as copies under other UIDs; each pair is the old and the new one (DQ-09, DQ-10, DQ-11). */
  renamed: z
    .array(z.tuple([z.string().max(4096), z.string().max(64)]))
    .max(3 * overlayLimits.quarantinedMax)
    .exactOptional(),
})
export type Release = z.infer<typeof Release>

const acts = {
  correct: z.strictObject({
    kind: z.literal('correct'),
    content: z.strictObject({
      attributes: z.array(CorrectedAttribute).min(1).max(overlayLimits.attributesMax),
    }),
  }),
  merge: z.strictObject({
    kind: z.literal('merge'),
    content: z.strictObject({ survivor: Survivor }),
  }),
  reject: z.strictObject({
    kind: z.literal('reject'),
    content: z.strictObject({
      code: RejectionCode,
      /** Some instances of the target study; absent: the whole target. */
      instances: Instances.exactOptional(),
      /** SOP Instance UID of the rejection note that asked for it; it is hidden too. */
      note: SopUid.exactOptional(),
    }),
  }),
  release: z.strictObject({ kind: z.literal('release'), content: Release }),
  reverts: z.strictObject({
    kind: z.enum(['unmerge', 'restore', 'revert']),
    /** Number of the overlay that this one ends. */
    reverts: z.int().min(1),
  }),
}

const head = {
  v: z.literal(1),
  /** Its number among all records of this archive. */
  seq: z.int().min(1),
  target: OverlayTarget,
  /** Milliseconds. */
  at: z.int().min(0),
  /** The user, or `device:<id>` for a rejection note that a device sent. */
  who: z.string().min(1).max(128),
  reason: z.string().min(1).max(overlayLimits.reasonChars),
  /** The document that it rests on, when there is one. */
  basis: z.string().max(overlayLimits.reasonChars).exactOptional(),
}

export const Overlay = z.union([
  acts.correct.extend(head),
  acts.merge.extend(head),
  acts.reject.extend(head),
  acts.release.extend(head),
  acts.reverts.extend(head),
])
export type Overlay = z.infer<typeof Overlay>
export type OverlayOf<Kind extends Overlay['kind']> = Extract<Overlay, { kind: Kind }>
/** An overlay that says something itself. */
export type Saying = Exclude<Overlay, { reverts: number }>

export const isSaying = (overlay: Overlay): overlay is Saying => !('reverts' in overlay)

/** What a caller asks for; who, why and when come from the proof and the clock. */
export type OverlayRequest =
  | {
      kind: 'correct'
      target: OverlayTarget
      attributes: readonly { tag: string; new: readonly string[] }[]
    }
  | { kind: 'merge'; target: Extract<OverlayTarget, { level: 'patient' }>; survivor: Survivor }
  | {
      kind: 'reject'
      target: Exclude<OverlayTarget, { level: 'patient' }>
      code: RejectionCode
      instances?: readonly { series: SeriesUid; sop: SopUid }[]
      note?: SopUid
    }
  | {
      kind: 'release'
      entries: readonly string[]
      as: 'received' | 'same-patient' | 'other-patient'
    }
  | { kind: 'revert'; reverts: number }

/** What a proof must allow for it. */
export function actOf(request: OverlayRequest, reverted?: Overlay): CorrectionAct {
  const kind = request.kind === 'revert' ? reverted?.kind : request.kind
  if (kind === 'merge') return 'patients'
  if (kind === 'reject') return 'rejection'
  if (kind !== 'correct') return 'quarantine'
  return attributesOf(request, reverted).every(({ tag }) => tag.startsWith('0010'))
    ? 'demographics'
    : 'attributes'
}

function attributesOf(request: OverlayRequest, reverted?: Overlay): readonly { tag: string }[] {
  if (request.kind === 'correct') return request.attributes
  return reverted?.kind === 'correct' ? reverted.content.attributes : []
}

/** Everything that an overlay speaks of. */
export function targetsOf(overlay: Overlay): OverlayTarget[] {
  const { target } = overlay
  if (overlay.kind !== 'reject' || target.level === 'patient') return [target]
  const { instances } = overlay.content
  if (instances === undefined) return [target]
  return instances.map((one) => ({ level: 'instance', study: target.study, ...one }))
}
