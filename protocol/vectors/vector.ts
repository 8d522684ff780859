import { z } from 'zod'
import { verifyAssertion } from '../assertion.ts'
import { authorizePeer } from '../authorize.ts'
import { parseCanonicalJson } from '../canonical-json.ts'
import { credentialFacts, verifyCredential } from '../credential.ts'
import { epochFacts, nextEpochState, verifyBeat, verifyEpoch } from '../epoch.ts'
import type { EpochFacts } from '../epoch.ts'
import { ProtocolError, errorCodes } from '../errors.ts'
import type { StudyFacts } from '../facts.ts'
import { Operation, verifyGrant, verifyGrantRequest } from '../grant.ts'
import {
  Kid,
  OrganizationOid,
  OrganizationUrn,
  PeerIdString,
  PublicJwk,
  Sha256,
  StudyUid,
  UserId,
  oidOf,
  urnOf,
} from '../ids.ts'
import { IndexItem, acceptIndexItem } from '../index-log.ts'
import { sha256Hex } from '../jws.ts'
import type { Verified } from '../jws.ts'
import { checkPublicKey, jwkOfPeerId, peerIdOf, thumbprint } from '../keys.ts'
import { verifyManifest } from '../manifest.ts'
import { verifyRekey } from '../rekey.ts'
import { verifyTrustList } from '../trust-list.ts'
import type { TrustList } from '../trust-list.ts'

/** One example of the specification: what comes in, what its reader already knows, and what the answer must be. */
const common = {
  why: z.string().min(1),
  /** The answer to a good one: claims need no repeating, they stand in the token. */
  expect: z.record(z.string(), z.union([z.string(), z.number()])).exactOptional(),
  /** The code with which a bad one is refused. */
  error: z.enum(errorCodes).exactOptional(),
}
/** Milliseconds since 1970. */
const now = z.int()
const Key = z.strictObject({ organization: OrganizationOid, kid: Kid, jwk: PublicJwk })
/** Keys that the reader knows, and whose they are. */
const keys = z.array(Key)
const trusted = { authority: Kid, trustList: z.string() }
const forHolder = { ...common, now, ...trusted, audience: OrganizationUrn, token: z.string() }

export const Vector = z.discriminatedUnion('message', [
  z.strictObject({ message: z.literal('canonical-json'), ...common, text: z.string() }),
  z.strictObject({ message: z.literal('key'), ...common, jwk: PublicJwk }),
  z.strictObject({ message: z.literal('peer-id'), ...common, peerId: z.string() }),
  z.strictObject({
    message: z.literal('trust-list'),
    ...common,
    now,
    authority: Kid,
    token: z.string(),
  }),
  z.strictObject({
    message: z.literal('credential'),
    ...common,
    now,
    ...trusted,
    token: z.string(),
  }),
  z.strictObject({ message: z.literal('rekey'), ...common, now, keys, token: z.string() }),
  z.strictObject({
    message: z.literal('grant-request'),
    ...common,
    now,
    keys,
    token: z.string(),
  }),
  z.strictObject({
    message: z.literal('grant'),
    ...common,
    now,
    ...trusted,
    keys,
    token: z.string(),
  }),
  z.strictObject({
    message: z.literal('epoch'),
    ...forHolder,
    /** The epoch that the reader accepted last. */
    mark: z.strictObject({ epoch: z.int(), digest: Sha256 }).exactOptional(),
  }),
  z.strictObject({ message: z.literal('beat'), ...forHolder }),
  z.strictObject({
    message: z.literal('assertion'),
    ...common,
    now,
    jwk: PublicJwk,
    audience: OrganizationUrn,
    token: z.string(),
  }),
  z.strictObject({
    message: z.literal('index-item'),
    ...common,
    org: OrganizationOid,
    head: z.strictObject({ seq: z.int(), digest: Sha256 }),
    keys,
    item: IndexItem,
  }),
  z.strictObject({
    message: z.literal('manifest'),
    ...common,
    holder: OrganizationOid,
    jwk: PublicJwk,
    token: z.string(),
  }),
  z.strictObject({
    message: z.literal('decision'),
    ...common,
    now,
    self: OrganizationOid,
    ...trusted,
    keys,
    credential: z.string(),
    /** The peer at the other end of the connection. */
    remotePeer: PeerIdString,
    operation: Operation,
    /** The operator has limited the holder. */
    restricted: z.literal(true).exactOptional(),
    assertion: z.string(),
    replayed: z.boolean(),
    epoch: z.string().nullable(),
    beat: z.string().nullable(),
    grant: z.string().nullable(),
    study: z
      .strictObject({
        study: StudyUid,
        holder: OrganizationOid,
        modalities: z.array(z.string()),
        date: z.string(),
        device: z.string(),
        withheld: z.boolean(),
      })
      .nullable(),
    rateExceeded: z.boolean(),
    /** What the holder knows of access without a grant, where it offers that. */
    emergency: z
      .strictObject({
        byUser: z.int(),
        byOrganization: z.int(),
        opened: z
          .strictObject({ user: UserId, study: StudyUid, until: z.int() })
          .exactOptional(),
      })
      .exactOptional(),
  }),
])
export type Vector = z.infer<typeof Vector>
type Of<M extends Vector['message']> = Extract<Vector, { message: M }>

export type Answer = { expect: Accepted } | { error: string }

/** What this implementation answers. Anything thrown that is no refusal is a fault and goes through. */
export async function answerTo(vector: Vector): Promise<Answer> {
  try {
    const read = readers[vector.message] as (vector: Vector) => Promise<Accepted>
    return { expect: await read(vector) }
  } catch (error) {
    if (error instanceof ProtocolError) return { error: error.code }
    throw error
  }
}

