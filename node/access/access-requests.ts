import type { AccessRequestRecord } from '#protocol/control.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { foldName, parseFullName } from '#protocol/fields/full-name.ts'
import type { Accounts } from './accounts.ts'
import type { Federation, RegistryAccess } from './federation.ts'

/**
 * Forms № 5 as the two nodes see them. The grantee's node says which of its accounts a row means, by name and position;
 * the holder's node signs what the operator has approved. Nothing is kept here: the registry has the forms.
 */
export type AccessRequests = {
  waiting(): Promise<AccessRequestRecord[]>
  /** Confirms every pending row that one enabled account fits; gives the rows that none or several fit. */
  confirm(id: string): Promise<{ confirmed: number[]; unmatched: number[] }>
  /** Signs the grant request of an approved form, for its confirmed rows alone. */
  sign(id: string): Promise<{ jti: string }>
}

const dayMs = 24 * 3600 * 1000
const daysMax = 365

export function createAccessRequests(deps: {
  registry: () => Pick<RegistryAccess, 'request'> | undefined
  accounts: Pick<Accounts, 'list' | 'userId'>
  federation: Pick<Federation, 'createGrant'>
  clock: () => number
}): AccessRequests {
  const { accounts, federation, clock } = deps
  const registry = () => {
    const link = deps.registry()
    if (link === undefined) throw new ProtocolError('unavailable', 'the registry is out of reach')
    return link
  }
  const waiting = async () => (await registry().request('access-requests.get', {})).requests
  const find = async (id: string, side: AccessRequestRecord['side']) => {
    const found = (await waiting()).find((one) => one.id === id && one.side === side)
    if (found === undefined) throw new ProtocolError('not_found', 'no such form waits here')
    return found
  }
  return {
    waiting,
    async confirm(id) {
      const { rows } = await find(id, 'grantee')
      const result = { confirmed: [] as number[], unmatched: [] as number[] }
      for (const { row, state, fullName, position } of rows) {
        if (state !== 'pending') continue
        const fitting = accounts
          .list()
          .filter((account) => account.enabled && foldName(account.name) === foldName(fullName))
          .filter((account) => foldName(account.position) === foldName(position))
        const [account] = fitting
        const name = account === undefined ? undefined : parseFullName(account.name)
        if (account === undefined || name === undefined || fitting.length > 1) {
          result.unmatched.push(row)
          continue
        }
        const uid = accounts.userId(account)
        const said = { id, row, uid, fullName: name, position: account.position }
        await registry().request('access-request.confirm', said)
        result.confirmed.push(row)
      }
      return result
    },
    async sign(id) {
      const form = await find(id, 'holder')
      const users = form.rows.flatMap(({ state, uid, position, department, room }) =>
        state === 'confirmed' && uid !== undefined
          ? [{ uid, pos: position, dep: department, room }]
          : [],
      )
      const { grantee, devices, modalities: mod, mode, form5, validUntil } = form
      const end = validUntil === undefined ? Infinity : Date.parse(`${validUntil}T23:59:59+07:00`)
      const days = Math.min(daysMax, Math.floor((end - clock()) / dayMs) + 1)
      if (days < 1) throw new ProtocolError('grant_expired', 'the form has run out')
      const scope = { mode, devices, mod, from: null, to: null }
      const act = ['search', 'view', 'report', 'request_info'] as const
      return await federation.createGrant({ grantee, users, scope, act: [...act], days, form5 })
    },
  }
}
