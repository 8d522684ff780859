import { ed25519 } from '@noble/curves/ed25519.js'
import type { Assertion } from './assertion.ts'
import { decodeBase64url, encodeBase64url } from './bytes.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Credential } from './credential.ts'
import type { Beat, Epoch } from './epoch.ts'
import type { StudyFacts } from './facts.ts'
import type { Grant, GrantRequest } from './grant.ts'
import { AUTHORITY, FEDERATION, OrganizationOid, REGISTRY, StudyUid, UserId, urnOf } from './ids.ts'
import type { Kid, OrganizationUrn, PeerIdString, PrivateJwk, PublicJwk, Sha256 } from './ids.ts'
import { emptyHead } from './index-log.ts'
import type { IndexEntry } from './index-log.ts'
import { createSigner, tokenDigest } from './jws.ts'
import type { Signer, TokenType } from './jws.ts'
import { peerIdOf, privateJwk } from './keys.ts'
import type { Manifest, ManifestInstance } from './manifest.ts'
import type { StudyRecord } from './study.ts'
import { signRekey } from './rekey.ts'
import type { Possession } from './possession.ts'
import type { Receipt } from './receipt.ts'
import type { Rekey } from './rekey.ts'
import type { TrustList } from './trust-list.ts'

/** A small federation with keys from fixed seeds: a holder, a grantee, a stranger; every message in a correct form. */

export const now = Date.UTC(2026, 10, 25, 4, 0, 0)
export const nowSeconds = now / 1000
const day = 24 * 60 * 60

export type Party = {
  oid: OrganizationOid
  urn: OrganizationUrn
  key: PrivateJwk
  jwk: PublicJwk
  kid: Kid
  peerId: PeerIdString
  signer: Signer
}

/** An organization with a key of its own; seeds up to 40 are taken by the fixtures. */
export async function partyOf(seed: number, number: number): Promise<Party> {
  const key = privateJwk(new Uint8Array(32).fill(seed))
  const oid = OrganizationOid.parse(`1.2.643.5.1.13.13.12.2.42.${number}`)
  const signer = await createSigner(key)
  const { jwk, kid } = signer
  return { oid, urn: urnOf(oid), key, jwk, kid, peerId: peerIdOf(jwk), signer }
}

const ids = {
  grant: '01KB0000000000000000000001',
  assertion: '01KB0000000000000000000002',
  credential: '01KB0000000000000000000003',
  user: '01KB0000000000000000000004',
  rekey: '01KB0000000000000000000006',
  proof: '01KB0000000000000000000007',
  otherUser: '01KB0000000000000000000005',
}

export const study = StudyUid.parse('1.2.643.5.1.13.13.12.2.42.1001.7.1')
export const studyFacts = (holder: OrganizationOid): StudyFacts => ({
  study,
  holder,
  modalities: ['CT'],
  date: '20261124',
  device: 'ct-1',
  withheld: false,
})

export type Federation = Awaited<ReturnType<typeof createFederation>>

export async function createFederation() {
  const [authority, issuer, registry, holder, grantee, stranger] = await Promise.all([
    partyOf(1, 1),
    partyOf(2, 1),
    partyOf(3, 1),
    partyOf(4, 1001),
    partyOf(5, 1002),
    partyOf(6, 1003),
  ])
  // The grantee's key after the present one.
  const successor = await partyOf(7, 1002)
  const parties = { authority, issuer, registry, holder, grantee, stranger }
  const user = UserId.parse(`${grantee.oid}#${ids.user}`)
  const otherUser = UserId.parse(`${grantee.oid}#${ids.otherUser}`)
  const claims = createClaims(parties, user)
  return {
    ...parties,
    successor,
    user,
    otherUser,
    claims,
    /** The holder's keys as a verifier looks them up. */
    holderKeyOf: (kid: Kid, organization: OrganizationOid) =>
      [holder, grantee, stranger].find((party) => party.kid === kid && party.oid === organization)
        ?.jwk,
    sign: {
      trustList: (over: Partial<TrustList> = {}) =>
        authority.signer.sign('cami-trust+jwt', claims.trustList(over)),
      credential: (party: Party, over: Partial<Credential> = {}) =>
        issuer.signer.sign('cami-mo+jwt', claims.credential(party, over)),
      grantRequest: (over: Partial<GrantRequest> = {}) =>
        holder.signer.sign('cami-grant-req+jwt', claims.grantRequest(over)),
      grant: async (over: Partial<Grant> = {}, request: Partial<GrantRequest> = {}) => {
        const req = await holder.signer.sign('cami-grant-req+jwt', claims.grantRequest(request))
        return issuer.signer.sign('cami-grant+jwt', claims.grant(req, over))
      },
      rekey: (over: Partial<Rekey> = {}, by: { old?: Party; next?: Party } = {}) =>
        signRekey(
          { ...claims.rekey(), ...over },
          { old: (by.old ?? grantee).signer, next: (by.next ?? successor).signer },
        ),
      epoch: (grants: Epoch['grants'], over: Partial<Epoch> = {}) =>
        issuer.signer.sign('cami-epoch+jwt', claims.epoch(grants, over)),
      beat: (sha256: Sha256, over: Partial<Beat> = {}) =>
        issuer.signer.sign('cami-beat+jwt', claims.beat(sha256, over)),
      assertion: (over: Partial<Assertion> = {}) =>
        grantee.signer.sign('cami-access+jwt', claims.assertion(over)),
      /** By the key itself, whoever's it is. */
      possession: (party: Party = grantee, over: Partial<Possession> = {}) =>
        party.signer.sign('cami-proof+jwt', { ...claims.possession(party), ...over }),
      receipt: (over: Partial<Receipt> = {}) =>
        holder.signer.sign('cami-receipt+jwt', claims.receipt(over)),
      indexEntry: (over: Partial<IndexEntry> = {}) =>
        holder.signer.sign('cami-index+jwt', claims.indexEntry(over)),
      manifest: (over: Partial<Manifest> = {}) =>
        holder.signer.sign('cami-manifest+jws', claims.manifest(over)),
    },
  }
}

