import { credentialKind, type Credential } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { decodeToken } from '#protocol/jws.ts'
import { oidOf, organizationOfUser } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PeerIdString, UserId } from '#protocol/ids.ts'
import { thumbprint } from '#protocol/keys.ts'
import { verifyPossession } from '#protocol/possession.ts'
import type { Host } from '#protocol/transport/transport.ts'
import type { People } from './access-requests.ts'
import type { Credentials } from './credentials.ts'
import type { Directory } from './directory.ts'
import { noChange } from './epochs.ts'
import type { Epochs } from './epochs.ts'
import { requestOf } from './grant-rows.ts'
import type { Grants } from './grants.ts'
import type { Log } from './log.ts'
import type { Journal, NewEntry } from './transparency/journal.ts'
import { trustListKey } from './trust.ts'
import type { Trust } from './trust.ts'
import type { Speaker, Withdrawals, Withdrawn } from './withdrawals.ts'

/** What the operator may do to the federation; forms and restrictions end in these. */
export type Operator = {
  publishCredential(credential: string, rekey?: string): Promise<void>
  publishTrustList(trustList: string): Promise<void>
  suspend(oid: OrganizationOid, off?: boolean): Promise<void>
  revokeKey(kid: Kid): Promise<void>
  disableUser(user: UserId): Promise<void>
  /** Her own organization says that she has left, or is back. True when this changed anything. */
  userReported(user: UserId, isOff: boolean): Promise<boolean>
  revokeGrant(jti: string): Promise<void>
  isMember(oid: OrganizationOid): boolean
  isSuspended(oid: OrganizationOid): boolean
  /** The holder's next epoch, as everything now stands, and what the log says of why. */
  renewEpoch(holder: OrganizationOid, entries: NewEntry[]): Promise<void>
}

export type OperatorParts = {
  journal: Journal
  trust: Trust
  credentials: Credentials
  withdrawals: Withdrawals
  directory: Directory
  epochs: Epochs
  grants: Grants
}

export function createOperator(
  parts: OperatorParts,
  given: {
    host: () => Host
    isAllowed: (peer: PeerIdString) => boolean
    desks: { accessRequests: { people: People } }
    log: Log
  },
): Operator {
  const { journal, trust, credentials, withdrawals, directory, epochs, grants } = parts
  const { host, isAllowed, desks, log } = given
  const { people } = desks.accessRequests
  const withdraw = async (what: Withdrawn, off: boolean, by?: Speaker): Promise<boolean> => {
    if (!(await withdrawals.set(what, off, by))) return false
    for (const { oid } of credentials.all()) await epochs.bump(oid, noChange)
    return true
  }
  /** Whoever is connected and may be no longer. */
  const hangUpOthers = async (): Promise<void> => {
    for (const peer of host().peers()) if (!isAllowed(peer)) await host().hangUp(peer)
    directory.changed()
  }
  return {
    async publishCredential(credential, rekey) {
      const { claims } = decodeToken(credential, credentialKind)
      refuseRevoked(withdrawals, [claims.prev_kid])
      if (rekey === undefined) await requireProof(credentials, claims)
      const { oid } = await credentials.publish(credential, rekey)
      log.info({ oid }, 'a credential is published')
      await hangUpOthers()
    },
    async publishTrustList(trustList) {
      await trust.replace(trustList, () => keepTrustList(journal, trustList))
      await credentials.refresh()
      directory.tellAll('trust', { trustList })
      await hangUpOthers()
    },
    async suspend(oid, off = true) {
      await withdraw({ organization: oid }, off)
      const peer = credentials.organization(oid)?.peer
      if (off && peer !== undefined) await host().hangUp(peer)
    },
    async revokeKey(kid) {
      await withdraw({ kid }, true)
      await hangUpOthers()
    },
    async disableUser(user) {
      await withdraw({ user }, true)
      await people.left(user)
    },
    async userReported(user, isOff) {
      // Whom nobody else's images were open to has nothing to lose, and would only fill the sets of grants.
      if (isOff && !(await isNamed(user, parts, people))) return false
      const isNew = await withdraw({ user }, isOff, 'organization')
      // Also when it is known already: the registry may have stopped between the two.
      if (isOff) await people.left(user)
      else if (!withdrawals.users().includes(user)) await people.back(user)
      return isNew
    },
    revokeGrant: (jti) => grants.revoke(jti),
    isMember: (oid) => credentials.organization(oid) !== undefined,
    isSuspended: withdrawals.isSuspended,
    renewEpoch: (holder, entries) =>
      epochs.bump(holder, () => Promise.resolve({ writes: [], changed: [], entries })),
  }
}

const keepTrustList = (journal: Journal, token: string): Promise<void> =>
  journal.write([{ kind: 'trust-list', token }], [{ put: trustListKey, value: token }])

async function isNamed(
  user: UserId,
  { grants }: Pick<OperatorParts, 'grants'>,
  people: People,
): Promise<boolean> {
  if (await people.isNamed(user)) return true
  const received = await grants.received(organizationOfUser(user))
  return received.some((row) => requestOf(row).users.some(({ uid }) => uid === user))
}

/** A revoked key has no word in who follows it: its thief would speak. */
function refuseRevoked(withdrawals: Withdrawals, kids: readonly (Kid | undefined)[]): void {
  const revoked = withdrawals.kids()
  if (kids.some((kid) => kid !== undefined && revoked.includes(kid))) {
    throw new ProtocolError('key_revoked', 'the key before is revoked: enroll anew')
  }
}

/** A key that was not this organization's before has answered the operator, in the organization's own name. */
async function requireProof(
  credentials: Pick<Credentials, 'organization'>,
  { sub, cnf, iat, pop }: Credential,
): Promise<void> {
  const { jwk } = cnf
  const isRenewal = credentials.organization(oidOf(sub))?.kid === (await thumbprint(jwk))
  if (isRenewal) return
  if (pop === undefined) {
    throw new ProtocolError('possession_unproven', 'the key was not asked to prove itself')
  }
  await verifyPossession(pop, { jwk, organization: sub, now: iat * 1000 })
}
