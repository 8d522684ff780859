import { codeOf, type ErrorCode } from '#protocol/errors.ts'
import type { Stored } from '../archive/archive.ts'
import { tagNumber } from '../dicom/dictionary.ts'
import { AttributeError } from './attribute-error.ts'
import { commandField, type Answer } from './command-set.ts'

/** Status and Error Comment of a DIMSE response (PS3.7 §C, PS3.4 §B.2.3), and which attributes are why. */
export type Outcome = Pick<Answer, 'status' | 'attributes' | 'offending'> & { comment: string }

export const status = {
  success: 0x0000,
  pending: 0xff00,
  /** Pending, and some optional keys were not matched on. */
  pendingKeysUnsupported: 0xff01,
  cancelled: 0xfe00,
  invalidAttributeValue: 0x0106,
  processingFailure: 0x0110,
  duplicateInstance: 0x0111,
  noSuchInstance: 0x0112,
  noSuchEventType: 0x0113,
  invalidArgumentValue: 0x0115,
  missingAttribute: 0x0120,
  missingAttributeValue: 0x0121,
  noSuchAction: 0x0123,
  sopClassNotSupported: 0x0122,
  notAuthorized: 0x0124,
  unrecognizedOperation: 0x0211,
  resourceLimitation: 0x0213,
  outOfResources: 0xa700,
  /** Of a retrieval: no sub-operation succeeded. */
  unableToPerform: 0xa702,
  unknownDestination: 0xa801,
  dataSetMismatch: 0xa900,
  warning: 0xb000,
  cannotUnderstand: 0xc000,
  uidConflict: 0xc001,
} as const

/** Another response follows this one (PS3.7 §C.1.3). */
export const isPending = (code: number): boolean =>
  code === status.pending || code === status.pendingKeysUnsupported

/** Done, with a reservation (PS3.7 §C.1.2). */
export const isWarning = (code: number): boolean =>
  code === 0x0001 || code === 0x0107 || code === 0x0116 || code >> 12 === 0xb

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

type Outcomes = Partial<Record<ErrorCode, Outcome>>

/** What means the same whatever was asked. */
const ofRequests: Outcomes = {
  forbidden: { status: status.notAuthorized, comment: 'not authorized' },
  not_found: { status: status.noSuchInstance, comment: 'no such SOP instance' },
  conflict: { status: status.duplicateInstance, comment: 'SOP instance exists' },
}

/** Of queries and retrieval: for them other codes mean other statuses (PS3.4 §C.4). */
const failures: Outcomes = {
  ...ofRequests,
  bad_request: { status: status.dataSetMismatch, comment: 'identifier does not match SOP class' },
  instance_malformed: { status: status.dataSetMismatch, comment: 'identifier is malformed' },
  instance_truncated: { status: status.dataSetMismatch, comment: 'identifier is truncated' },
  unsupported: { status: status.cannotUnderstand, comment: 'not supported' },
  too_large: { status: status.outOfResources, comment: 'more than can be asked for at once' },
}

const noRoom = { status: status.resourceLimitation, comment: 'more than there is room for' }

/** Of DIMSE-N services (PS3.7 §10.1, §C.5), which know no statuses of PS3.4 but their own. */
const normalized: Outcomes = {
  ...ofRequests,
  bad_request: {
    status: status.invalidArgumentValue,
    comment: 'data set does not say what it must',
  },
  instance_malformed: { status: status.processingFailure, comment: 'data set is malformed' },
  instance_truncated: { status: status.processingFailure, comment: 'data set is truncated' },
  too_large: noRoom,
  unavailable: noRoom,
}
const ofAttributes: Outcomes = {
  ...normalized,
  bad_request: { status: status.invalidAttributeValue, comment: 'attributes are missing or wrong' },
}
const ofEvents: Outcomes = {
  ...normalized,
  unsupported: { status: status.noSuchEventType, comment: 'no such event type' },
}
const normalizedFailures: ReadonlyMap<number, Outcomes> = new Map([
  [commandField.eventReportRequest, ofEvents],
  [commandField.actionRequest, normalized],
  [commandField.createRequest, ofAttributes],
  [commandField.attributesSetRequest, ofAttributes],
])

/** Translates a failure of a service beside storage, for the request with this Command Field. */
export function outcomeOfFailure(error: unknown, field: number): Outcome {
  const known = normalizedFailures.get(field) ?? failures
  if (error instanceof AttributeError) {
    if (known === ofAttributes) return outcomeOfAttributes(error)
    if (known === failures) return outcomeOfKeys(error)
  }
  return known[codeOf(error)] ?? { status: status.processingFailure, comment: 'request failed' }
}

/** They go into the Attribute Identifier List (0000,1005) of a DIMSE-N response (PS3.7 §C.5). */
const outcomeOfAttributes = ({ problem, message, tags }: AttributeError): Outcome => ({
  status: problem === 'missing' ? status.missingAttribute : status.missingAttributeValue,
  comment: message,
  attributes: tags.map(tagNumber),
})

/** Offending Elements (0000,0901) of a query or retrieval (PS3.4 table C.4-1). */
const outcomeOfKeys = ({ message, tags }: AttributeError): Outcome => ({
  status: status.dataSetMismatch,
  comment: message,
  offending: tags.map(tagNumber),
})

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
