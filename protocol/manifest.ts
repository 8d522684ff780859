import { z } from 'zod'
import { canonicalJson } from './canonical-json.ts'
import { ProtocolError } from './errors.ts'
import { OrganizationUrn, Seconds, SeriesUid, Sha256, SopUid, StudyUid, Uid, urnOf } from './ids.ts'
import type { Kid, OrganizationOid, PublicJwk } from './ids.ts'
import { sha256Hex, verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { streamLimits, tokenLimits } from './limits.ts'

/** One instance in a manifest page. `chunksRoot`: SHA-256 of its concatenated chunk digests, SHA-256 of 256 KiB each. */
export const ManifestInstance = z.strictObject({
  sop: SopUid,
  series: SeriesUid,
  class: Uid,
  transferSyntax: Uid,
  bytes: z.int().min(1),
  chunksRoot: Sha256,
})
export type ManifestInstance = z.infer<typeof ManifestInstance>

export const ManifestPage = z.strictObject({
  instances: z.array(ManifestInstance).min(1).max(streamLimits.manifestPageInstancesMax),
})
export type ManifestPage = z.infer<typeof ManifestPage>

/** `typ: cami-manifest+jws`: the signed root; its pages are fetched and checked by digest. */
export const Manifest = z.strictObject({
  iss: OrganizationUrn,
  study: StudyUid,
  version: z.int().min(1),
  prev: Sha256.exactOptional(),
  state: z.enum(['open', 'complete']),
  count: z.int().min(1),
  bytes: z.int().min(1),
  /** SHA-256 of each page's canonical JSON, in order. */
  pages: z.array(Sha256).min(1).max(streamLimits.manifestPagesMax),
  iat: Seconds,
})
export type Manifest = z.infer<typeof Manifest>

export const manifestKind: TokenKind<Manifest> = {
  typ: 'cami-manifest+jws',
  schema: Manifest,
  maxBytes: tokenLimits.manifestRootBytes,
}

/**
 * The root of a study, signed by the holder it was asked of. Its age means nothing, since a later version supersedes it;
 * but it is judged by the key that its holder had when it was made (milliseconds), so that a change of key ends none.
 */
export async function verifyManifest(
  token: string,
  {
    holder,
    jwk,
  }: {
    holder: OrganizationOid
    jwk: PublicJwk | ((kid: Kid, madeAt: number) => PublicJwk | undefined)
  },
): Promise<Verified<Manifest>> {
  const verified = await verifyToken(token, manifestKind, (kid, { iat }) =>
    typeof jwk === 'function' ? jwk(kid, iat * 1000) : jwk,
  )
  if (verified.claims.iss !== urnOf(holder)) {
    throw new ProtocolError('token_wrong_issuer', 'a manifest of another organization')
  }
  return verified
}

/** How the root names a page. */
export async function manifestPageDigest(page: ManifestPage): Promise<Sha256> {
  return sha256Hex(canonicalJson(page))
}

/** Splits a study into pages, in the given order, so that each fits its frame. */
export function paginate(instances: readonly ManifestInstance[]): ManifestPage[] {
  const pages: ManifestPage[] = []
  const frame = canonicalJson({ instances: [] }).length
  let page: ManifestInstance[] = []
  let bytes = frame
  for (const instance of instances) {
    // Every member is ASCII, so letters are bytes; one more for the comma.
    const size = canonicalJson(instance).length + 1
    const isFull =
      page.length === streamLimits.manifestPageInstancesMax ||
      bytes + size > streamLimits.manifestPageBytes
    if (isFull) {
      pages.push({ instances: page })
      page = []
      bytes = frame
    }
    page.push(instance)
    bytes += size
  }
  if (page.length > 0) pages.push({ instances: page })
  if (pages.length > streamLimits.manifestPagesMax) {
    throw new ProtocolError('too_large', 'too many instances for one manifest')
  }
  return pages
}

/** All pages belong to this root, and together they are what it says: nothing missing, nothing twice. */
export async function checkManifestPages(
  manifest: Manifest,
  pages: readonly ManifestPage[],
): Promise<void> {
  const digests = await Promise.all(pages.map(manifestPageDigest))
  const instances = pages.flatMap((page) => page.instances)
  const sops = new Set(instances.map(({ sop }) => sop))
  const bytes = instances.reduce((sum, instance) => sum + instance.bytes, 0)
  const agrees =
    digests.length === manifest.pages.length &&
    digests.every((digest, at) => digest === manifest.pages[at]) &&
    instances.length === manifest.count &&
    sops.size === manifest.count &&
    bytes === manifest.bytes
  if (!agrees) throw new ProtocolError('manifest_mismatch', 'pages do not make up the manifest')
}
