import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { Kid, OrganizationOid, PublicJwk, Sha256, StudyUid } from '#protocol/ids.ts'
import { checkManifestPages, manifestPageDigest, verifyManifest } from '#protocol/manifest.ts'
import type { Manifest, ManifestInstance, ManifestPage } from '#protocol/manifest.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import { splitDigests } from './digests.ts'

export type HolderKey = (holder: OrganizationOid, kid: Kid, at: number) => PublicJwk | undefined

export type ManifestClientDeps = {
  study: StudyUid
  holder: OrganizationOid
  /** The key of this name, if the holder had it at that time. */
  holderKey: HolderKey
}

/** In whose name a request is made: each carries an assertion of its own. */
export type Asker = {
  connect(): Promise<Connection>
  assert(): Promise<string>
}

export type VerifiedManifest = {
  manifest: Manifest
  digest: Sha256
  instances: readonly ManifestInstance[]
}

const worthAnother: ReadonlySet<ErrorCode> = new Set(['not_found', 'stream_closed'])

/** Asks a holder for the signed list of a study's instances and believes nothing that is not proven by it. */
export function createManifestClient({ study, holder, holderKey }: ManifestClientDeps) {
  const pages = new Map<Sha256, ManifestPage>()
  let last: VerifiedManifest | undefined

  const page = async (asker: Asker, digest: Sha256): Promise<ManifestPage> => {
    const known = pages.get(digest)
    if (known !== undefined) return known
    const connection = await asker.connect()
    const got = await connection.request('manifest.page', {
      assertion: await asker.assert(),
      study,
      page: digest,
    })
    if ((await manifestPageDigest(got)) !== digest) {
      throw new ProtocolError('manifest_mismatch', 'a page is not what the manifest says')
    }
    pages.set(digest, got)
    return got
  }
  const ask = async (asker: Asker): Promise<VerifiedManifest> => {
    const connection = await asker.connect()
    const jwk = (kid: Kid, at: number) => holderKey(holder, kid, at)
    const assertion = await asker.assert()
    const { manifest: token } = await connection.request('manifest.get', { assertion, study })
    const { claims, digest } = await verifyManifest(token, { holder, jwk })
    if (claims.study !== study) {
      throw new ProtocolError('manifest_mismatch', 'a manifest of another study')
    }
    if (last?.digest === digest) return last
    const list: ManifestPage[] = []
    for (const one of claims.pages) list.push(await page(asker, one))
    await checkManifestPages(claims, list)
    for (const old of pages.keys()) if (!claims.pages.includes(old)) pages.delete(old)
    last = { manifest: claims, digest, instances: list.flatMap((one) => one.instances) }
    return last
  }
  return {
    /** The study as it is now. A study that grew between root and page, or a link just lost, is tried once more. */
    async current(asker: Asker): Promise<VerifiedManifest> {
      try {
        return await ask(asker)
      } catch (error) {
        if (!worthAnother.has(codeOf(error))) throw error
        return await ask(asker)
      }
    },
    async digests(asker: Asker, { sop }: ManifestInstance): Promise<Sha256[]> {
      const connection = await asker.connect()
      const assertion = await asker.assert()
      return splitDigests(
        (await connection.request('chunks.get', { assertion, study, sop })).chunks,
      )
    },
  }
}
export type ManifestClient = ReturnType<typeof createManifestClient>
