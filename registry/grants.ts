import type { GrantState } from '#protocol/control.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { verifyGrantRequest } from '#protocol/grant.ts'
import type { Grant, GrantRequest, HolderKeyOf } from '#protocol/grant.ts'
import { oidOf, REGISTRY } from '#protocol/ids.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Signer, Verified } from '#protocol/jws.ts'
import type { Credentials, Organization } from './credentials.ts'
import type { Epochs } from './epochs.ts'
import { grantKey, grantsMax, GrantRow, isListed, readGrants, writesOf } from './grant-rows.ts'
import type { Store } from './store/store.ts'
import { secondsOf } from '#protocol/times.ts'

type Deps = {
  store: Store
  signer: Signer
  credentials: Credentials
  epochs: Epochs
  clock: () => number
  /** Asks form № 5 whether the grant may be; gives what to do when it is. */
  admit?: (claims: GrantRequest) => Promise<() => Promise<void>>
  /** A grant has ended. */
  onEnded?: (jti: string) => Promise<void>
  /** The grantee learns what has become of a grant. */
  announce: (grantee: OrganizationOid, state: GrantState) => void
}

/** The life of a grant: the holder signs, the registry countersigns, either side or the operator ends it. */
export type Grants = {
  submit(holder: Organization, request: string): Promise<string>
  /** By the holder or the grantee; by the operator when `by` is absent. */
  revoke(jti: string, by?: OrganizationOid): Promise<void>
  /** Grants that an organization received, those that ended included until they run out. */
  received(grantee: OrganizationOid): Promise<GrantRow[]>
}

export function createGrants(deps: Deps): Grants {
  const { store, epochs, clock } = deps
  return {
    async submit(holder, token) {
      const request = await checkRequest(deps, holder, token)
      const { jti, ver } = request.claims
      const isAdmitted = await deps.admit?.(request.claims)
      let row: GrantRow | undefined
      await epochs.bump(holder.oid, async () => {
        const before = await find(store, jti)
        // The answer to the first submission may have been lost: the same request is the same grant.
        row = before?.request === request.digest ? before : undefined
        if (row !== undefined) return { writes: [], changed: [row] }
        if (before !== undefined && (before.holder !== holder.oid || before.ver >= ver)) {
          throw new ProtocolError('conflict', 'a grant of that number and version exists')
        }
        // What the operator or the grantee ended does not come back under the same paper.
        if (before?.active === false) throw new ProtocolError('conflict', 'the grant has ended')
        const rows = await readGrants(store, holder.oid)
        if (rows.filter((one) => isListed(one, clock())).length >= grantsMax) {
          throw new ProtocolError('too_large', 'too many grants')
        }
        row = await countersign(deps, request, token)
        const entries = [{ kind: 'grant', token: row.token } as const]
        return { writes: writesOf(row), changed: [row], entries }
      })
      if (row === undefined) throw new ProtocolError('internal', 'no grant was made')
      if (row.active) await isAdmitted?.()
      deps.announce(row.grantee, { grant: row.token, active: row.active })
      return row.token
    },
    async revoke(jti, by) {
      const grant = await find(store, jti)
      const isParty = by === undefined || grant?.holder === by || grant?.grantee === by
      if (grant === undefined || !isParty) {
        throw new ProtocolError('not_found', 'no such grant of the caller')
      }
      if (!grant.active) return
      const ended = { ...grant, active: false }
      const side = by === grant.holder ? 'holder' : 'grantee'
      const change = {
        writes: writesOf(ended),
        changed: [ended],
        entries: [{ kind: 'grant-end', jti, by: by === undefined ? 'operator' : side } as const],
      }
      await epochs.bump(grant.holder, () => Promise.resolve(change))
      deps.announce(ended.grantee, { grant: ended.token, active: false })
      await deps.onEnded?.(jti)
    },
    async received(grantee) {
      const rows = await store.list(`received/${grantee}/`, { limit: grantsMax })
      const jtis = rows.map(({ key }) => key.split('/')[2] ?? '')
      const grants = await Promise.all(jtis.map((jti) => find(store, jti)))
      return grants.filter((row) => row !== undefined).filter((row) => isListed(row, clock()))
    },
  }
}

async function find(store: Store, jti: string): Promise<GrantRow | undefined> {
  const holder = await store.get(`grant-holder/${jti}`)
  if (holder === undefined) return undefined
  const row = await store.get(grantKey(holder as OrganizationOid, jti))
  return row === undefined ? undefined : GrantRow.parse(JSON.parse(row))
}

/** What the registry checks before it signs; that the holder wants it is the holder's signature. */
async function checkRequest(
  { credentials, clock }: Deps,
  holder: Organization,
  token: string,
): Promise<Verified<GrantRequest>> {
  const keyOf: HolderKeyOf = (kid, oid) =>
    oid === holder.oid && kid === holder.kid ? holder.jwk : undefined
  const request = await verifyGrantRequest(token, { keyOf, now: clock() })
  const { claims } = request
  const grantee = credentials.organization(oidOf(claims.sub))
  if (grantee === undefined) throw new ProtocolError('peer_unknown', 'the grantee is not here')
  // Only keys that speak for the grantee now: a grant never waits for a key that somebody may get later.
  if (claims.sub_kid.some((kid) => kid !== grantee.kid)) {
    throw new ProtocolError(
      'grant_key_unpinned',
      'the request pins a key that is not the grantee’s',
    )
  }
  if (secondsOf(clock()) >= claims.exp) throw new ProtocolError('grant_expired', 'too late')
  return request
}

async function countersign(
  { signer, clock }: Deps,
  request: Verified<GrantRequest>,
  token: string,
): Promise<GrantRow> {
  const { claims } = request
  const grant: Grant = {
    iss: REGISTRY,
    sub: claims.sub,
    holder: claims.iss,
    aud: claims.iss,
    jti: claims.jti,
    ver: claims.ver,
    iat: secondsOf(clock()),
    nbf: claims.nbf,
    exp: claims.exp,
    req: token,
    st: 'active',
  }
  const signed = await signer.sign('cami-grant+jwt', grant)
  return {
    jti: claims.jti,
    ver: claims.ver,
    digest: await tokenDigest(signed),
    request: request.digest,
    active: true,
    holder: oidOf(claims.iss),
    grantee: oidOf(claims.sub),
    scope: claims.scope,
    act: claims.act,
    notBefore: claims.nbf * 1000,
    expiresAt: claims.exp * 1000,
    token: signed,
  }
}
