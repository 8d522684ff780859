import type { OrganizationOid, SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { Arrivals } from './arrivals.ts'
import type { Copies } from './copies.ts'
import type { ManifestClient, VerifiedManifest } from './manifest-client.ts'
import type { SeriesMetadata } from './series-metadata.ts'

/** How far a study has come; what a progress bar shows. */
export type Transfer = {
  state: 'fetching' | 'complete' | 'interrupted'
  instances: { done: number; total: number }
  bytes: { done: number; total: number }
}

export type RemoteStudyDeps = {
  study: StudyUid
  holder: OrganizationOid
  client: ManifestClient
  copies: Copies
  arrivals: Arrivals
}

/** What is known here of another organization's study, whoever reads it. Who may read it is the sessions' matter. */
export function createRemoteStudy({ study, holder, client, copies, arrivals }: RemoteStudyDeps) {
  const bySop = new Map<SopUid, ManifestInstance>()
  const bySeries = new Map<SeriesUid, ManifestInstance[]>()
  const metadata = new Map<SeriesUid, SeriesMetadata>()
  let list: readonly ManifestInstance[] = []
  let cursor = 0

  return {
    study,
    holder,
    client,
    instances: () => list,
    seriesUids: () => [...bySeries.keys()],
    instance: (sop: SopUid) => bySop.get(sop),
    inSeries: (series: SeriesUid): readonly ManifestInstance[] => bySeries.get(series) ?? [],
    update({ instances }: VerifiedManifest): void {
      if (instances === list) return
      list = instances
      cursor = 0
      bySop.clear()
      bySeries.clear()
      for (const one of instances) {
        bySop.set(one.sop, one)
        const series = bySeries.get(one.series)
        if (series === undefined) bySeries.set(one.series, [one])
        else series.push(one)
      }
    },
    /** Metadata that covers the series as the manifest lists it. */
    knownMetadata(series: SeriesUid): SeriesMetadata | undefined {
      const known = metadata.get(series)
      if (known === undefined) return undefined
      const sops = new Set(known.instances.map((one) => one.sop))
      return bySeries.get(series)?.every((one) => sops.has(one.sop)) === true ? known : undefined
    },
    learnMetadata: (series: SeriesUid, known: SeriesMetadata) => void metadata.set(series, known),
    /** The next instance that nobody brings yet, in the manifest's order. */
    nextMissing(): ManifestInstance | undefined {
      for (; cursor < list.length; cursor++) {
        const one = list[cursor]
        if (one === undefined || copies.has(one.sha256) || arrivals.isTaken(one.sha256)) continue
        return one
      }
      return undefined
    },
    /** Something was given up: it is looked for from the start. */
    rewind(): void {
      cursor = 0
    },
    progress(state: 'cut' | 'other'): Transfer {
      let done = 0
      let bytes = 0
      let total = 0
      for (const one of list) {
        total += one.bytes
        if (copies.has(one.sha256)) {
          done += 1
          bytes += one.bytes
        } else bytes += arrivals.known(one.sha256)?.bytes() ?? 0
      }
      const isComplete = done === list.length && list.length > 0
      return {
        state: isComplete ? 'complete' : state === 'cut' ? 'interrupted' : 'fetching',
        instances: { done, total: list.length },
        bytes: { done: bytes, total },
      }
    },
  }
}
export type RemoteStudy = ReturnType<typeof createRemoteStudy>
