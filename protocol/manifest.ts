import { z } from 'zod'
import { OrganizationUrn, Seconds, SeriesUid, Sha256, SopUid, StudyUid, Uid } from './ids.ts'

/** One instance in a manifest page. `chunksRoot` = SHA-256 of its concatenated 256 KiB chunk digests. */
export const ManifestInstance = z.strictObject({
  sop: SopUid,
  series: SeriesUid,
  class: Uid,
  transferSyntax: Uid,
  bytes: z.int().min(1),
  sha256: Sha256,
  chunksRoot: Sha256,
})
export type ManifestInstance = z.infer<typeof ManifestInstance>

export const ManifestPage = z.strictObject({
  instances: z.array(ManifestInstance).min(1).max(1000),
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
  pages: z.array(Sha256).min(1).max(200),
  iat: Seconds,
})
export type Manifest = z.infer<typeof Manifest>
