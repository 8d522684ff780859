import { z } from 'zod'
import { UserId } from '#protocol/ids.ts'
import type { Accounts } from '../../access/accounts.ts'
import type { Doors } from '../../access/doors.ts'
import type { QuarantineEntry } from '../../archive/archive.ts'
import { Device, type NodeConfig } from '../../config.ts'
import { defineRoute, type Route } from '../routes.ts'

const QuarantineRow = z.strictObject({
  id: z.string(),
  reason: z.string(),
  study: z.string(),
  series: z.string(),
  sop: z.string(),
  bytes: z.int(),
  sha256: z.string(),
  receivedAt: z.int(),
  /** Who sent it, in words: AE title and address, or user. */
  source: z.string(),
})

const UserRow = z.strictObject({
  id: UserId,
  login: z.string(),
  name: z.string(),
  position: z.string(),
  department: z.string(),
  roles: z.array(z.string()),
  enabled: z.boolean(),
})

/** What the organization's administrator sees: no images. */
export function administrationRoutes(deps: {
  doors: Pick<Doors, 'quarantine'>
  accounts: Pick<Accounts, 'list' | 'userId'>
  config: Pick<NodeConfig, 'devices'>
}): Route[] {
  const { doors, accounts, config } = deps
  return [
    defineRoute({
      method: 'get',
      path: '/api/quarantine',
      summary: 'Objects that were received and are not shown, with the reason',
      access: ['mo_admin'],
      answer: z.strictObject({ entries: z.array(QuarantineRow) }),
      async handle({ user }) {
        return { entries: (await doors.quarantine(user)).map(rowOf) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/devices',
      summary: 'Registered apparatus',
      access: ['mo_admin'],
      answer: z.strictObject({ devices: z.array(Device) }),
      async handle() {
        return { devices: config.devices }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/accounts/users',
      summary: "People of this organization, with the ids that other organizations' grants name",
      access: ['mo_admin'],
      answer: z.strictObject({ users: z.array(UserRow) }),
      async handle() {
        const users = accounts.list().map((account) => ({
          id: accounts.userId(account),
          login: account.login,
          name: account.name,
          position: account.position,
          department: account.department,
          roles: [...account.roles],
          enabled: account.enabled,
        }))
        return { users }
      },
    }),
  ]
}

/** Without the attributes: whose images they are is not the administrator's business. */
const rowOf = (entry: QuarantineEntry): z.infer<typeof QuarantineRow> => ({
  id: entry.id,
  reason: entry.reason,
  study: entry.study,
  series: entry.series,
  sop: entry.sop,
  bytes: entry.bytes,
  sha256: entry.sha256,
  receivedAt: entry.receivedAt,
  source: sourceOf(entry.origin),
})

function sourceOf(origin: QuarantineEntry['origin']): string {
  if (origin.kind === 'dimse') return `${origin.callingAe} ${origin.address}`
  if (origin.kind === 'stow') return `${origin.user} ${origin.address}`
  return origin.kind === 'media' ? origin.path : origin.holder
}
