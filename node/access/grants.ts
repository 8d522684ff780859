import { z } from 'zod'
import type { GrantState } from '#protocol/control.ts'
import { DocumentReference } from '#protocol/credential.ts'
import type { EpochFacts } from '#protocol/epoch.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { GrantedUser, GrantScope, Operation, verifyGrant } from '#protocol/grant.ts'
import type { GrantFacts, GrantRequest, HolderKeyOf } from '#protocol/grant.ts'
import { oidOf, OrganizationOid, REGISTRY, ulid, urnOf } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Log } from '../log.ts'
import type { RecordChange, Records } from '../store/records.ts'
import type { Member } from './members.ts'

/** Form № 5 as an administrator fills it in; what is left out is what the form means by default. */
export const GrantInput = z.strictObject({
  grantee: OrganizationOid,
  users: z
    .array(GrantedUser.omit({ row: true, pii: true }))
    .min(1)
    .max(100),
  scope: z
    .strictObject({
      mode: GrantScope.shape.mode.default('all'),
      devices: GrantScope.shape.devices.default(['*']),
      mod: GrantScope.shape.mod.default(['*']),
      from: GrantScope.shape.from.default(null),
      to: GrantScope.shape.to.default(null),
    })
    .prefault({}),
  act: z.array(Operation).min(1).max(4).default(['search', 'view']),
  days: z.int().min(1).max(366).default(365),
  form5: DocumentReference.exactOptional(),
})
export type GrantInput = z.infer<typeof GrantInput>

export type ReceivedGrant = { facts: GrantFacts; active: boolean }

/** Grants that this organization gave (held) and got (received). Nothing is kept that its holder has not signed. */
export type Grants = {
  held(jti: string): GrantFacts | undefined
  allHeld(): GrantFacts[]
  received(): ReceivedGrant[]
  /** Whether this node has asked for this grant. */
  hasGiven(jti: string): boolean
  /** Ended here, whatever the registry says yet. */
  ended(): ReadonlySet<string>
  unreported(): string[]
  /** Takes grants that the epoch lists; others are refused one by one. */
  takeHeld(tokens: readonly string[], epoch: EpochFacts | undefined): Promise<void>
  /** Takes what the registry says of received grants; true when this changed anything. */
  takeReceived(states: readonly GrantState[]): Promise<boolean>
  sign(input: GrantInput, grantee: Member): Promise<{ jti: string; request: string }>
  end(jti: string): Promise<void>
  reported(jti: string): Promise<void>
}

type Deps = {
  self: OrganizationOid
  signer: Signer
  trust: () => TrustList
  now: () => number
  random: (bytes: number) => Uint8Array
  records: Pick<Records, 'get' | 'put' | 'write' | 'list'>
  log: Log
  ownKeyOf: HolderKeyOf
  memberKeyOf: HolderKeyOf
}

const Received = z.strictObject({ grant: z.string(), active: z.boolean() })
const Ended = z.strictObject({ reported: z.boolean() })
type Received = { facts: GrantFacts; active: boolean; token: string }

export async function openGrants(deps: Deps): Promise<Grants> {
  const { records } = deps
  const { held, received, ended } = await readKept(deps)
  const asked = new Set<string>()
  const setEnded = async (jti: string, reported: boolean): Promise<void> => {
    await records.put('ended-grant', jti, { reported })
    ended.set(jti, reported)
  }
  return {
    held: (jti) => held.get(jti),
    allHeld: () => [...held.values()],
    received: () =>
      [...received.values()].map(({ facts, active }) => ({
        facts,
        active: active && !ended.has(facts.grant.claims.jti),
      })),
    hasGiven: (jti) => held.has(jti) || asked.has(jti),
    ended: () => new Set(ended.keys()),
    unreported: () => [...ended].filter(([, reported]) => !reported).map(([jti]) => jti),
    async takeHeld(tokens, epoch) {
      const changes: RecordChange[] = []
      for (const token of tokens) {
        const facts = await readGrant(deps, token, 'held')
        if (facts === undefined) continue
        const { jti } = facts.grant.claims
        if (epoch?.grants.get(jti)?.digest !== facts.grant.digest) continue
        held.set(jti, facts)
        changes.push({ type: 'put', kind: 'held-grant', key: jti, value: token })
      }
      await records.write(changes)
    },
    async takeReceived(states) {
      const taken = new Map<string, Received>()
      for (const { grant: token, active } of states) {
        const facts = await readGrant(deps, token, 'received')
        if (facts === undefined) continue
        const { jti, ver } = facts.grant.claims
        const known = taken.get(jti) ?? received.get(jti)
        if (known !== undefined && known.facts.grant.claims.ver > ver) continue
        if (known?.token !== token || known.active !== active)
          taken.set(jti, { facts, active, token })
      }
      await records.write(
        [...taken].map(([key, { token, active }]) => {
          return { type: 'put', kind: 'received-grant', key, value: { grant: token, active } }
        }),
      )
      for (const [jti, one] of taken) received.set(jti, one)
      return taken.size > 0
    },
    async sign(input, grantee) {
      const signed = await signRequest(deps, input, grantee)
      asked.add(signed.jti)
      return signed
    },
    end: (jti) => setEnded(jti, false),
    reported: (jti) => setEnded(jti, true),
  }
}

