import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { SopUid, StudyUid, Uid } from '#protocol/ids.ts'
import { worklistLimits } from '#protocol/limits.ts'
import { textOf } from '../archive/attribute-levels.ts'
import type { Archive } from '../archive/archive.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import type { Log } from '../log.ts'
import type { ProcedureStep, ProcedureSteps } from '../store/procedure-steps.ts'
import type { Referral, Referrals } from '../store/referrals.ts'
import { createArrivalWatch } from './arrival-watch.ts'
import { AttributeError } from './attribute-error.ts'
import { commandField } from './command-set.ts'
import { requireIdentifier } from './identifier.ts'
import { itemsOf } from './items.ts'
import type { Exchange, Request, Service } from './service.ts'
import { status } from './status.ts'

/** Modality Performed Procedure Step (PS3.4 §F.7). */
export const performedStepClass = '1.2.840.10008.3.1.2.3.3'

const tag = {
  accessionNumber: '00080050',
  study: '0020000D',
  sop: '00081155',
  scheduledStepId: '00400009',
  state: '00400252',
  scheduledSequence: '00400270',
  performedSeries: '00400340',
  images: '00081140',
  others: '00400220',
} as const

/** Type 1 of an N-CREATE (PS3.4 table F.7.2-1). Those of type 2 may be empty, and many devices leave them out. */
const neededAtBeginning = [
  '00080060',
  '00400241',
  '00400244',
  '00400245',
  tag.state,
  '00400253',
  tag.scheduledSequence,
]
/** Type 1 in a final state, whenever it was said. */
const neededAtEnd = ['00400250', '00400251']

/** What only N-CREATE may say (PS3.4 table F.7.2-1): what was scheduled, where and when it began; and see below. */
const saidAtBeginning = new Set([
  '00080060',
  '00081120',
  '00200010',
  '00400241',
  '00400242',
  '00400243',
  '00400244',
  '00400245',
  '00400253',
  '00400270',
])
/** Of the patient and of the visit nothing may be said later. */
const isSaidAtBeginning = (tag: string): boolean =>
  saidAtBeginning.has(tag) || /^00(10|38)/.test(tag)

const states: Record<string, ProcedureStep['state']> = {
  'IN PROGRESS': 'in-progress',
  COMPLETED: 'completed',
  DISCONTINUED: 'discontinued',
}

/** "Performed Procedure Step Object may no longer be updated" (PS3.4 table F.7.2-2). */
const mayNotChange = {
  status: status.processingFailure,
  errorId: 0xa710,
  comment: 'performed procedure step may no longer be updated',
}

export type PerformedStepDeps = {
  steps: ProcedureSteps
  referrals: Pick<Referrals, 'find' | 'get' | 'open' | 'progress'>
  archive: Pick<Archive, 'has' | 'complete' | 'on'>
  organization: string
  audit: (entry: AuditEntry) => Promise<unknown>
  clock: () => number
  random: (bytes: number) => Uint8Array
  log: Log
}

/**
 * Devices say what they do: a step begins (N-CREATE) and ends once (N-SET). Its referral follows, and a study whose
 * instances are all here is complete.
 */
export function createPerformedStep(deps: PerformedStepDeps): Service & Disposable {
  const { steps, log } = deps
  const arrivals = createArrivalWatch(deps)
  return {
    permission: 'performed-step',
    abstractSyntaxes: new Set([performedStepClass]),
    fields: new Set([commandField.createRequest, commandField.attributesSetRequest]),
    async perform(request, exchange) {
      const { identifier, context, command } = request
      const { keys } = await requireIdentifier(identifier, context.transferSyntax)
      const state = states[textOf(keys, tag.state)]
      if (command.field === commandField.createRequest) {
        return begin(deps, { request, exchange, keys, state })
      }
      const isUnknown = state === undefined && tag.state in keys
      if (isUnknown) return exchange.respond(wrongState)
      const changed = await change(steps, request, { keys, state })
      if (changed === undefined) {
        await catchUp(deps, command.sopUid)
        return exchange.respond(mayNotChange)
      }
      // It has ended, whether the rest succeeds or not and whether the device is there to hear of it.
      if (changed.state === 'completed') arrivals.watch(changed)
      if (isWithoutSeries(changed)) {
        log.warn({ device: request.device.id }, 'a performed step is completed without a series')
      }
      await follow(deps, changed, request)
      await exchange.respond({ status: status.success })
    },
    [Symbol.dispose]: () => arrivals[Symbol.dispose](),
  }
}

const wrongState = { status: status.invalidAttributeValue, comment: 'wrong status of a step' }

type Beginning = {
  request: Request
  exchange: Exchange
  keys: DicomJson
  state: ProcedureStep['state'] | undefined
}

async function begin(
  deps: PerformedStepDeps,
  { request, exchange, keys, state }: Beginning,
): Promise<void> {
  const { clock, random, steps } = deps
  needs(keys, neededAtBeginning)
  for (const item of itemsOf(keys, tag.scheduledSequence)) needs(item, [tag.study])
  if (state !== 'in-progress') return exchange.respond(wrongState)
  const sop = request.command.sopUid === '' ? uidOf(random(16)) : request.command.sopUid
  if (!Uid.safeParse(sop).success) throw new ProtocolError('bad_request', 'no UID')
  const scheduled = await scheduledOf(deps.referrals, keys)
  const now = clock()
  const step: ProcedureStep = {
    sop,
    state,
    device: request.device.id,
    ...(scheduled !== undefined && { scheduled }),
    attributes: keys,
    made: [],
    createdAt: now,
    changedAt: now,
  }
  await steps.create(step)
  await follow(deps, step, request)
  return exchange.respond({ status: status.success, sopUid: sop })
}

