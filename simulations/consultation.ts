import type { SeededAccount } from './accounts.ts'
import { eventually, signIn, type Client } from './client.ts'
import type { RegionFile, RegionNode } from './region-file.ts'

/**
 * Form № 5 in the simulated region, as it goes in life: the operator types it in from paper and registers it, the
 * grantee's node says which account is meant, the operator approves, the holder's node signs. Resolves with the grant's
 * `jti` when the registry has countersigned it.
 */
export async function grantAccess(options: {
  registry: RegionFile['registry']
  holder: RegionNode
  grantee: RegionNode
  reader: SeededAccount
}): Promise<string> {
  const { registry, holder, grantee, reader } = options
  const operator = await signIn(registry.url, accountOf(registry, 'cami_operator'))
  for (const { organization } of [holder, grantee]) await connect(operator, organization.oid)
  const id = await fileForm5(operator, { holder, grantee, reader })
  const act = (action: unknown) => send(operator, `/api/access-requests/${id}/actions`, action)
  const granteeAdmin = await signIn(grantee.url, accountOf(grantee, 'mo_admin'))
  // The nodes reach the registry a moment after they started.
  await eventually(`form № 5 is known to ${grantee.key}`, () =>
    send(granteeAdmin, `/api/access-requests/${id}/confirmation`, undefined),
  )
  await act({ type: 'approve' })
  const holderAdmin = await signIn(holder.url, accountOf(holder, 'mo_admin'))
  return await eventually(`grant ${holder.key} → ${grantee.key}`, async () => {
    const { jti } = await send<{ jti: string }>(
      holderAdmin,
      `/api/access-requests/${id}/signature`,
      undefined,
    )
    return jti
  })
}

const today = () => new Date().toISOString().slice(0, 10)

/** Conditions J-1…J-6: the paper of a simulated region is in order. */
async function connect(operator: Client, oid: string): Promise<void> {
  const document = { basis: 'учебный регион: документы на бумаге', date: today() }
  for (const code of ['J-1', 'J-2', 'J-3', 'J-4', 'J-5', 'J-6']) {
    const body = { code, state: 'fulfilled', ...document }
    await send(operator, `/api/organizations/${oid}/checklist`, body)
  }
}

/** From paper to «На рассмотрении». */
async function fileForm5(
  operator: Client,
  { holder, grantee, reader }: { holder: RegionNode; grantee: RegionNode; reader: SeededAccount },
): Promise<string> {
  const user = {
    fullName: reader.name,
    position: reader.position,
    department: reader.department,
    room: '304',
    email: `${reader.login}@kuzdrav.example`,
    phone: '+73842390000',
  }
  const content = {
    orgStamp: { kind: 'card', name: holder.organization.name, address: 'Кемеровская область' },
    users: [user],
    granteeOrg: grantee.organization.oid,
    holderOrg: holder.organization.oid,
    confirmed: true,
    documentDate: today(),
    contactName: 'Учебный Администратор Районович',
    contactPhone: '+73842390001',
    signature: { kind: 'paper', incomingNo: '1', date: today() },
  }
  const { id } = await send<{ id: string }>(operator, '/api/access-requests', { content })
  const actions = `/api/access-requests/${id}/actions`
  await send(operator, actions, { type: 'submit' })
  await send(operator, actions, { type: 'register', incoming: { no: '1', date: today() } })
  return id
}

async function send<T>(client: Client, path: string, body: unknown): Promise<T> {
  const answer = await client.post(path, body)
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as T
}

function accountOf({ accounts }: Pick<RegionNode, 'accounts'>, role: string) {
  const found = accounts.find((account) => account.role === role)
  if (found === undefined) throw new Error(`no ${role}`)
  return found
}
