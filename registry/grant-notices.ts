import type { AccessRequest } from '#protocol/access-request.ts'
import { readAccessRequest } from '#protocol/access-request-content.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import { printName } from '#protocol/fields/full-name.ts'
import type { GrantRequest } from '#protocol/grant.ts'
import type { Notices } from './notices.ts'
import type { Organizations } from './organizations.ts'

/** The № 2-type letter, to both sides, in the name of the operator who approved. */
export async function announceGrant(
  form: AccessRequest,
  claims: Pick<GrantRequest, 'users' | 'exp'>,
  { organizations, notices }: { organizations: Organizations; notices: Notices },
): Promise<void> {
  const { granteeOrg, users } = readAccessRequest(form)
  const approved = form.history.findLast(({ action }) => action === 'approve')
  if (approved === undefined) return
  const accounts = form.rows.flatMap(({ row, uid, state }) => {
    const user = users[row - 1]
    const isIn = state === 'confirmed' && claims.users.some((one) => one.uid === uid)
    return user === undefined || uid === undefined || !isIn
      ? []
      : [{ name: printName(user.fullName), login: uid }]
  })
  const cards = {
    holder: (await organizations.view(form.holder))?.card,
    grantee: (await organizations.view(granteeOrg))?.card,
  }
  const names = {
    holderName: cards.holder?.fullName ?? form.holder,
    granteeName: cards.grantee?.fullName ?? granteeOrg,
  }
  const until = dayOf(claims.exp * 1000)
  for (const side of ['holder', 'grantee'] as const) {
    const content = {
      kind: 'grant_notice' as const,
      organizationName: side === 'holder' ? names.holderName : names.granteeName,
      formNumber: form.number ?? '',
      ...names,
      accounts,
      until,
    }
    const organization = side === 'holder' ? form.holder : granteeOrg
    const recipient = cards[side]?.email
    const by = { actor: approved.by, source: 'registry' }
    await notices.issue({ content, source: form.id, recipient, organization }, by)
  }
}