/** What was known when the node last stopped, proven again. */
async function readKept(deps: Deps) {
  const { records } = deps
  const held = new Map<string, GrantFacts>()
  const received = new Map<string, Received>()
  const ended = new Map<string, boolean>()
  for await (const { value } of records.list('held-grant', z.string())) {
    const facts = await readGrant(deps, value, 'held')
    if (facts !== undefined) held.set(facts.grant.claims.jti, facts)
  }
  for await (const { value } of records.list('received-grant', Received)) {
    const { grant, active } = value
    const facts = await readGrant(deps, grant, 'received')
    if (facts !== undefined) received.set(facts.grant.claims.jti, { facts, active, token: grant })
  }
  for await (const { key, value } of records.list('ended-grant', Ended)) {
    ended.set(key, value.reported)
  }
  return { held, received, ended }
}

/** A grant without its holder's own signature is the registry's invention, and nothing. */
async function readGrant(
  { self, trust, now, log, ownKeyOf, memberKeyOf }: Deps,
  token: string,
  side: 'held' | 'received',
): Promise<GrantFacts | undefined> {
  try {
    const holderKeyOf = side === 'held' ? ownKeyOf : memberKeyOf
    const facts = await verifyGrant(token, { trust: trust(), now: now(), holderKeyOf })
    const { holder, sub } = facts.grant.claims
    if (oidOf(side === 'held' ? holder : sub) === self) return facts
    throw new ProtocolError('grant_foreign', 'a grant between others')
  } catch (error) {
    log.error({ code: codeOf(error), side }, 'a grant is not valid and is ignored')
    return undefined
  }
}

async function signRequest(
  { self, signer, now, random }: Deps,
  input: GrantInput,
  grantee: Member,
): Promise<{ jti: string; request: string }> {
  const { users, scope, act, days, form5 } = input
  const iat = Math.floor(now() / 1000)
  const jti = ulid(now(), random(10))
  const claims: GrantRequest = {
    iss: urnOf(self),
    sub: urnOf(grantee.oid),
    sub_kid: [grantee.kid],
    aud: REGISTRY,
    jti,
    ver: 1,
    iat,
    nbf: iat,
    exp: iat + days * 86_400,
    users: users.map((user, at) => ({ row: at + 1, ...user })),
    scope,
    act,
    purp: 'interpretation',
    ...(form5 !== undefined && { form5 }),
  }
  return { jti, request: await signer.sign('cami-grant-req+jwt', claims) }
}

export function withoutEnded(
  facts: EpochFacts | undefined,
  ended: ReadonlySet<string>,
): EpochFacts | undefined {
  if (facts === undefined) return undefined
  const grants = new Map(facts.grants)
  for (const jti of ended) {
    const listed = grants.get(jti)
    if (listed !== undefined) grants.set(jti, { ...listed, active: false })
  }
  return { ...facts, grants }
}

export function visibilityOf(
  received: readonly ReceivedGrant[],
  holder: OrganizationOid,
  now: number,
): string {
  return received
    .filter(({ facts: { grant }, active }) => {
      const { claims } = grant
      const isNow = claims.nbf * 1000 <= now && now < claims.exp * 1000
      return active && isNow && claims.holder === `oid:${holder}`
    })
    .map(({ facts }) => facts.grant.digest.slice(0, 16))
    .sort()
    .join()
}
