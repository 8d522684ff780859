import type { AuditEntry } from '#protocol/audit-event.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { dimseLimits, reportQueueLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import type { SendRoute } from '../config.ts'
import type { Log } from '../log.ts'
import type { DeviceRegister } from '../store/device-register.ts'
import { openJobQueue, type JobQueue } from '../store/job-queue.ts'
import type { ProcedureSteps } from '../store/procedure-steps.ts'
import type { Records } from '../store/records.ts'
import type { Referrals } from '../store/referrals.ts'
import { CommitmentReport, createCommitment, type Connect } from './commitment.ts'
import { createPerformedStep } from './performed-step.ts'
import type { KeptCopies } from './kept-copies.ts'
import { openRouting, renewCopy, targetKey } from './routing.ts'
import { openAssociation } from './scu-association.ts'
import { createSendQueue } from './send-queue.ts'
import { SendWork } from './send-work.ts'
import type { Service } from './service.ts'
import type { TlsIdentity } from './tls.ts'
import { createWorklist } from './worklist.ts'

/** What the node does for its apparatus beside storage and queries, and what it sends on by itself. */
export type DeviceServices = AsyncDisposable & {
  services: Service[]
  /** Studies on their way to other archives. */
  sending: JobQueue<SendWork>
}

export async function openDeviceServices(deps: {
  archive: Archive
  records: Records
  keptCopies: KeptCopies
  devices: Pick<DeviceRegister, 'get'>
  referrals: Referrals
  procedureSteps: ProcedureSteps
  routes: readonly SendRoute[]
  aeTitle: string
  /** What we show where we connect with TLS. */
  identity: TlsIdentity | undefined
  self: OrganizationOid
  audit: (entry: AuditEntry) => Promise<unknown>
  clock: () => number
  random: (bytes: number) => Uint8Array
  log: Log
}): Promise<DeviceServices> {
  const { procedureSteps: steps, self: organization, aeTitle: callingAe, identity } = deps
  await using stack = new AsyncDisposableStack()
  const own = { callingAe, ...(identity !== undefined && { identity }) }
  const connect: Connect = async (target, pairs, onRequest) =>
    openAssociation({
      ...target,
      ...own,
      pairs,
      limits: dimseLimits,
      ...(onRequest && { onRequest }),
    })
  const targets = new Set(deps.routes.map(targetKey))
  const sending = await openJobQueue({
    ...deps,
    kind: 'send',
    work: SendWork,
    // What is owed to a target that there is a route to is known nowhere else.
    isForgettable: ({ to }) => !targets.has(to),
  })
  const queue = stack.use(createSendQueue({ ...deps, jobs: sending, connect, own }))
  if (deps.routes.length > 0) stack.use(await openRouting({ ...deps, jobs: sending }))
  deps.keptCopies.onStale((copy) => renewCopy(sending, copy))
  const reports = await openJobQueue({
    ...deps,
    kind: 'commitment-report',
    work: CommitmentReport,
    limits: reportQueueLimits,
    isForgettable: () => true,
  })
  const { onResult } = queue
  const commitment = stack.use(createCommitment({ ...deps, reports, connect, onResult }))
  const performed = stack.use(createPerformedStep({ ...deps, steps, organization }))
  const owned = stack.move()
  return {
    services: [createWorklist({ ...deps, organization }), performed, commitment],
    sending,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
