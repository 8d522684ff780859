import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { StudyReader } from '../archive/archive.ts'
import { createListAudit } from './list-audit.ts'
import { createRecent } from './recent.ts'
import { refusal } from './refusal.ts'
import type { SessionUser } from './session-user.ts'

type What = { holder?: OrganizationOid; grant?: string | undefined }
type Reason = What & { code: ErrorCode }

/** The records that the doors write. */
export type DoorAudit = {
  opened(user: SessionUser, study: StudyUid, what: What): Promise<void>
  /** The true reason is for the audit; what the caller learns `refusal` says. */
  deny(
    user: SessionUser,
    study: StudyUid,
    reason: Reason & { lacksFactor: boolean },
  ): Promise<never>
  /** The holder did not open the study. */
  fail(user: SessionUser, study: StudyUid, reason: Reason): Promise<never>
  accessed(
    user: SessionUser,
    reader: Pick<StudyReader, 'study' | 'holder'>,
    what: { detail: string; instances: number; bytes: number },
  ): Promise<void>
  /** `own`: of what this organization holds; a list of others' studies waits until its record is on the disk. */
  queried(
    user: SessionUser,
    what: { detail: string; scope: 'own' | 'region' },
    count: number,
  ): Promise<void>
  refuseQuery(user: SessionUser, code: ErrorCode): Promise<never>
}

export function createDoorAudit(deps: {
  audit: { append(entry: AuditEntry): Promise<unknown> }
  self: { oid: OrganizationOid }
  clock: () => number
}): DoorAudit {
  const { audit, self, clock } = deps
  // A study opened again within minutes by the same session is one opening: each retrieval has its own record.
  const isRecent = createRecent(clock, httpLimits.openingMs)
  const listed = createListAudit(audit)
  const who = (user: SessionUser) => ({
    organization: self.oid,
    user: user.uid,
    role: user.roles.join(' ').slice(0, 32),
    source: (user.workstation === '' ? user.address : user.workstation).slice(0, 128),
  })
  const opening = (user: SessionUser, study: StudyUid, { holder, grant }: What) => ({
    ...who(user),
    event: 'study-opened' as const,
    holder: holder ?? self.oid,
    study,
    ...(grant !== undefined && { grant }),
  })
  const query = (user: SessionUser) => {
    return { ...who(user), event: 'query' as const, holder: self.oid }
  }
  return {
    async opened(user, study, what) {
      const key = `${user.session} ${study} ${what.grant ?? ''}`
      const write = async (): Promise<void> => {
        await audit.append({ ...opening(user, study, what), outcome: 'success' })
      }
      await isRecent(key, write)
    },
    async deny(user, study, { code, lacksFactor, ...what }) {
      await audit.append({ ...opening(user, study, what), outcome: 'denied', code })
      throw refusal(lacksFactor ? 'second_factor_required' : code, 'not to be read')
    },
    async fail(user, study, { code, ...what }) {
      const outcome = code === 'forbidden' ? 'denied' : 'failure'
      await audit.append({ ...opening(user, study, what), outcome, code })
      throw new ProtocolError(code, 'the holder did not open the study')
    },
    async accessed(user, { study, holder }, { detail, instances, bytes }) {
      const what = { holder, study, detail: detail.slice(0, 200), instances, bytes }
      const event = 'instances-accessed' as const
      await audit.append({ ...who(user), ...what, event, outcome: 'success' })
    },
    async queried(user, { detail, scope }, count) {
      const text = `${detail} ${scope}: ${count}`
      const entry = { ...query(user), outcome: 'success' as const, detail: text }
      await (scope === 'own' ? listed(entry) : audit.append(entry))
    },
    async refuseQuery(user, code) {
      await audit.append({ ...query(user), outcome: 'denied', code })
      throw refusal(code, 'not to be searched')
    },
  }
}
