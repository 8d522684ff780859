import type { OrganizationOid, SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Arrivals } from './arrivals.ts'
import type { Copies } from './copies.ts'
import type { ManifestClient, VerifiedManifest } from './manifest-client.ts'
import type { InstanceMetadata, SeriesMetadata } from './series-metadata.ts'

/** How far a study has come; what a progress bar shows. */
export type Transfer = {
  state: 'fetching' | 'complete' | 'interrupted'
  instances: { done: number; total: number }
  /** `received`: what has come over the link since the study was opened here, also what came twice or was wrong. */
  bytes: { done: number; total: number; received: number }
}

export type RemoteStudyDeps = {
  study: StudyUid
  holder: OrganizationOid
  client: ManifestClient
  copies: Copies
  arrivals: Arrivals
}

/** What a reader knows of a series before its pixels. */
export type KnownSeries = {
  readonly attributes: DicomJson
  readonly bySop: ReadonlyMap<SopUid, InstanceMetadata>
  /** The list for which this was seen to be complete. */
  covered?: readonly ManifestInstance[]
}

function covers(known: KnownSeries, list: readonly ManifestInstance[]): boolean {
  if (known.covered === list) return true
  if (!list.every((one) => known.bySop.has(one.sop))) return false
  known.covered = list
  return true
}

/** What is known here of another organization's study, whoever reads it. Who may read it is the sessions' matter. */
export function createRemoteStudy({ study, holder, client, copies, arrivals }: RemoteStudyDeps) {
  const bySop = new Map<SopUid, ManifestInstance>()
  const bySeries = new Map<SeriesUid, ManifestInstance[]>()
  const metadata = new Map<SeriesUid, KnownSeries>()
  let list: readonly ManifestInstance[] = []
  let cursor = 0
  let received = 0

  return {
    study,
    holder,
    client,
    instances: () => list,
    seriesUids: () => [...bySeries.keys()],
    instance: (sop: SopUid) => bySop.get(sop),
    inSeries: (series: SeriesUid): readonly ManifestInstance[] => bySeries.get(series) ?? [],
    update({ instances }: VerifiedManifest): void {
      // What was left alone for a while may be brought now, also of the same list.
      cursor = 0
      if (instances === list) return
      list = instances
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
    knownMetadata(series: SeriesUid): KnownSeries | undefined {
      const known = metadata.get(series)
      return known !== undefined && covers(known, bySeries.get(series) ?? []) ? known : undefined
    },
    learnMetadata(series: SeriesUid, { attributes, instances }: SeriesMetadata): KnownSeries {
      const bySop = new Map(instances.map((one) => [one.sop, one]))
      const known: KnownSeries = { attributes, bySop }
      metadata.set(series, known)
      return known
    },
    /** The next instance that nobody brings yet, in the manifest's order. */
    nextMissing(): ManifestInstance | undefined {
      for (; cursor < list.length; cursor++) {
        const one = list[cursor]
        if (one === undefined || copies.has(one.chunksRoot) || arrivals.isTaken(one.chunksRoot))
          continue
        return one
      }
      return undefined
    },
    /** Something was given up: it is looked for from the start. */
    rewind(): void {
      cursor = 0
    },
    /** Bytes of images have come. */
    count(bytes: number): void {
      received += bytes
    },
    progress: (isCut: boolean): Transfer => progressOf(list, { copies, arrivals, isCut, received }),
  }
}
export type RemoteStudy = ReturnType<typeof createRemoteStudy>

type ProgressParts = { copies: Copies; arrivals: Arrivals; isCut: boolean; received: number }

function progressOf(
  list: readonly ManifestInstance[],
  { copies, arrivals, isCut, received }: ProgressParts,
): Transfer {
  let done = 0
  let bytes = 0
  let total = 0
  for (const one of list) {
    total += one.bytes
    if (copies.has(one.chunksRoot)) {
      done += 1
      bytes += one.bytes
    } else bytes += arrivals.known(one.chunksRoot)?.bytes() ?? 0
  }
  const isComplete = done === list.length && list.length > 0
  return {
    state: isComplete ? 'complete' : isCut ? 'interrupted' : 'fetching',
    instances: { done, total: list.length },
    bytes: { done: bytes, total, received },
  }
}
