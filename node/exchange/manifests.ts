import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, Sha256, StudyUid } from '#protocol/ids.ts'
import { urnOf } from '#protocol/ids.ts'
import { sha256Hex, tokenDigest } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { manifestPageDigest, paginate } from '#protocol/manifest.ts'
import type { Manifest, ManifestInstance, ManifestPage } from '#protocol/manifest.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { InstanceEntry, StudyReader } from '../archive/archive.ts'

export type ManifestsDeps = {
  signer: Signer
  self: OrganizationOid
  clock: () => number
  /** A signed list was made. */
  onMade?: (digest: Sha256) => void
  /** How many studies are kept ready. */
  studiesMax: number
}

type Made = {
  version: number
  content: Sha256
  token: string
  digest: Sha256
  pages: ReadonlyMap<Sha256, ManifestPage>
}

/**
 * Signed lists of instances, made when they are asked for, also while a study still grows. The same content has the
 * same version as long as it is remembered here; a version is never below the number of instances, so that a study that
 * only grows keeps growing versions across a restart.
 */
export function createManifests(deps: ManifestsDeps) {
  const { signer, self, clock, studiesMax } = deps
  const made = new Map<StudyUid, Made>()

  const make = async (reader: StudyReader, state: StudyRecord['state']): Promise<Made> => {
    const instances = (await reader.instances()).sort(inReadingOrder).map(manifestInstance)
    if (instances.length === 0) throw new ProtocolError('not_found', 'the study has no instance')
    const content = await sha256Hex(canonicalJson({ state, instances }))
    const known = made.get(reader.study)
    if (known?.content === content) return remember(reader.study, known)
    const pages = new Map<Sha256, ManifestPage>()
    for (const page of paginate(instances)) pages.set(await manifestPageDigest(page), page)
    const version = Math.max(instances.length, (known?.version ?? 0) + 1)
    const manifest: Manifest = {
      iss: urnOf(self),
      study: reader.study,
      version,
      ...(known && { prev: await tokenDigest(known.token) }),
      state,
      count: instances.length,
      bytes: instances.reduce((sum, instance) => sum + instance.bytes, 0),
      pages: [...pages.keys()],
      iat: Math.floor(clock() / 1000),
    }
    const token = await signer.sign('cami-manifest+jws', manifest)
    const digest = await tokenDigest(token)
    deps.onMade?.(digest)
    return remember(reader.study, { version, content, token, digest, pages })
  }
  const remember = (study: StudyUid, one: Made): Made => {
    made.delete(study)
    made.set(study, one)
    for (const oldest of made.keys()) {
      if (made.size <= studiesMax) break
      made.delete(oldest)
    }
    return one
  }
  return {
    /** Of the study's newest root, as long as it is kept ready. */
    digest: (study: StudyUid): Sha256 | undefined => made.get(study)?.digest,
    /** The study's root as it is now. */
    async root(reader: StudyReader, state: StudyRecord['state']): Promise<string> {
      return (await make(reader, state)).token
    },
    /** One page by its digest; `not_found` when the study has changed since the root was asked for. */
    async page(
      reader: StudyReader,
      state: StudyRecord['state'],
      digest: Sha256,
    ): Promise<ManifestPage> {
      const page =
        made.get(reader.study)?.pages.get(digest) ?? (await make(reader, state)).pages.get(digest)
      if (page === undefined) throw new ProtocolError('not_found', 'no such page any more')
      return page
    },
  }
}

/** Series by series, slices by number: the order in which a reader who says nothing gets them. */
function inReadingOrder(a: InstanceEntry, b: InstanceEntry): number {
  if (a.series !== b.series) return a.series < b.series ? -1 : 1
  return numberOf(a) - numberOf(b) || (a.sop < b.sop ? -1 : 1)
}

const INSTANCE_NUMBER = '00200013'

function numberOf(instance: InstanceEntry): number {
  const number = Number(instance.attributes[INSTANCE_NUMBER]?.Value?.[0])
  return Number.isFinite(number) ? number : 0
}

function manifestInstance(entry: InstanceEntry): ManifestInstance {
  const { sop, series, transferSyntax, bytes, sha256 } = entry
  return { sop, series, class: entry.sopClass, transferSyntax, bytes, chunksRoot: sha256 }
}
