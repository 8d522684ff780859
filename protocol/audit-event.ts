import { z } from 'zod'
import { errorCodes } from './errors.ts'

/** One audit record (PS3.15 A.5 vocabulary). It names people and studies, never image content or free clinical text. */
export const AuditEvent = z.strictObject({
  seq: z.int().min(1),
  /** Milliseconds since 1970, node's clock. */
  at: z.int().min(0),
  event: z.enum([
    'application-start',
    'application-stop',
    'login',
    'logout',
    'query',
    'audit-log-used',
    'study-opened',
    'instances-accessed',
    'begin-transferring',
    'instances-transferred',
    'import',
    'study-rejected',
    'correction',
    'patient-merge',
    'quarantine-release',
    'order-record',
    'procedure-record',
    'security-alert',
    'grant-requested',
    'grant-revoked',
    'epoch-accepted',
    'emergency-started',
    'emergency-stopped',
    'emergency-reviewed',
    'configuration',
  ]),
  outcome: z.enum(['success', 'denied', 'failure']),
  code: z.enum(errorCodes).exactOptional(),
  /** Organization of the person or device that acted. */
  organization: z.string().max(64),
  user: z.string().max(128),
  role: z.string().max(32),
  /** Workstation, or remote address, or peer id. */
  source: z.string().max(128),
  holder: z.string().max(64),
  study: z.string().max(64).exactOptional(),
  grant: z.string().max(26).exactOptional(),
  assertion: z.string().max(26).exactOptional(),
  detail: z.string().max(200).exactOptional(),
  instances: z.int().min(0).exactOptional(),
  bytes: z.int().min(0).exactOptional(),
})
export type AuditEvent = z.infer<typeof AuditEvent>
/** What a caller supplies; number and time are the log's own. */
export type AuditEntry = Omit<AuditEvent, 'seq' | 'at'>