type Parties = Record<
  'authority' | 'issuer' | 'registry' | 'holder' | 'grantee' | 'stranger',
  Party
>

function createClaims(parties: Parties, user: UserId) {
  return {
    ...authorityClaims(parties),
    ...registryClaims(parties),
    ...holderClaims(parties, user),
    ...granteeClaims(parties, user),
  }
}

function authorityClaims({ authority, issuer, registry }: Parties) {
  return {
    trustList: (over: Partial<TrustList> = {}): TrustList => ({
      iss: AUTHORITY,
      aud: FEDERATION,
      ver: 1,
      iat: nowSeconds - day,
      exp: nowSeconds + 364 * day,
      authority: { jwk: authority.jwk },
      issuers: [
        { kid: issuer.kid, jwk: issuer.jwk, nbf: nowSeconds - day, exp: nowSeconds + 364 * day },
      ],
      registry: { jwk: registry.jwk },
      policy: { secondFactor: 'required', staleAfterHours: 24, transparency: 'off' },
      ...over,
    }),
  }
}

function registryClaims({ holder, grantee }: Parties) {
  return {
    credential: (party: Party, over: Partial<Credential> = {}): Credential => ({
      iss: REGISTRY,
      sub: party.urn,
      aud: FEDERATION,
      jti: ids.credential,
      iat: nowSeconds - day,
      nbf: nowSeconds - day,
      exp: nowSeconds + 364 * day,
      name: 'ГАУЗ «Районная больница»',
      peer_id: party.peerId,
      cnf: { jwk: party.jwk },
      ...over,
    }),
    grant: (req: string, over: Partial<Grant> = {}): Grant => ({
      iss: REGISTRY,
      sub: grantee.urn,
      holder: holder.urn,
      aud: holder.urn,
      jti: ids.grant,
      ver: 1,
      iat: nowSeconds - day,
      nbf: nowSeconds - day,
      exp: nowSeconds + 364 * day,
      req,
      st: 'active',
      ...over,
    }),
    epoch: (grants: Epoch['grants'], over: Partial<Epoch> = {}): Epoch => ({
      iss: REGISTRY,
      aud: holder.urn,
      epoch: 1,
      grants,
      users_off: [],
      mo_off: [],
      kid_off: [],
      iat: nowSeconds - 60,
      exp: nowSeconds - 60 + day,
      ...over,
    }),
    beat: (sha256: Sha256, over: Partial<Beat> = {}): Beat => ({
      iss: REGISTRY,
      aud: holder.urn,
      epoch: 1,
      sha256,
      iat: nowSeconds,
      ...over,
    }),
  }
}

