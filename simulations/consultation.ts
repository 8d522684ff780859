import type { OrganizationOid } from '#protocol/ids.ts'
import type { SeededAccount } from './accounts.ts'
import { userIdOf } from './accounts.ts'
import { eventually, signIn } from './client.ts'
import type { RegionNode } from './region-file.ts'

/**
 * Form № 5 in the simulated region: the holder's administrator grants the named radiologist of another hospital the
 * reading of its studies. Resolves with the grant's `jti` when the registry has countersigned it.
 */
export async function grantAccess(options: {
  holder: RegionNode
  grantee: RegionNode
  reader: SeededAccount
  days?: number
}): Promise<string> {
  const { holder, grantee, reader, days = 365 } = options
  const admin = holder.accounts.find(({ role }) => role === 'mo_admin')
  if (admin === undefined) throw new Error(`${holder.key} has no administrator`)
  const client = await signIn(holder.url, admin)
  const oid = grantee.organization.oid as OrganizationOid
  const request = {
    grantee: oid,
    users: [
      { uid: userIdOf(oid, reader), pos: reader.position, dep: reader.department, room: '304' },
    ],
    scope: { mode: 'all', devices: ['*'], mod: ['*'], from: null, to: null },
    act: ['search', 'view', 'report'],
    days,
  }
  // The holder's node learns of the others from the registry a moment after it started.
  return await eventually(`grant ${holder.key} → ${grantee.key}`, async () => {
    const answer = await client.post('/api/grants', request)
    if (!answer.ok) throw new Error(`/api/grants answered ${answer.status}: ${await answer.text()}`)
    const { jti } = (await answer.json()) as { jti: string }
    return jti
  })
}
