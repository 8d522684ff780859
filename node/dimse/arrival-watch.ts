import type { StudyUid } from '#protocol/ids.ts'
import type { Archive } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import type { ProcedureStep, ProcedureSteps } from '../store/procedure-steps.ts'

/** Waits for the instances that ended steps name, also those that ended before a restart. */
export type ArrivalWatch = Disposable & { watch(step: ProcedureStep): void }

/** A study is complete as soon as everything is here that its device said it made (DQ-18 without the quiet time). */
export function createArrivalWatch(deps: {
  steps: Pick<ProcedureSteps, 'awaiting' | 'arrived'>
  archive: Pick<Archive, 'has' | 'complete' | 'on'>
  log: Log
}): ArrivalWatch {
  const { steps, archive, log } = deps
  const missing = new Map<string, { left: Set<string>; study: StudyUid }>()

  const settle = (sop: string, study: StudyUid) => {
    missing.delete(sop)
    archive
      .complete(study)
      .then(async () => steps.arrived(sop))
      .catch((error: unknown) => log.error({ err: error }, 'a study could not be completed'))
  }
  const watch = ({ sop, made }: ProcedureStep) => {
    const [first] = made
    if (first === undefined) return
    const left = new Set<string>(made.filter((one) => !archive.has(one.sop)).map(({ sop }) => sop))
    if (left.size === 0) settle(sop, first.study)
    else missing.set(sop, { left, study: first.study })
  }
  const stop = archive.on((event) => {
    if (event.kind !== 'instance-stored') return
    for (const [sop, { left, study }] of missing) {
      if (left.delete(event.sop) && left.size === 0) settle(sop, study)
    }
  })
  for (const step of steps.awaiting()) watch(step)
  return { watch, [Symbol.dispose]: stop }
}
