import path from 'node:path'
import type { Handlers } from '#protocol/transport/transport.ts'
import type { NodeConfig } from '../config.ts'
import type { Records } from '../store/records.ts'
import type { Accounts } from './accounts.ts'
import type { AuditLog } from './audit-log.ts'
import { watchAudit } from './audit-watch.ts'
import { openDepartures } from './departures.ts'
import { openEmergencies, sweepEmergencies } from './emergencies.ts'
import { openFederation, type FederationOptions } from './federation.ts'
import type { Restrictions } from './restrictions.ts'
import { keepTime } from './time.ts'
import { openSubmissions, type Submissions } from './transparency-submissions.ts'

type Context = {
  config: Pick<NodeConfig, 'organization' | 'authority' | 'dataDir'>
  deps: Pick<FederationOptions, 'clock' | 'monotonic' | 'random' | 'log'>
  identity: Pick<FederationOptions, 'signer' | 'credential' | 'trustList' | 'witnessKey'>
  stack: AsyncDisposableStack
}
type Kept = {
  records: Records
  accounts: Accounts
  restrictions: Restrictions
  audit: Pick<AuditLog, 'append' | 'head' | 'verify'>
}

/** Who belongs to the region, by which time, whom we let in without a grant, and what the log is told of us. */
export async function openMembership({ config, deps, stack, identity }: Context, kept: Kept) {
  const { clock, log } = deps
  const { records, audit, restrictions } = kept
  const self = config.organization
  const submissions = await openSubmissions({ auditHead: audit.head, records, clock, log })
  // What ends does so by the time of the federation, which comes after it.
  let now = clock
  const emergencies = await openEmergencies({ ...kept, self: self.oid, log, now: () => now() })
  const federation = await openFederation({
    ...identity,
    ...deps,
    self,
    authority: config.authority,
    records,
    dir: path.join(config.dataDir, 'federation'),
    hasSubmitted: submissions.hasSubmitted,
    hasOpened: emergencies.hasOpened,
    audit,
  })
  now = federation.now
  stack.use(keepTime(federation, log))
  stack.use(sweepEmergencies(emergencies, log))
  stack.use(watchAudit({ audit, logged: submissions.newest, self: self.oid, log }))
  const departures = stack.use(await openDepartures({ ...kept, federation, log }))
  const handlers: Handlers = {
    'emergency.get': () => Promise.resolve({ offered: emergencies.isOffered() }),
  }
  const submit: Submissions['submit'] = async (request) => {
    await departures.report()
    await emergencies.submit(request)
    await submissions.submit(request)
  }
  const region = { submissions: { ...submissions, submit }, federation, restrictions, emergencies }
  return { ...region, handlers }
}
