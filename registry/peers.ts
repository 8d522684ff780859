import { PROTOCOL_VERSION } from '#protocol/control.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { organizationOfUser, type PeerIdString } from '#protocol/ids.ts'
import { streamLimits } from '#protocol/limits.ts'
import type { Handlers } from '#protocol/transport/transport.ts'
import { batchesOf } from './batches.ts'
import type { AccessRequests } from './access-requests.ts'
import type { Audit } from './audit.ts'
import type { Credentials, Organization } from './credentials.ts'
import type { Devices } from './devices.ts'
import type { Directory } from './directory.ts'
import type { Epochs } from './epochs.ts'
import type { Followers } from './followers.ts'
import type { Grants } from './grants.ts'
import type { IndexLog } from './index-log.ts'
import type { Operator } from './operator.ts'
import type { Restrictions } from './restrictions.ts'
import { createLogHandlers } from './transparency/handlers.ts'
import type { Transparency } from './transparency/transparency.ts'
import type { Trust } from './trust.ts'
import type { Withdrawals } from './withdrawals.ts'

const farewellMs = 500

/** What is left of a frame beside an epoch of the largest size. */
const grantBytes = streamLimits.controlFrameBytes / 4

/**
 * What nodes may ask. Who asks is the peer id that Noise proved, looked up among the published credentials; no request
 * names its caller, so no node can write another's rows or read another's grants.
 */
type Deps = {
  transparency: Transparency
  trust: Trust
  credentials: Credentials
  withdrawals: Withdrawals
  directory: Directory
  epochs: Epochs
  grants: Grants
  indexLog: IndexLog
  followers: Followers
  devices: Pick<Devices, 'records'>
  accessRequests: Pick<AccessRequests, 'waitingFor' | 'act'>
  restrictions: Pick<Restrictions, 'records' | 'told' | 'isUntold'>
  operator: () => Pick<Operator, 'userReported'>
  audit: Pick<Audit, 'append'>
  /** Ends a connection that has served its purpose. */
  farewell: (peer: PeerIdString) => void
}

export function createPeerHandlers(deps: Deps): Handlers {
  const { trust, directory, epochs, grants, indexLog, followers } = deps
  const caller = (peer: PeerIdString): Organization => callerOf(deps, peer)
  return {
    ...formHandlers(deps, caller),
    ...createLogHandlers(deps.transparency, caller),
    'user.report': createUserReport(deps, caller),
    async hello({ addresses }, { peer }) {
      known(deps, peer)
      await directory.arrived(peer, addresses)
      return { version: PROTOCOL_VERSION }
    },
    async 'trust.get'(_, { peer }) {
      caller(peer)
      return { trustList: trust.token() }
    },
    async 'directory.get'(_, { peer }) {
      caller(peer)
      return { members: directory.members() }
    },
    async 'epoch.get'(_, { peer }) {
      const { oid } = caller(peer)
      await epochs.renew(oid)
      const { epoch, grants } = await epochs.current(oid)
      const beat = await epochs.beat(oid)
      const [first = [], ...more] = cut(grants, (grant) => grant.length)
      for (const rest of more) directory.tell(oid, 'epoch', { epoch, grants: rest })
      return { epoch, beat, grants: first }
    },
    async 'grant.list'(_, { peer }) {
      const { oid } = caller(peer)
      const rows = await grants.received(oid)
      const states = rows.map(({ token, active }) => ({ grant: token, active }))
      const [first = [], ...more] = cut(states, ({ grant }) => grant.length)
      for (const rest of more) directory.tell(oid, 'grants', { grants: rest })
      return { grants: first }
    },
    async 'grant.submit'({ request }, { peer }) {
      return { grant: await grants.submit(caller(peer), request) }
    },
    async 'grant.revoke'({ jti }, { peer }) {
      await grants.revoke(jti, caller(peer).oid)
      return {}
    },
    async 'index.head'(_, { peer }) {
      return await indexLog.head(caller(peer).oid)
    },
    async 'index.push'({ entries }, { peer }) {
      const { seq } = await indexLog.push(caller(peer).oid, entries)
      return { seq }
    },
    async 'index.own'({ after }, { peer }) {
      return { entries: await indexLog.own(caller(peer).oid, after) }
    },
    async 'index.follow'({ after }, { peer }) {
      const { oid } = caller(peer)
      const connection = directory.connection(oid)
      if (connection === undefined) throw new ProtocolError('unavailable', 'not connected')
      followers.follow(oid, connection, after)
      return {}
    },
  }
}

