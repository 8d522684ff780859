import type { ErrorCode } from '#protocol/errors.ts'
import type { Declared, Stored } from '../archive/archive.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import { instancePath, studyPath } from './paths.ts'

/** What became of one instance. */
export type Outcome =
  | { ok: true; declared: Declared; stored: Stored }
  | { ok: false; declared?: Declared; code: ErrorCode }

/**
 * Other content under a stored SOP Instance UID is a failure although it is kept: its sender must learn that it did not
 * become the instance (DQ-09). Whatever else is in quarantine may become what it says it is, and is safe with us.
 */
export function outcomeOf(declared: Declared, stored: Stored): Outcome {
  const isConflict = stored.outcome === 'quarantined' && stored.reason === 'uid-conflict'
  return isConflict
    ? { ok: false, declared, code: 'instance_conflict' }
    : { ok: true, declared, stored }
}

/** All stored, some or with warnings, none (PS3.18 Table 10.5.3-1). */
export function statusOf(outcomes: readonly Outcome[]): 200 | 202 | 409 {
  const stored = outcomes.filter(({ ok }) => ok).length
  if (stored === 0) return 409
  return stored === outcomes.length && !outcomes.some(isQuarantined) ? 200 : 202
}

const isQuarantined = (outcome: Outcome): boolean =>
  outcome.ok && outcome.stored.outcome === 'quarantined'

/** Our own, where PS3.18 Table I.2-1 has none: it is kept, and cannot be retrieved until somebody lets it in. */
const quarantined = 0xb001

/** Failure reasons (PS3.18 Table I.2-2, PS3.7 §C.4). */
function reasonOf(code: ErrorCode): number {
  if (code === 'storage_full' || code === 'storage_failed' || code === 'too_large') return 0xa700
  if (code === 'instance_mismatch') return 0xa900
  if (code === 'instance_conflict') return 0x0111
  if (code === 'unsupported') return 0x0122
  return code.startsWith('instance_') || code === 'bad_request' ? 0xc000 : 0x0110
}

/** Store Instances Response Module (PS3.18 §I.2), with an item for every instance. */
export function answerOf(outcomes: readonly Outcome[]): DicomJson {
  const stored: DicomJson[] = []
  const failed: DicomJson[] = []
  const studies = new Set<string>()
  for (const outcome of outcomes) {
    const names = reference(outcome.declared)
    if (!outcome.ok) {
      failed.push({ ...names, '00081197': number(reasonOf(outcome.code)) })
    } else if (isQuarantined(outcome)) {
      stored.push({ ...names, '00081190': value('UR', ''), '00081196': number(quarantined) })
    } else {
      studies.add(outcome.stored.study)
      stored.push({ ...names, '00081190': value('UR', instancePath(outcome.stored)) })
    }
  }
  const [only] = studies
  const url = studies.size === 1 && only !== undefined ? studyPath(only) : ''
  return {
    '00081190': value('UR', url),
    ...(failed.length > 0 && { '00081198': { vr: 'SQ', Value: failed } }),
    ...(stored.length > 0 && { '00081199': { vr: 'SQ', Value: stored } }),
  }
}

const reference = (declared: Declared | undefined): DicomJson => ({
  '00081150': value('UI', declared?.sopClass ?? ''),
  '00081155': value('UI', declared?.sopUid ?? ''),
})

const value = (vr: string, text: string): DicomJsonElement =>
  text === '' ? { vr } : { vr, Value: [text] }

const number = (of: number): DicomJsonElement => ({ vr: 'US', Value: [of] })