type Accepted = Record<string, string | number>

/** The reader of each message; it throws what it refuses. */
const readers: { [M in Vector['message']]: (vector: Of<M>) => Promise<Accepted> } = {
  'canonical-json': async ({ text }) => {
    parseCanonicalJson(text)
    return { sha256: await sha256Hex(text) }
  },
  key: async ({ jwk }) => {
    checkPublicKey(jwk)
    return { kid: await thumbprint(jwk), peerId: peerIdOf(jwk) }
  },
  'peer-id': async ({ peerId }) => ({ x: jwkOfPeerId(peerId as PeerIdString).x }),
  'trust-list': async (vector) => named(await verifyTrustList(vector.token, vector)),
  credential: async (vector) => named(await verifyCredential(vector.token, await trustOf(vector))),
  async rekey(vector) {
    const verified = await verifyRekey(vector.token, { keyOf: keyOf(vector), now: vector.now })
    return { ...named(verified), next: verified.next }
  },
  'grant-request': async (vector) =>
    named(await verifyGrantRequest(vector.token, { keyOf: keyOf(vector), now: vector.now })),
  grant: acceptGrant,
  epoch: acceptEpoch,
  beat: async (vector) => named(await verifyBeat(vector.token, await forHolderOf(vector))),
  assertion: async (vector) => {
    const kid = await thumbprint(vector.jwk)
    return named(await verifyAssertion(vector.token, { ...vector, kid }))
  },
  'index-item': acceptItem,
  manifest: async (vector) => named(await verifyManifest(vector.token, vector)),
  decision: decide,
}

const named = ({ kid, digest }: Verified<unknown>) => ({ kid, digest })

const keyOf =
  ({ keys }: { keys: readonly z.infer<typeof Key>[] }) =>
  (kid: Kid, organization: OrganizationOid): PublicJwk | undefined =>
    keys.find((key) => key.organization === organization && key.kid === kid)?.jwk

async function trustOf(vector: {
  authority: Kid
  trustList: string
  now: number
}): Promise<{ trust: TrustList; now: number }> {
  const { claims } = await verifyTrustList(vector.trustList, vector)
  return { trust: claims, now: vector.now }
}

async function acceptGrant(vector: Of<'grant'>): Promise<Accepted> {
  const trust = await trustOf(vector)
  const facts = await verifyGrant(vector.token, { ...trust, holderKeyOf: keyOf(vector) })
  return { ...named(facts.grant), requestKid: facts.request.kid }
}

async function forHolderOf(vector: Of<'epoch' | 'beat'>) {
  return { ...(await trustOf(vector)), audience: vector.audience }
}

async function acceptEpoch(vector: Of<'epoch'>): Promise<Accepted> {
  const verified = await verifyEpoch(vector.token, await forHolderOf(vector))
  const next = nextEpochState(vector.mark, verified)
  if (next === 'accept' || next === 'same') return { ...named(verified), next }
  throw new ProtocolError(next, 'not the next epoch')
}

async function acceptItem(vector: Of<'index-item'>): Promise<Accepted> {
  const { item, org, head } = vector
  const find = keyOf(vector)
  const accepted = await acceptIndexItem(item, { org, head, keyOf: (kid) => find(kid, org) })
  return accepted.head
}

/** The whole way of a request at the holder: everything is verified first, then the decision is made. */
async function decide(vector: Of<'decision'>): Promise<Accepted> {
  const trust = await trustOf(vector)
  const credential = await verifyCredential(vector.credential, trust)
  const { jwk } = credential.claims.cnf
  const kid = await thumbprint(jwk)
  const audience = urnOf(vector.self)
  const assertion = await verifyAssertion(vector.assertion, { ...vector, jwk, kid, audience })
  const epoch = await epochOf(vector, trust.trust)
  const grant =
    vector.grant === null
      ? undefined
      : await verifyGrant(vector.grant, { ...trust, holderKeyOf: keyOf(vector) })
  const own = vector.keys.filter(({ organization }) => organization === vector.self)
  const decision = authorizePeer({
    now: vector.now,
    self: vector.self,
    selfKids: new Set(own.map(({ kid }) => kid)),
    policy: trust.trust.policy,
    remotePeer: vector.remotePeer,
    operation: vector.operation,
    restricted: vector.restricted === true,
    assertion,
    replayed: vector.replayed,
    rateExceeded: vector.rateExceeded,
    ...(vector.emergency !== undefined && { emergency: vector.emergency }),
    credential: await credentialFacts(credential.claims),
    ...(epoch === undefined ? {} : { epoch }),
    ...(grant === undefined ? {} : { grant }),
    ...(vector.study === null ? {} : { study: vector.study satisfies StudyFacts }),
  })
  if (!decision.ok) throw new ProtocolError(decision.code, 'refused')
  const { user, study, expiresAt } = decision.grant
  return { user, study, expiresAt, organization: oidOf(credential.claims.sub) }
}

/** A beat renews the epoch that it names, and no other. */
async function epochOf(vector: Of<'decision'>, trust: TrustList): Promise<EpochFacts | undefined> {
  if (vector.epoch === null) return undefined
  const expected = { trust, audience: urnOf(vector.self), now: vector.now }
  const { claims, digest } = await verifyEpoch(vector.epoch, expected)
  if (vector.beat === null) return epochFacts(claims, claims.iat)
  const beat = (await verifyBeat(vector.beat, expected)).claims
  const isOfThis = beat.epoch === claims.epoch && beat.sha256 === digest
  return epochFacts(claims, isOfThis ? beat.iat : claims.iat)
}