/** Throws when one of them is missing, or has no value. */
function needs(attributes: DicomJson, tags: readonly string[]): void {
  const missing = tags.filter((tag) => !(tag in attributes))
  if (missing.length > 0) throw new AttributeError('missing', ...missing)
  const empty = tags.filter((tag) => isEmpty(attributes[tag]))
  if (empty.length > 0) throw new AttributeError('empty', ...empty)
}

/** A sequence without items has none, one with an empty item has one. */
const isEmpty = ({ Value = [] }: DicomJsonElement = { vr: '' }): boolean =>
  Value.every((value) => value === null || (typeof value === 'string' && value.trim() === ''))

/** `undefined` when the step has ended. */
async function change(
  steps: ProcedureSteps,
  { command, device }: Request,
  { keys, state }: Pick<Beginning, 'keys' | 'state'>,
): Promise<ProcedureStep | undefined> {
  try {
    return await steps.change(command.sopUid, (before) => {
      if (before.device !== device.id) {
        throw new ProtocolError('forbidden', 'the step is of another device')
      }
      if (before.state !== 'in-progress') throw new ProtocolError('conflict', 'the step has ended')
      const attributes = { ...(before.attributes as DicomJson), ...mayChange(keys) }
      const next = { ...before, state: state ?? before.state, attributes }
      if (next.state !== 'in-progress') needs(attributes, neededAtEnd)
      return { ...next, made: next.state === 'in-progress' ? [] : madeBy(attributes) }
    })
  } catch (error) {
    if (codeOf(error) === 'conflict') return undefined
    throw error
  }
}

/** Devices that say everything once more at the end are many: they are heard, and what they may not change stays. */
const mayChange = (keys: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(keys).filter(([tag]) => !isSaidAtBeginning(tag)))

/** The referral that the step answers: by its number, else by the study that the worklist gave (DQ-19). */
async function scheduledOf(
  referrals: PerformedStepDeps['referrals'],
  keys: DicomJson,
): Promise<ProcedureStep['scheduled']> {
  for (const item of itemsOf(keys, tag.scheduledSequence)) {
    const number = textOf(item, tag.accessionNumber)
    const study = textOf(item, tag.study)
    const found =
      (number === '' ? undefined : await referrals.find(number)) ??
      referrals.open().find((referral) => referral.study === study)
    const step = found && stepOf(found, textOf(item, tag.scheduledStepId))
    if (found !== undefined && step !== undefined) return { referral: found.id, step }
  }
  return undefined
}

/** A device that does not say which step can mean only the only one. */
function stepOf({ steps }: Referral, id: string): string | undefined {
  if (id === '') return steps.length === 1 ? steps[0]?.id : undefined
  return steps.find((step) => step.id === id)?.id
}

/** Instances that the performed series name. */
function madeBy(attributes: DicomJson): ProcedureStep['made'] {
  const studies = itemsOf(attributes, tag.scheduledSequence).map((item) => textOf(item, tag.study))
  const study = StudyUid.safeParse(studies.find((uid) => uid !== ''))
  if (!study.success) return []
  const uids = itemsOf(attributes, tag.performedSeries)
    .flatMap((series) => [...itemsOf(series, tag.images), ...itemsOf(series, tag.others)])
    .map((item) => SopUid.safeParse(textOf(item, tag.sop)))
    .flatMap((uid) => (uid.success ? [uid.data] : []))
  const distinct = [...new Set(uids)].slice(0, worklistLimits.madePerStepMax)
  return distinct.map((sop) => ({ study: study.data, sop }))
}

/**
 * A completed step names its series (PS3.4 table F.7.2-1). A device that names none would repeat itself for ever if it
 * were refused, and its referral never end: it is noticed instead, and completes no study.
 */
const isWithoutSeries = ({ state, attributes }: ProcedureStep): boolean =>
  state === 'completed' && itemsOf(attributes as DicomJson, tag.performedSeries).length === 0

/** The referral's state, and the audit. */
async function follow(
  { referrals, organization, audit }: PerformedStepDeps,
  step: ProcedureStep,
  { origin }: Request,
): Promise<void> {
  const { sop, state, scheduled } = step
  const noSeries = isWithoutSeries(step) ? ', without series' : ''
  const referral =
    scheduled &&
    (await referrals
      .progress(scheduled.referral, { id: scheduled.step, state, performed: sop })
      .catch(ifUnreadable))
  const noReferral = referral === undefined ? ', without referral' : ''
  await audit({
    event: 'procedure-record',
    outcome: 'success',
    organization,
    user: origin.callingAe,
    role: 'device',
    source: origin.address,
    holder: organization,
    detail: `performed step ${state}${noReferral}${noSeries}`,
  })
}

/** What a device did stands, also when the referral it belongs to cannot be read: the device could not mend that. */
function ifUnreadable(error: unknown): undefined {
  if (codeOf(error) !== 'storage_corrupt') throw error
}

/** A device that was not answered, because something failed between its step and the referral, says all of it again. */
async function catchUp({ steps, referrals }: PerformedStepDeps, sop: string): Promise<void> {
  const { scheduled, state } = await steps.get(sop)
  if (scheduled === undefined) return
  const referral = await referrals.get(scheduled.referral).catch(ifUnreadable)
  const step = referral?.steps.find(({ id }) => id === scheduled.step)
  const isBehind = step?.state === 'scheduled' || step?.state === 'in-progress'
  // Another performed step of the same may have begun since.
  if (!isBehind || (step.performed.at(-1) ?? sop) !== sop) return
  await referrals.progress(scheduled.referral, { id: scheduled.step, state, performed: sop })
}

const uidOf = (bytes: Uint8Array): string =>
  `2.25.${BigInt(`0x${Buffer.from(bytes).toString('hex')}`)}`
