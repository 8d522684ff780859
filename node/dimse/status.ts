import { codeOf, type ErrorCode } from '#protocol/errors.ts'
import type { Stored } from '../archive/archive.ts'

/** Status and Error Comment of a DIMSE response (PS3.7 §C, PS3.4 §B.2.3). */
export type Outcome = { status: number; comment: string }

export const status = {
  success: 0x0000,
  sopClassNotSupported: 0x0122,
  notAuthorized: 0x0124,
  unrecognizedOperation: 0x0211,
  outOfResources: 0xa700,
  dataSetMismatch: 0xa900,
  cannotUnderstand: 0xc000,
  uidConflict: 0xc001,
} as const

/** For people at the modality: fixed texts, so that nothing of a patient can slip into a log of somebody else's. */
const outcomes: Partial<Record<ErrorCode, Outcome>> = {
  storage_full: { status: status.outOfResources, comment: 'archive is full' },
  instance_mismatch: {
    status: status.dataSetMismatch,
    comment: 'data set is not the announced SOP class or instance',
  },
  instance_malformed: { status: status.cannotUnderstand, comment: 'data set is malformed' },
  instance_truncated: { status: status.cannotUnderstand, comment: 'data set is truncated' },
  instance_too_complex: {
    status: status.cannotUnderstand,
    comment: 'data set exceeds the limits of nesting or size',
  },
  too_large: { status: status.cannotUnderstand, comment: 'data set is too large' },
  instance_conflict: {
    status: status.uidConflict,
    comment: 'SOP instance is stored with other content',
  },
  unsupported: { status: status.sopClassNotSupported, comment: 'SOP class is not supported' },
  forbidden: { status: status.notAuthorized, comment: 'not authorized' },
  timeout: { status: status.outOfResources, comment: 'not stored in time, send again' },
}

/** Anything else is our own failure: the sender keeps the instance and tries again. */
const failed: Outcome = { status: status.outOfResources, comment: 'not stored, send again' }

/** Translates a failure for the wire; the only place where DIMSE statuses of failures are chosen. */
export function outcomeOfError(error: unknown): Outcome {
  return outcomes[codeOf(error)] ?? failed
}

/**
 * A duplicate is acknowledged again, an object in quarantine is safe with us: both are success. Other content under
 * a stored SOP Instance UID is not: the sender must learn that its object did not become the instance (DQ-09).
 */
export function outcomeOfStored({ outcome, reason }: Stored): Outcome {
  if (outcome === 'quarantined' && reason === 'uid-conflict') {
    return outcomes.instance_conflict ?? failed
  }
  return { status: status.success, comment: '' }
}
