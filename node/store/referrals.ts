import { z } from 'zod'
import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { StudyUid, Uid, Ulid, ulid } from '#protocol/ids.ts'
import { worklistLimits } from '#protocol/limits.ts'
import type { LoadOptions, RecordChange, Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

/** No backslash, no control characters: such a value is one value in DICOM (PS3.5 §6.2). */
const text = (max: number) =>
  z
    .string()
    .trim()
    .max(max)
    .regex(/^[^\\\p{Cc}]*$/u)
const optionalText = (max: number) => text(max).default('')
const date = z.string().regex(/^\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/)
const time = z.string().regex(/^([01]\d|2[0-3])[0-5]\d[0-5]\d$/)

export const stepStates = ['scheduled', 'in-progress', 'completed', 'discontinued'] as const
export type StepState = (typeof stepStates)[number]
export const outcomes = ['completed', 'discontinued'] as const satisfies StepState[]
export type Outcome = (typeof outcomes)[number]

/** One scheduled procedure step (PS3.3 §C.4.10): what one apparatus is to do. */
export const ScheduledStep = z.strictObject({
  /** Unique within its referral (SH). */
  id: text(16).min(1),
  modality: z.string().regex(/^[A-Z0-9_ ]{1,16}$/),
  /** Empty: whatever apparatus asks. */
  stationAe: optionalText(16),
  stationName: optionalText(16),
  /** `YYYYMMDD`, `HHMMSS`, where the node stands. */
  startDate: date,
  startTime: time.default('000000'),
  description: optionalText(64),
  performer: optionalText(64),
})

const PatientOfReferral = z.strictObject({
  id: text(64).min(1),
  issuer: optionalText(64),
  /** `Иванов^Иван^Иванович` */
  name: text(64).min(1),
  birthDate: z.union([date, z.literal('')]).default(''),
  sex: z.enum(['M', 'F', 'O', '']).default(''),
})

/** What whoever refers a patient says (направление). */
export const NewReferral = z.strictObject({
  /** Number of the referral; made when absent. */
  accessionNumber: text(16).min(1).exactOptional(),
  patient: PatientOfReferral,
  urgency: z.enum(['emergency', 'urgent', 'planned']).default('planned'),
  procedure: z.strictObject({ id: optionalText(16), description: optionalText(64) }).prefault({}),
  referringPhysician: optionalText(64),
  /** ICD-10. */
  diagnosis: z.union([z.string().regex(/^[A-Z]\d{2}(\.\d{1,2})?$/), z.literal('')]).default(''),
  question: optionalText(1024),
  steps: z.array(ScheduledStep).min(1).max(worklistLimits.stepsMax),
})
export type NewReferral = z.infer<typeof NewReferral>

export const Referral = NewReferral.extend({
  id: Ulid,
  accessionNumber: text(16).min(1),
  /** Devices are told to use this Study Instance UID. */
  study: StudyUid,
  state: z.enum([...stepStates, 'cancelled']),
  steps: z.array(
    ScheduledStep.extend({
      state: z.enum(stepStates),
      /** SOP Instance UIDs of the performed procedure steps. */
      performed: z.array(Uid).max(worklistLimits.performedPerStepMax),
    }),
  ),
  createdAt: z.int(),
  createdBy: z.string().max(128),
  changedAt: z.int(),
})
export type Referral = z.infer<typeof Referral>
export type ReferralStep = Referral['steps'][number]

/** The referrals this node keeps: open ones in memory, closed ones on the disk. */
export type Referrals = {
  create(given: NewReferral, by: string): Promise<Referral>
  /** Throws `not_found`, or `storage_corrupt` for one that cannot be read. */
  get(id: string): Promise<Referral>
  /** By its number, when it can be read; closed ones too. */
  find(accessionNumber: string): Promise<Referral | undefined>
  /** Those that devices are to see. */
  open(): Referral[]
  /** Closed ones, the oldest first. */
  closed(options: { after?: string; limit: number }): Promise<Referral[]>
  /** Throws `conflict` once work has begun or ended. */
  change(id: string, given: NewReferral): Promise<Referral>
  cancel(id: string): Promise<Referral>
  /**
   * Ends one whose apparatus never said that it had: steps under way have this outcome, those that nobody began are
   * discontinued. Throws `conflict` unless work has begun.
   */
  close(id: string, outcome: Outcome): Promise<Referral>
  /** A performed step says how far a scheduled one is. */
  progress(id: string, step: { id: string; state: StepState; performed: string }): Promise<Referral>
}

const openKind = 'referral'
const closedKind = 'referral-closed'
const numberKind = 'referral-number'

type Deps = { records: Records; clock: () => number; random: (bytes: number) => Uint8Array }

export async function openReferrals(deps: Deps): Promise<Referrals> {
  const { clock } = deps
  const inTurn = createTurns()
  const kept = await loadReferrals(deps.records)
  const { get, save, numbered } = kept
  const inState = async (id: string, state: Referral['state']): Promise<Referral> => {
    const referral = await get(id)
    if (referral.state === state) return referral
    throw new ProtocolError('conflict', `the referral is ${referral.state}`)
  }
  return {
    create: async (given, by) =>
      inTurn(async () => {
        if (kept.open().length >= worklistLimits.referralsOpenMax) {
          throw new ProtocolError('conflict', 'there are too many open referrals')
        }
        const referral = createReferral(NewReferral.parse(given), by, deps)
        return save(referral, [await numbered(referral)])
      }),
    get,
    find: kept.find,
    open: kept.open,
    closed: kept.closed,
    change: async (id, given) =>
      inTurn(async () => {
        const before = await inState(id, 'scheduled')
        const parsed = NewReferral.parse(given)
        const { accessionNumber = before.accessionNumber } = parsed
        const steps = stepsOf(parsed)
        const next = { ...before, ...parsed, accessionNumber, steps, changedAt: clock() }
        if (accessionNumber === before.accessionNumber) return save(next)
        const old = { type: 'del', kind: numberKind, key: before.accessionNumber } as const
        return save(next, [await numbered(next), old])
      }),
    cancel: async (id) =>
      inTurn(async () =>
        save({ ...(await inState(id, 'scheduled')), state: 'cancelled', changedAt: clock() }),
      ),
    close: async (id, outcome) =>
      inTurn(async () => save(ended(await inState(id, 'in-progress'), outcome, clock()))),
    progress: async (id, step) =>
      inTurn(async () => save(progressed(await get(id), step, clock()))),
  }
}

async function loadReferrals(records: Records) {
  const { rows: open, unreadable } = await records.load(openKind, Referral, { mayLogKeys: true })
  const closed = async (options: LoadOptions): Promise<Map<string, Referral>> =>
    (await records.load(closedKind, Referral, { ...options, mayLogKeys: true })).rows
  return {
    async get(id: string): Promise<Referral> {
      if (unreadable.has(id)) throw new ProtocolError('storage_corrupt', 'a referral is damaged')
      const found = open.get(id) ?? (await records.find(closedKind, id, Referral))
      if (found === undefined) throw new ProtocolError('not_found', 'no such referral')
      return found
    },
    open: () => [...open.values()],
    async find(accessionNumber: string): Promise<Referral | undefined> {
      const numbers = await records.load(numberKind, Ulid, { keys: [accessionNumber] })
      const id = numbers.rows.get(accessionNumber)
      if (id === undefined) return undefined
      return open.get(id) ?? (await closed({ keys: [id] })).get(id)
    },
    closed: async (options: { after?: string; limit: number }): Promise<Referral[]> => [
      ...(await closed(options)).values(),
    ],
    async save(referral: Referral, also: readonly RecordChange[] = []): Promise<Referral> {
      const { id, state } = referral
      const isOpen = state === 'scheduled' || state === 'in-progress'
      await records.write([
        { type: 'put', kind: isOpen ? openKind : closedKind, key: id, value: referral },
        { type: 'del', kind: isOpen ? closedKind : openKind, key: id },
        ...also,
      ])
      if (isOpen) open.set(id, referral)
      else open.delete(id)
      return referral
    },
    /** Takes the number of a referral, unless another one has it. */
    async numbered({ accessionNumber, id }: Referral): Promise<RecordChange> {
      if ((await records.get(numberKind, accessionNumber)) !== undefined) {
        throw new ProtocolError('conflict', 'the number of the referral is taken')
      }
      return { type: 'put', kind: numberKind, key: accessionNumber, value: id }
    },
  }
}

function createReferral(given: NewReferral, by: string, { clock, random }: Deps): Referral {
  const now = clock()
  return Referral.parse({
    ...given,
    id: ulid(now, random(10)),
    accessionNumber: given.accessionNumber ?? numberOf(now, random(4)),
    study: uidOf(random(16)),
    state: 'scheduled',
    steps: stepsOf(given),
    createdAt: now,
    createdBy: by,
    changedAt: now,
  })
}

function stepsOf({ steps }: NewReferral): ReferralStep[] {
  if (new Set(steps.map(({ id }) => id)).size !== steps.length) {
    throw new WrongRequest('two steps have one id')
  }
  return steps.map((step) => ({ ...step, state: 'scheduled', performed: [] }))
}

function progressed(
  referral: Referral,
  { id, state, performed }: { id: string; state: StepState; performed: string },
  now: number,
): Referral {
  const steps = referral.steps.map((step) =>
    step.id !== id
      ? step
      : {
          ...step,
          state,
          performed: [...new Set([...step.performed, performed])].slice(
            -worklistLimits.performedPerStepMax,
          ),
        },
  )
  return { ...referral, steps, state: stateOf(referral, steps), changedAt: now }
}

function ended(referral: Referral, outcome: Outcome, now: number): Referral {
  const endOf = { 'in-progress': outcome, scheduled: 'discontinued' } as const
  const steps = referral.steps.map((step) =>
    step.state === 'in-progress' || step.state === 'scheduled'
      ? { ...step, state: endOf[step.state] }
      : step,
  )
  return { ...referral, steps, state: stateOf(referral, steps), changedAt: now }
}

/** Done when every step has ended, and completed when at least one of them was. */
function stateOf({ state }: Referral, steps: readonly ReferralStep[]): Referral['state'] {
  if (state === 'cancelled') return state
  const has = (wanted: StepState) => steps.some((step) => step.state === wanted)
  if (!has('scheduled') && !has('in-progress'))
    return has('completed') ? 'completed' : 'discontinued'
  return steps.every((step) => step.state === 'scheduled') ? 'scheduled' : 'in-progress'
}

/** `261128-3f9a02c1`: the day and chance; 15 characters of SH. */
function numberOf(now: number, chance: Uint8Array): string {
  const day = new Date(now).toISOString().slice(2, 10).replaceAll('-', '')
  return `${day}-${Buffer.from(chance).toString('hex')}`
}

/** A UID from a random UUID (PS3.5 §B.2). */
function uidOf(bytes: Uint8Array): string {
  const uuid = Buffer.from(bytes)
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x40
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`
}
