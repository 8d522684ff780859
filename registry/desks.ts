import path from 'node:path'
import type { AccessRequest } from '#protocol/access-request.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { createAccessRequests } from './access-requests.ts'
import type { AccessRequests } from './access-requests.ts'
import { openAccounts } from './accounts.ts'
import type { Accounts } from './accounts.ts'
import { openAttachments } from './attachments.ts'
import type { Attachments } from './attachments.ts'
import { openAudit } from './audit.ts'
import type { Audit } from './audit.ts'
import type { RegistryConfig } from './config.ts'
import { readAccountsFile } from './config.ts'
import type { Credentials } from './credentials.ts'
import { createDeviceNotices } from './device-notices.ts'
import type { DeviceNotices } from './device-notices.ts'
import { createDevices } from './devices.ts'
import type { Devices } from './devices.ts'
import type { Directory } from './directory.ts'
import { createEnrollments } from './enrollments.ts'
import type { Enrollments } from './enrollments.ts'
import { renderAccessRequest } from './forms/applications.ts'
import { renderNotice } from './forms/letters.ts'
import type { Log } from './log.ts'
import { createNotices } from './notices.ts'
import type { Notices } from './notices.ts'
import { createNumbers } from './numbers.ts'
import type { Office } from './office.ts'
import type { Operator } from './operator.ts'
import { openCitos, type Citos } from './cito.ts'
import { createOrganizations } from './organizations.ts'
import type { Organizations } from './organizations.ts'
import { openRestrictions } from './restrictions.ts'
import type { Restrictions } from './restrictions.ts'
import { createSeal, readSealKey } from '#protocol/secrets/seal.ts'
import { openSessions } from './sessions.ts'
import type { Sessions } from './sessions.ts'
import type { Store } from './store/store.ts'
import { createTurns } from '#protocol/turns.ts'

/** The operator’s office: who works there, what comes in, what goes out. */
export type Desks = {
  accounts: Accounts
  sessions: Sessions
  audit: Audit
  attachments: Attachments
  organizations: Organizations
  notices: Notices
  enrollments: Enrollments
  devices: Devices
  deviceNotices: DeviceNotices
  accessRequests: AccessRequests
  restrictions: Restrictions
  citos: Citos
}

type Deps = {
  config: RegistryConfig
  store: Store
  clock: () => number
  random: (bytes: number) => Uint8Array
  credentials: Credentials
  /** Asked at work, not at the opening: these are made from the desks. */
  directory: () => Directory
  operator: () => Operator
  needsSecondFactor: () => boolean
}

export async function openDesks(deps: Deps): Promise<Desks> {
  const { config, store, clock, operator } = deps
  const seal = createSeal(
    await readSealKey(config.dataKeyFile ?? path.join(config.dataDir, 'data-key')),
  )
  const audit = await openAudit(store, clock)
  const attachments = await openAttachments(path.join(config.dataDir, 'attachments'), seal)
  const accounts = await openAccounts({ ...deps, seal })
  const sessions = await openSessions({ ...deps, accounts, audit })
  const numbers = createNumbers(store)
  const office: Office = { ...deps, seal, audit, numbers, attachments, inTurn: createTurns() }

  const notices = createNotices({ office, accounts, render: renderNotice })
  const devices = createDevices(office, (oid) =>
    tell(devices.records(oid), (found) =>
      deps.directory().tell(oid, 'devices', { devices: found }),
    ),
  )
  const organizations = createOrganizations(office, {
    hasDevice: async (oid) =>
      (await devices.of(oid)).some(({ status }) => status !== 'decommissioned'),
    hasAccessRequest: async (oid) =>
      (await accessRequests.all()).some(
        ({ holder, status }) =>
          holder === oid && ['approved', 'effective', 'paused'].includes(status),
      ),
    isRestricted: (oid) => restrictions.isRestricted(oid),
  })
  const restrictions = await openRestrictions({
    office,
    organizations: () => organizations,
    notices,
    suspend: async (oid, off) => {
      await operator().suspend(oid, off)
      await accessRequests.sweep()
    },
    isSuspended: (oid) => operator().isSuspended(oid),
    cito: (oid) => citos.records(oid),
    changed: (oid) =>
      tell(restrictions.records(oid), (found) =>
        deps.directory().tell(oid, 'restrictions', { restrictions: found }),
      ),
  })
  const citos = await openCitos({ office, operator, tell: restrictions.tellAgain })
  const common = { office, accounts, organizations, notices }
  const enrollments = createEnrollments(common)
  const deviceNotices = createDeviceNotices({ ...common, devices })
  const accessRequests = createAccessRequests({
    ...common,
    render: (form: AccessRequest) => renderAccessRequest(form, nameIn(organizations)),
    revokeGrant: async (jti) => await endGrant(operator(), jti),
    isForm5Required: config.form5 === 'required',
  })
  for (const account of await readAccountsFile(config.accountsFile)) await accounts.seed(account)
  for (const { oid, name } of deps.credentials.all()) await organizations.know(oid, name)
  return {
    accounts,
    sessions,
    audit,
    attachments,
    organizations,
    notices,
    enrollments,
    devices,
    deviceNotices,
    accessRequests,
    restrictions,
    citos,
  }
}

/** What a stop in the middle has left to do. What cannot be done keeps neither the rest nor the registry from going on. */
export async function resumeDesks(desks: Desks, log: Log): Promise<void> {
  const { enrollments, deviceNotices, restrictions, accessRequests } = desks
  for (const resume of [
    enrollments.resume,
    deviceNotices.resume,
    restrictions.resume,
    accessRequests.resume,
    accessRequests.sweep,
  ]) {
    await resume().catch((err: unknown) => log.error({ err }, 'what was half done stays so'))
  }
}

/** Names of organizations as they are printed. */
export const nameIn =
  (organizations: Pick<Organizations, 'view'>) =>
  async (oid: OrganizationOid): Promise<string> =>
    (await organizations.view(oid))?.card.fullName ?? oid

/** A node that does not hear it now asks when it comes back. */
function tell<T>(read: Promise<T>, push: (records: T) => void): void {
  read.then(push, () => undefined)
}

/** One that has run out since is ended enough. */
async function endGrant(operator: Operator, jti: string): Promise<void> {
  try {
    await operator.revokeGrant(jti)
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== 'not_found') throw error
  }
}
