import type { OrganizationOid } from '#protocol/ids.ts'
import { auditLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { AuditLog } from './audit-log.ts'
import type { ChainHead } from './audit-segment.ts'

type Deps = {
  audit: Pick<AuditLog, 'verify' | 'append'>
  /** What stands in the transparency log as the newest head of this audit. */
  logged: () => ChainHead | undefined
  self: OrganizationOid
  log: Log
}

/**
 * Reads the own audit whole and compares it with its head in the transparency log: whoever has all files of a node can
 * write its audit anew, but not what others keep. True when it bears it out.
 */
export async function checkAudit({ audit, logged, self, log }: Deps): Promise<boolean> {
  const found = await audit.verify(logged())
  if (found.ok) return true
  log.error({ at: found.at }, 'the audit is not what the transparency log says')
  await audit.append({
    event: 'security-alert',
    outcome: 'failure',
    code: 'audit_mismatch',
    organization: self,
    user: '',
    role: '',
    source: '',
    holder: self,
    detail: `the audit differs at record ${found.at} from its head in the transparency log`,
  })
  return false
}

/** Once after the start and then every day. */
export function watchAudit(deps: Deps): Disposable {
  const check = (): void => {
    checkAudit(deps).catch((err: unknown) => deps.log.error({ err }, 'the audit was not checked'))
  }
  const soon = setTimeout(check, auditLimits.checkAfterMs)
  const timer = setInterval(check, auditLimits.checkEveryMs)
  return {
    [Symbol.dispose]() {
      clearTimeout(soon)
      clearInterval(timer)
    },
  }
}
