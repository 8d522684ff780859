import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { KnownText } from '../dicom/charsets.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { originalsOf, readRewritten, rewriteDataSet } from '../dicom/rewrite.ts'
import type { CorrectedInstance, InstanceEntry, SeriesEntry, StudyReader } from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInSeries,
} from './attribute-levels.ts'
import type { InstanceRow, SeriesRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { modificationsOf } from './modifications.ts'
import { changesOf } from './overlay-view.ts'
import { studyEntry } from './study-entry.ts'
import { chunkDigests, randomAccess, readRange, type ReadParts } from './verified-read.ts'

export type ReaderParts = ReadParts & {
  catalog: Catalog
  holder: OrganizationOid
  readHeader: (
    data: RandomAccess,
    transferSyntax: string,
    headerBytes: number,
    known?: KnownText,
  ) => Promise<DicomJson>
}

/** Reads one study. Whoever makes it has seen the proof that it may be read. */
export function createStudyReader(parts: ReaderParts, study: StudyUid): StudyReader {
  const { catalog, holder } = parts
  let isClosed = false

  function find(sop: SopUid): InstanceRow {
    if (isClosed) throw new ProtocolError('aborted', 'the study was closed')
    const row = catalog.instance(sop)
    if (row?.study !== study) throw new ProtocolError('not_found', 'no such instance in this study')
    checkHere(row)
    return row
  }

  async function* rows(filter: { series?: SeriesUid; sop?: SopUid }): AsyncGenerator<InstanceRow> {
    if (isClosed) throw new ProtocolError('aborted', 'the study was closed')
    if (filter.sop === undefined) {
      yield* catalog.instancesOf(study, filter.series)
      return
    }
    const row = catalog.instance(filter.sop)
    const isIn = filter.series === undefined || row?.series === filter.series
    if (row?.study === study && isIn) yield row
  }

  return {
    study,
    holder,
    async about() {
      const row = catalog.study(study)
      return row === undefined ? { attributes: {}, also: [] } : studyEntry(row)
    },
    series: async () => (await catalog.seriesOf(study)).map(seriesEntry),
    async instances(series) {
      const entries: InstanceEntry[] = []
      for await (const row of rows(series === undefined ? {} : { series })) {
        entries.push(instanceEntry(row))
      }
      return entries
    },
    async instance(sop) {
      for await (const row of rows({ sop })) return instanceEntry(row)
      return undefined
    },
    read(sop, range, signal) {
      const row = find(sop)
      return readRange(parts, row, range ?? { offset: 0, length: row.bytes }, signal)
    },
    async metadata(filter) {
      const headers: DicomJson[] = []
      for await (const row of rows(filter)) {
        checkHere(row)
        const data = randomAccess(parts, row)
        const known = knownText(row, parts.catalog)
        const header = await parts.readHeader(data, row.transferSyntax, row.headerBytes, known)
        headers.push({ ...header, ...changesIn(parts, row, header) })
      }
      return headers
    },
    corrected: (sop) => correctedInstance(parts, find(sop)),
    async chunks(sop) {
      const digests = chunkDigests(parts, find(sop)).toString('hex')
      return (digests.match(/.{64}/g) ?? []) as Sha256[]
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
    },
  }
}

/** The instance with its corrections written into it, and the values that they replaced (PS3.3 §C.12.1.1.9). */
async function correctedInstance(parts: ReaderParts, row: InstanceRow): Promise<CorrectedInstance> {
  const { catalog, holder } = parts
  const data = randomAccess(parts, row)
  const modifications = modificationsOf(catalog, row, holder)
  const rewritten = await rewriteDataSet(data, row, modifications, knownText(row, catalog))
  const { transferSyntax, bytes } = rewritten
  return { transferSyntax, bytes, read: () => readRewritten(rewritten) }
}

function checkHere({ evicted }: InstanceRow): void {
  if (evicted === undefined) return
  throw new ProtocolError('instance_evicted', `the bytes were moved and are at ${evicted.to}`)
}

/** How its text is read: as its study's, where it alone could not tell. */
function knownText({ study, text }: InstanceRow, catalog: Catalog): KnownText | undefined {
  if (text?.source !== 'doubtful') return text
  const joint = catalog.study(study)?.quality?.text?.judgement
  const isRead = joint !== undefined && joint.source !== 'doubtful'
  return isRead ? { ...joint, declared: text.declared } : text
}

/** What overlays show instead of the bytes, and what that replaced, as the corrected instance says it. */
function changesIn(
  { catalog, holder }: ReaderParts,
  row: InstanceRow,
  header: DicomJson,
): DicomJson {
  if (row.overlay === undefined) return {}
  return {
    ...changesOf(row, catalog.study(row.study), catalog.series(row.study, row.series)),
    ...originalsOf(header, modificationsOf(catalog, row, holder)),
  }
}

const seriesEntry = ({ study, series, instances, attributes, away }: SeriesRow): SeriesEntry => ({
  study,
  series,
  instances,
  attributes: {
    ...attributes,
    [instanceAvailability]: availabilityOf(away !== undefined),
    [instancesInSeries]: element('IS', instances),
  },
})

export function instanceEntry(row: InstanceRow): InstanceEntry {
  const { seq: _, copy: __, location: ___, pixel: ____, device: _____, ...rest } = row
  const { from: ______, adopted: _______, shown: ________, reason: _________, ...plain } = rest
  const { text: __________, findings: ___________, ...entry } = plain
  return entry
}
