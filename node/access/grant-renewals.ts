import { ProtocolError } from '#protocol/errors.ts'
import type { GrantFacts } from '#protocol/grant.ts'
import { pinsKey } from '#protocol/grant-refusal.ts'
import { oidOf, type Kid, type OrganizationOid } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import type { Federation } from './federation.ts'

/** Whether a grant names the key by which its grantee speaks: another one has come, or the one there was is revoked. */
export type GrantKey = { state: 'named' | 'revoked' } | { state: 'changed'; kid: Kid }

/**
 * Grants of ours whose grantee was enrolled anew under another key stay closed until this organization signs them for it
 * (decision 0050): the same people, scope, end and paper under the same number, for the key that somebody here has compared.
 */
export type GrantRenewals = {
  keyOf(facts: GrantFacts): GrantKey
  /** Signs all in force that wait for this key; `conflict` when the grantee speaks by another one by now. */
  renew(grantee: OrganizationOid, kid: Kid): Promise<{ jtis: string[] }>
}

type Deps = {
  federation: Pick<Federation, 'heldGrants' | 'member' | 'epochFacts' | 'registry' | 'now'>
  signer: Signer
}

export function createGrantRenewals({ federation, signer }: Deps): GrantRenewals {
  const keyOf = ({ request: { claims } }: GrantFacts): GrantKey => {
    const member = federation.member(oidOf(claims.sub))
    const kidsOff: ReadonlySet<Kid> = federation.epochFacts()?.kidsOff ?? new Set()
    if (member === undefined || kidsOff.has(member.kid)) return { state: 'revoked' }
    const { kid, facts } = member
    const isPinned = pinsKey(claims, { kid, follows: facts.follows ?? [] }, kidsOff)
    return isPinned ? { state: 'named' } : { state: 'changed', kid }
  }
  return {
    keyOf,
    async renew(grantee, kid) {
      const registry = federation.registry()
      if (registry === undefined) throw new ProtocolError('unavailable', 'no link to the registry')
      if (federation.member(grantee)?.kid !== kid) {
        throw new ProtocolError('conflict', 'the organization speaks by another key')
      }
      const waiting = federation.heldGrants().filter(({ facts, active }) => {
        const isTheirs = oidOf(facts.request.claims.sub) === grantee
        return active && isTheirs && keyOf(facts).state === 'changed'
      })
      const jtis: string[] = []
      for (const { facts } of waiting) {
        const { claims } = facts.request
        const iat = Math.floor(federation.now() / 1000)
        const next = { ...claims, ver: claims.ver + 1, sub_kid: [kid], iat }
        await registry.request('grant.submit', {
          request: await signer.sign('cami-grant-req+jwt', next),
        })
        jtis.push(claims.jti)
      }
      // The set that lists them comes as an event, too; whoever confirmed may rely on it now.
      await registry.refresh()
      return { jtis }
    },
  }
}
