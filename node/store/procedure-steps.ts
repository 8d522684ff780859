import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { SopUid, StudyUid, Uid, Ulid } from '#protocol/ids.ts'
import { worklistLimits } from '#protocol/limits.ts'
import type { Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

/** A performed procedure step (PS3.4 §F.7) as a device reports it. */
export const ProcedureStep = z.strictObject({
  /** SOP Instance UID, chosen by the device. */
  sop: Uid,
  state: z.enum(['in-progress', 'completed', 'discontinued']),
  device: z.string().max(64),
  /** The scheduled step that it answers; absent when it answers none of ours. */
  scheduled: z.strictObject({ referral: Ulid, step: z.string().max(16) }).exactOptional(),
  /** Everything the device said, in the DICOM JSON model. */
  attributes: z.record(z.string().regex(/^[0-9A-F]{8}$/), z.unknown()),
  /** Instances it says it made; known once it has ended. */
  made: z
    .array(z.strictObject({ study: StudyUid, sop: SopUid }))
    .max(worklistLimits.madePerStepMax),
  createdAt: z.int(),
  changedAt: z.int(),
})
export type ProcedureStep = z.infer<typeof ProcedureStep>

export type ProcedureSteps = {
  /** Throws `conflict` when there is one of that UID. */
  create(step: ProcedureStep): Promise<void>
  /** Throws `not_found`, or `storage_corrupt` for one that cannot be read. */
  get(sop: string): Promise<ProcedureStep>
  /** What `change` throws goes to the caller, and nothing is changed. */
  change(sop: string, change: (step: ProcedureStep) => ProcedureStep): Promise<ProcedureStep>
  /** Ended ones whose instances were not all here yet when they ended. */
  awaiting(): readonly ProcedureStep[]
  /** All instances of it are here. */
  arrived(sop: string): Promise<void>
}

const kind = 'procedure-step'
const awaitingKind = 'procedure-step-awaited'

export async function openProcedureSteps(records: Records): Promise<ProcedureSteps> {
  const inTurn = createTurns()
  const read = async (sop: string): Promise<ProcedureStep> => {
    const step = await records.find(kind, sop, ProcedureStep)
    if (step === undefined) throw new ProtocolError('not_found', 'no such performed step')
    return step
  }
  const marks = await records.load(awaitingKind, z.literal(true))
  const { rows: awaiting } = await records.load(kind, ProcedureStep, { keys: marks.rows.keys() })
  const forgetOldest = async () => {
    const [oldest] = awaiting.keys()
    if (awaiting.size <= worklistLimits.awaitingStepsMax || oldest === undefined) return
    awaiting.delete(oldest)
    await records.del(awaitingKind, oldest)
  }
  return {
    create: async (step) =>
      inTurn(async () => {
        if ((await records.get(kind, step.sop)) !== undefined) {
          throw new ProtocolError('conflict', 'there is a performed step of that UID')
        }
        await records.put(kind, step.sop, ProcedureStep.parse(step))
      }),
    get: read,
    change: async (sop, change) =>
      inTurn(async () => {
        const next = ProcedureStep.parse(change(await read(sop)))
        const isAwaited = next.state === 'completed' && next.made.length > 0
        await records.write([
          { type: 'put', kind, key: sop, value: next },
          ...(isAwaited
            ? [{ type: 'put', kind: awaitingKind, key: sop, value: true } as const]
            : []),
        ])
        if (isAwaited) awaiting.set(sop, next)
        await forgetOldest()
        return next
      }),
    awaiting: () => [...awaiting.values()],
    arrived: async (sop) =>
      inTurn(async () => {
        if (!awaiting.delete(sop)) return
        await records.del(awaitingKind, sop)
      }),
  }
}