/** What the operator's forms mean for a node. */
function formHandlers(
  deps: Deps,
  caller: (peer: PeerIdString) => Organization,
): Pick<
  Handlers,
  'devices.get' | 'restrictions.get' | 'access-requests.get' | 'access-request.confirm'
> {
  const { devices, accessRequests, restrictions } = deps
  const farewells = new Map<string, NodeJS.Timeout>()
  return {
    async 'devices.get'(_, { peer }) {
      return { devices: await devices.records(caller(peer).oid) }
    },
    async 'restrictions.get'(_, { peer }) {
      const { oid } = known(deps, peer)
      const records = await restrictions.records(oid)
      await restrictions.told(oid)
      // It was let in to hear this, and has a moment to hear it; one that came back to hear more is not sent away.
      clearTimeout(farewells.get(oid))
      farewells.delete(oid)
      if (deps.withdrawals.isSuspended(oid)) {
        const leave = () => {
          farewells.delete(oid)
          if (!restrictions.isUntold(oid)) deps.farewell(peer)
        }
        farewells.set(oid, setTimeout(leave, farewellMs).unref())
      }
      return { restrictions: records }
    },
    async 'access-requests.get'(_, { peer }) {
      const waiting = await accessRequests.waitingFor(caller(peer).oid)
      const [requests = []] = batchesOf(waiting, {
        bytesOf: (one) => JSON.stringify(one).length * 2,
        count: 100,
        bytes: streamLimits.controlFrameBytes / 2,
      })
      return { requests }
    },
    async 'access-request.confirm'({ id, ...row }, { peer }) {
      const { oid, name } = caller(peer)
      // The node speaks for its organization's administrator: it has looked the account up itself.
      const actor = { role: 'mo_admin', account: oid, name, organization: oid } as const
      await accessRequests.act(id, { type: 'confirm_row', ...row }, { actor, source: peer })
      return {}
    },
  }
}

/** An organization speaks of its own people alone. The operator reads in the audit who has left. */
const createUserReport =
  (
    { operator, audit }: Deps,
    caller: (peer: PeerIdString) => Organization,
  ): NonNullable<Handlers['user.report']> =>
  async ({ user, isOff }, { peer }) => {
    const { oid } = caller(peer)
    if (organizationOfUser(user) !== oid)
      throw new ProtocolError('forbidden', 'of another organization')
    const isNew = await operator().userReported(user, isOff)
    if (!isNew) return {}
    const action = isOff ? 'user.left' : 'user.back'
    const who = { actor: oid, role: 'mo_admin', source: peer }
    await audit.append({ ...who, action, subject: user, outcome: 'success' })
    return {}
  }

function known({ credentials }: Deps, peer: PeerIdString): Organization {
  const organization = credentials.byPeer(peer)
  if (organization === undefined) throw new ProtocolError('peer_unknown', 'no credential')
  return organization
}

function callerOf(deps: Deps, peer: PeerIdString): Organization {
  const { withdrawals } = deps
  const organization = known(deps, peer)
  if (withdrawals.isSuspended(organization.oid)) {
    throw new ProtocolError('peer_suspended', 'the organization is suspended')
  }
  return organization
}

function cut<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  return batchesOf(items, { bytesOf, count: 1000, bytes: grantBytes })
}
