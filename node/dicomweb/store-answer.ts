import type { ErrorCode } from '#protocol/errors.ts'
import type { Declared, Stored } from '../archive/archive.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import { instancePath, studyPath } from './paths.ts'

/** What became of one instance. */
export type Outcome =
  | { ok: true; declared: Declared; stored: Stored }
  | { ok: false; declared?: Declared; code: ErrorCode }

/** The newcomer is in quarantine and not stored under its UID, which its sender must learn (DQ-09). */
export function outcomeOf(declared: Declared, stored: Stored): Outcome {
  const isConflict = stored.outcome === 'quarantined' && stored.reason === 'uid-conflict'
  return isConflict
    ? { ok: false, declared, code: 'instance_conflict' }
    : { ok: true, declared, stored }
}

/** All stored, some, none (PS3.18 Table 10.5.3-1). */
export function statusOf(outcomes: readonly Outcome[]): 200 | 202 | 409 {
  const stored = outcomes.filter(({ ok }) => ok).length
  return stored === outcomes.length ? 200 : stored > 0 ? 202 : 409
}

/** Failure reasons (PS3.18 Table I.2-2, PS3.7 §C.4). */
function reasonOf(code: ErrorCode): number {
  if (code === 'storage_full' || code === 'storage_failed' || code === 'too_large') return 0xa700
  if (code === 'instance_mismatch') return 0xa900
  if (code === 'instance_conflict') return 0x0111
  if (code === 'unsupported') return 0x0122
  return code.startsWith('instance_') || code === 'bad_request' ? 0xc000 : 0x0110
}

/** Store Instances Response Module (PS3.18 §I.2), with an item for every instance. */
export function answerOf(outcomes: readonly Outcome[], study: string | undefined): DicomJson {
  const stored: DicomJson[] = []
  const failed: DicomJson[] = []
  const studies = new Set<string>()
  for (const outcome of outcomes) {
    if (outcome.ok) {
      studies.add(outcome.stored.study)
      const url = value('UR', instancePath(outcome.stored))
      stored.push({ ...reference(outcome.declared), '00081190': url })
    } else {
      const reason: DicomJsonElement = { vr: 'US', Value: [reasonOf(outcome.code)] }
      failed.push({ ...reference(outcome.declared), '00081197': reason })
    }
  }
  const [only] = studies
  const url = study ?? (studies.size === 1 ? only : undefined)
  return {
    ...(url !== undefined && { '00081190': value('UR', studyPath(url)) }),
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
