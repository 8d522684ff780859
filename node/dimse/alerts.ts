import type { AuditEntry } from '#protocol/audit-event.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { DimseLimits } from './link.ts'

export type Alert = {
  callingAe: string
  address: string
  outcome: 'denied' | 'success'
  code: ErrorCode
  /** One of our own fixed texts; it is part of what makes two alerts the same. */
  detail: string
}

export type Alerts = { raise(alert: Alert): void }

type AlertLimits = Pick<DimseLimits, 'alertIntervalMs' | 'alertsMax'>

/**
 * Security alerts about callers, at most one per caller and reason in an interval: a scanner must not fill the audit
 * log. Reception does not wait for the log, and does not fail with it.
 */
export function createAlerts(deps: {
  organization: string
  audit: (entry: AuditEntry) => Promise<unknown>
  clock: () => number
  log: Log
  limits: AlertLimits
}): Alerts {
  const { alertIntervalMs, alertsMax } = deps.limits
  const raisedAt = new Map<string, number>()

  const isDue = (key: string): boolean => {
    const now = deps.clock()
    const before = raisedAt.get(key)
    if (before !== undefined && now - before < alertIntervalMs) return false
    raisedAt.delete(key)
    raisedAt.set(key, now)
    const [oldest] = raisedAt.keys()
    if (raisedAt.size > alertsMax && oldest !== undefined) raisedAt.delete(oldest)
    return true
  }

  return {
    raise({ callingAe, address, outcome, code, detail }) {
      // Titles are the caller's to choose: the address alone bounds what it can write.
      if (!isDue(`${address} ${detail}`)) return
      const entry: AuditEntry = {
        event: 'security-alert',
        outcome,
        code,
        organization: deps.organization,
        user: callingAe,
        role: 'device',
        source: address,
        holder: deps.organization,
        detail,
      }
      deps.log.warn({ code, detail, address }, 'security alert')
      deps
        .audit(entry)
        .catch((error: unknown) => deps.log.error({ err: error }, 'alert was not audited'))
    },
  }
}
