import type { AccessRequest } from '#protocol/access-request.ts'
import { readAccessRequest } from '#protocol/access-request-content.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import { printName } from '#protocol/fields/full-name.ts'
import type { GrantRequest } from '#protocol/grant.ts'
import type { Owed } from './notices.ts'
import { byOf } from './office.ts'
import type { Organizations } from './organizations.ts'

/** The № 2-type letter, to both sides, in the name of the operator who approved. */
export async function grantNoticesOf(
  form: AccessRequest,
  claims: Pick<GrantRequest, 'users' | 'exp'>,
  organizations: Organizations,
): Promise<Owed[]> {
  const { granteeOrg, users } = readAccessRequest(form)
  const accounts = form.rows.flatMap(({ row, uid, state }) => {
    const user = users[row - 1]
    const isIn = state === 'confirmed' && claims.users.some((one) => one.uid === uid)
    return user === undefined || uid === undefined || !isIn
      ? []
      : [{ name: printName(user.fullName), login: uid }]
  })
  // All of them may have left since.
  if (accounts.length === 0) return []
  const cards = {
    holder: (await organizations.view(form.holder))?.card,
    grantee: (await organizations.view(granteeOrg))?.card,
  }
  const names = {
    holderName: cards.holder?.fullName ?? form.holder,
    granteeName: cards.grantee?.fullName ?? granteeOrg,
  }
  const until = dayOf(claims.exp * 1000)
  return (['holder', 'grantee'] as const).map((side) => {
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
    const notice = { content, source: form.id, recipient, organization }
    return { notice, by: byOf(form, 'approve') }
  })
}