function holderClaims({ holder, grantee }: Parties, user: UserId) {
  return {
    grantRequest: (over: Partial<GrantRequest> = {}): GrantRequest => ({
      iss: holder.urn,
      sub: grantee.urn,
      sub_kid: [grantee.kid],
      aud: REGISTRY,
      jti: ids.grant,
      ver: 1,
      iat: nowSeconds - day,
      nbf: nowSeconds - day,
      exp: nowSeconds + 364 * day,
      users: [{ row: 1, uid: user, pos: 'врач-рентгенолог', dep: 'ОЛД', room: '304' }],
      scope: { mode: 'all', devices: ['*'], mod: ['CT', 'MR'], from: null, to: null },
      act: ['search', 'view'],
      purp: 'interpretation',
      ...over,
    }),
    possession: ({ urn, jwk }: Party): Possession => ({
      iss: urn,
      aud: REGISTRY,
      jti: ids.proof,
      iat: nowSeconds,
      exp: nowSeconds + day,
      nonce,
      cnf: { jwk },
    }),
    receipt: (over: Partial<Receipt> = {}): Receipt => ({
      iss: holder.urn,
      aud: grantee.urn,
      iat: nowSeconds,
      req: ids.assertion,
      asked: nowSeconds - 60,
      sub: user,
      study,
      instances: 1,
      bytes: 526_344,
      outcome: 'success',
      ...over,
    }),
    indexEntry: (over: Partial<IndexEntry> = {}): IndexEntry =>
      ({
        v: 1,
        org: holder.urn,
        seq: 1,
        prev: emptyHead.digest,
        iat: nowSeconds,
        kind: 'study',
        record: studyRecord,
        ...over,
      }) as IndexEntry,
    manifest: (over: Partial<Manifest> = {}): Manifest => ({
      iss: holder.urn,
      study,
      version: 1,
      state: 'open',
      count: 1,
      bytes: 526_344,
      pages: ['ab'.repeat(32) as Sha256],
      iat: nowSeconds,
      ...over,
    }),
  }
}

function granteeClaims({ holder, grantee }: Parties, user: UserId) {
  return {
    rekey: (): Omit<Rekey, 'prev_kid' | 'cnf' | 'proof'> => ({
      iss: grantee.urn,
      aud: REGISTRY,
      jti: ids.rekey,
      iat: nowSeconds,
      exp: nowSeconds + day,
    }),
    assertion: (over: Partial<Assertion> = {}): Assertion => ({
      iss: grantee.urn,
      sub: user,
      aud: holder.urn,
      jti: ids.assertion,
      iat: nowSeconds,
      exp: nowSeconds + 300,
      grant: ids.grant,
      op: 'view',
      res: study,
      purp: 'interpretation',
      role: 'radiologist',
      pos: 'врач-рентгенолог',
      dep: 'ОЛД',
      amr: ['pwd', 'otp'],
      auth_time: nowSeconds - 3600,
      ws: 'ws-17',
      sid: '0123456789abcdef0123456789abcdef',
      ...over,
    }),
  }
}

/** What the operator has asked of a key. */
export const nonce = 'N'.repeat(43)

export const studyRecord: StudyRecord = {
  study,
  patient: {
    name: 'Иванов^Пётр^Сергеевич',
    id: '1001-7',
    issuer: '1.2.643.5.1.13.13.12.2.42.1001',
    birthDate: '19610412',
    sex: 'M',
  },
  date: '20261124',
  time: '223015',
  description: 'ОГК',
  accession: 'A-17',
  studyId: '17',
  referrer: '',
  modalities: ['CT'],
  series: [],
  instances: 0,
  bytes: 0,
  device: 'ct-1',
  state: 'open',
  receivedAt: now,
}

export const instance = (number: number, bytes = 526_344): ManifestInstance =>
  ({
    sop: `${study}.1.${number}`,
    series: `${study}.1`,
    class: '1.2.840.10008.5.1.4.1.1.2',
    transferSyntax: '1.2.840.10008.1.2.1',
    bytes,
    chunksRoot: 'cd'.repeat(32),
  }) as ManifestInstance

/** `[jti, ver, digest, state]` of a grant token, as an epoch lists it. */
export async function listed(
  grant: string,
  state: 'active' | 'revoked' = 'active',
): Promise<Epoch['grants'][number]> {
  return [ids.grant, 1, await tokenDigest(grant), state]
}

/** Signs bytes that no honest signer would: any header text, any payload text. */
export function forge(key: PrivateJwk, header: string, payload: string): string {
  const text = new TextEncoder()
  const input = [header, payload].map((part) => encodeBase64url(text.encode(part))).join('.')
  const signature = ed25519.sign(text.encode(input), decodeBase64url(key.d))
  return `${input}.${encodeBase64url(signature)}`
}

/** A correct header with other members laid over it. */
export function headerOf(party: Party, typ: TokenType, over: Record<string, unknown> = {}): string {
  return canonicalJson({ alg: 'Ed25519', kid: party.kid, typ, ...over })
}
