import type { AuditEntry } from '#protocol/audit-event.ts'
import { authorizeCorrection, authorizeStore } from '#protocol/authorize.ts'
import { codeOf } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import type { OverlayTarget } from '../archive/overlay.ts'
import type { Doors, Intake, Rejection } from './doors.ts'
import type { Federation } from './federation.ts'
import { refusal } from './refusal.ts'
import type { SessionUser } from './session-user.ts'

export type IntakeDeps = {
  archive: Pick<Archive, 'facts' | 'ingest' | 'overlay'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  federation: Pick<Federation, 'policy'>
  self: { oid: OrganizationOid }
  clock: () => number
}

/** The doors through which a user changes what the archive of this node holds and shows. */
export function createIntakeDoors(deps: IntakeDeps): Pick<Doors, 'store' | 'reject'> {
  const { archive, audit, federation, self, clock } = deps
  const asked = (user: SessionUser) => ({
    user,
    self: self.oid,
    now: clock(),
    policy: federation.policy(),
  })
  const who = (user: SessionUser) => ({
    organization: self.oid,
    user: user.uid,
    role: user.roles.join(' ').slice(0, 32),
    source: (user.workstation === '' ? user.address : user.workstation).slice(0, 128),
    holder: self.oid,
  })

  return {
    async store(user) {
      const decision = authorizeStore(asked(user))
      if (!decision.ok) {
        const { code } = decision
        await audit.append({ ...who(user), event: 'import', outcome: 'denied', code })
        throw refusal(code, 'not to be stored')
      }
      const origin = { kind: 'stow' as const, user: decision.grant.user, address: user.address }
      return {
        ingest: (declared) => archive.ingest(declared, origin),
        stored: (instances, failed) => auditStored(deps, who(user), { instances, failed }),
      }
    },

    async reject(user, { reason, code, ...what }) {
      const entry = { ...who(user), event: 'study-rejected' as const, study: what.study }
      const decision = authorizeCorrection({ ...asked(user), act: 'rejection', reason })
      const held = await archive.facts(what.study)
      if (!decision.ok || held === undefined) {
        const why = decision.ok ? 'study_not_held' : decision.code
        await audit.append({ ...entry, outcome: 'denied', code: why })
        throw refusal(why, 'not to be rejected')
      }
      const detail = `${targetOf(what).level} ${code}`
      await audit.append({ ...entry, outcome: 'success', detail })
      try {
        await archive.overlay(decision.grant, { kind: 'reject', target: targetOf(what), code })
      } catch (error) {
        await audit.append({ ...entry, outcome: 'failure', code: codeOf(error), detail })
        throw error
      }
    },
  }
}

function targetOf({ study, series, sop }: Omit<Rejection, 'reason' | 'code'>) {
  if (series === undefined) return { level: 'study', study } as const
  const target: Exclude<OverlayTarget, { level: 'patient' }> =
    sop === undefined
      ? { level: 'series', study, series }
      : { level: 'instance', study, series, sop }
  return target
}

type Actor = Pick<AuditEntry, 'organization' | 'user' | 'role' | 'source' | 'holder'>
type Brought = { instances: Parameters<Intake['stored']>[0]; failed: number }

/** 110107 Import (PS3.15 §A.5.3.6): one record per study, and one when something was not stored. */
async function auditStored(
  { audit }: Pick<IntakeDeps, 'audit'>,
  actor: Actor,
  { instances, failed }: Brought,
): Promise<void> {
  const studies = new Map<StudyUid, { instances: number; bytes: number }>()
  for (const { study, bytes } of instances) {
    const sum = studies.get(study) ?? { instances: 0, bytes: 0 }
    studies.set(study, { instances: sum.instances + 1, bytes: sum.bytes + bytes })
  }
  const entry = { ...actor, event: 'import' as const, detail: 'stow' }
  for (const [study, sums] of [...studies].slice(0, httpLimits.storedStudiesAudited)) {
    await audit.append({ ...entry, outcome: 'success', study, ...sums })
  }
  if (failed > 0) await audit.append({ ...entry, outcome: 'failure', instances: failed })
}
