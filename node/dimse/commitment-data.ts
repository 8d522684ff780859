import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Uid } from '#protocol/ids.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { textOf } from '../archive/attribute-levels.ts'
import { itemsOf } from './items.ts'

/** The one well-known instance of storage commitment (PS3.4 §J.3.5). */
export const commitmentInstance = '1.2.840.10008.1.20.1.1'

/** Types of its events (PS3.4 §J.3.3). */
export const commitmentEvent = { allKept: 1, someMissing: 2 } as const

/** Why an instance is not committed to (PS3.3 §C.14.1.1). */
export const failureReason = {
  processingFailure: 0x0110,
  noSuchInstance: 0x0112,
  classConflict: 0x0119,
} as const

const tag = {
  referencedSopClass: '00081150',
  referencedSopUid: '00081155',
  transaction: '00081195',
  failureReason: '00081197',
  failedSequence: '00081198',
  referencedSequence: '00081199',
} as const

export const Reference = z.strictObject({ sopClass: Uid, sop: Uid })
export type Reference = z.infer<typeof Reference>
export type Failure = Reference & { reason: number }

/** What is asked: whether these instances are kept. */
export const CommitmentRequest = z.strictObject({
  transaction: Uid,
  references: z.array(Reference).min(1).max(commitmentLimits.referencesMax),
})
export type CommitmentRequest = z.infer<typeof CommitmentRequest>

export type CommitmentResult = { transaction: string; kept: Reference[]; failed: Failure[] }

/** Reads the data set of an N-ACTION; throws `bad_request`, and `too_large` for more than one transaction may name. */
export function readCommitmentRequest(data: DicomJson): CommitmentRequest {
  const items = itemsOf(data, tag.referencedSequence)
  if (items.length > commitmentLimits.referencesMax) {
    throw new ProtocolError('too_large', 'too many instances in one request')
  }
  const parsed = CommitmentRequest.safeParse({
    transaction: textOf(data, tag.transaction),
    references: items.map(referenceOf),
  })
  if (parsed.success) return parsed.data
  throw new ProtocolError('bad_request', 'no request for storage commitment')
}

/**
 * Reads the data set of an N-EVENT-REPORT; throws `bad_request`, and `unsupported` for an event of another type. A report
 * that contradicts its own event type says of nothing that it is kept, and what it names on both sides has failed.
 */
export function readCommitmentResult(
  data: DicomJson,
  eventTypeId: number | undefined,
): CommitmentResult {
  const isAllKept = eventTypeId === commitmentEvent.allKept
  if (!isAllKept && eventTypeId !== commitmentEvent.someMissing) {
    throw new ProtocolError('unsupported', 'no such event of storage commitment')
  }
  const transaction = Uid.safeParse(textOf(data, tag.transaction))
  if (!transaction.success) throw new ProtocolError('bad_request', 'a report without transaction')
  const failed = itemsOf(data, tag.failedSequence).map((item) => ({
    ...referenceOf(item),
    reason: Number(textOf(item, tag.failureReason)) || failureReason.processingFailure,
  }))
  const missing = new Set(failed.map(({ sop }) => sop))
  const isSound = isAllKept === (failed.length === 0)
  const named = isSound ? itemsOf(data, tag.referencedSequence).map(referenceOf) : []
  const kept = named.filter(({ sop }) => !missing.has(sop))
  return { transaction: transaction.data, kept, failed }
}

const referenceOf = (item: DicomJson): Reference => ({
  sopClass: textOf(item, tag.referencedSopClass),
  sop: textOf(item, tag.referencedSopUid),
})

export const commitmentRequest = ({ transaction, references }: CommitmentRequest): DicomJson => ({
  [tag.transaction]: { vr: 'UI', Value: [transaction] },
  [tag.referencedSequence]: { vr: 'SQ', Value: references.map(referenceItem) },
})

/** The data set of a report; a sequence that would be empty is left out (PS3.4 table J.3-3). */
export function commitmentReport({ transaction, kept, failed }: CommitmentResult): DicomJson {
  const failedItems = failed.map((failure) => ({
    ...referenceItem(failure),
    [tag.failureReason]: { vr: 'US', Value: [failure.reason] },
  }))
  return {
    [tag.transaction]: { vr: 'UI', Value: [transaction] },
    ...(failed.length > 0 && { [tag.failedSequence]: { vr: 'SQ', Value: failedItems } }),
    ...(kept.length > 0 && {
      [tag.referencedSequence]: { vr: 'SQ', Value: kept.map(referenceItem) },
    }),
  }
}

const referenceItem = ({ sopClass, sop }: Reference): DicomJson => ({
  [tag.referencedSopClass]: { vr: 'UI', Value: [sopClass] },
  [tag.referencedSopUid]: { vr: 'UI', Value: [sop] },
})
