import { emptyHead } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { StudyRecord } from '#protocol/study.ts'
import { isSeriesTag } from '../archive/attribute-levels.ts'
import { timeSearch } from '../archive/catalog-keys.ts'
import { matchesQuery } from '../archive/matching.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Log } from '../log.ts'
import { openRows } from './rows.ts'
import type { Rows, RowWrite } from './rows.ts'
import { attributesOf, seriesAttributesOf } from './study-attributes.ts'

/** A study of another organization, as its index describes it. */
export type ReplicaStudy = { holder: OrganizationOid; record: StudyRecord; attributes: DicomJson }

/** How far one holder's log has been read, and under which grants: others show other entries. */
export type HolderState = IndexHead & {
  visibility: string
  /** The last head that the holder has signed; what was withheld after it nobody has proven. */
  proven?: IndexHead
}

/**
 * What this node may see of other organizations' indexes: rows that search reads, so that lists are instant and work
 * while the registry is away. Everything here can be fetched again.
 */
export type Replica = AsyncDisposable & {
  /** Shared with the publisher, which keeps its own rows there. */
  readonly rows: Rows
  states(): ReadonlyMap<OrganizationOid, HolderState>
  state(holder: OrganizationOid): HolderState
  /** Takes verified entries of one holder and the head they lead to, in one write. */
  apply(holder: OrganizationOid, entries: readonly IndexEntry[], state: HolderState): Promise<void>
  /** Forgets what a holder's log said, to read it again from its beginning. */
  reset(holder: OrganizationOid): Promise<void>
  /** Forgets what every log said. */
  clear(): Promise<void>
  /** Who holds a study; more than one organization may. */
  find(study: StudyUid): Promise<ReplicaStudy[]>
  /** What the index says of its series: enough for a list while the holder is out of reach. */
  seriesOf(study: ReplicaStudy): DicomJson[]
  /** Newest first; at most `limit` that match and that `isVisible` lets through. */
  search(
    query: { match: Record<string, string[]>; study?: StudyUid; limit: number },
    isVisible: (study: ReplicaStudy) => boolean,
  ): Promise<ReplicaStudy[]>
}

const headKey = (holder: OrganizationOid): string => `head!${holder}`
const placeKey = (study: StudyUid, holder: OrganizationOid): string => `place!${study}!${holder}`
const studyUidTag = '0020000D'

export async function openReplica(deps: { dir: string; log: Log }): Promise<Replica> {
  const rows = await openRows(deps.dir, deps.log)
  const states = await readStates(rows)
  const clear = async (): Promise<void> => {
    await rows.clear(['head!', 'place!', 'row!'])
    states.clear()
  }
  return {
    rows,
    states: () => states,
    state: (holder) => states.get(holder) ?? { ...emptyHead, visibility: '' },
    async apply(holder, entries, state) {
      const writes = new Map<string, RowWrite>()
      const places = new Map<StudyUid, string | undefined>()
      for (const entry of entries) {
        const { study } = entry.record
        const old = places.has(study) ? places.get(study) : await placeOf(rows, study, holder)
        const place = entry.kind === 'study' ? rowKey(holder, entry.record) : undefined
        if (old !== undefined && old !== place) writes.set(old, { del: old })
        if (entry.kind === 'study' && place !== undefined) {
          writes.set(place, { put: place, value: entry.record })
        }
        const key = placeKey(study, holder)
        writes.set(key, place === undefined ? { del: key } : { put: key, value: place })
        places.set(study, place)
      }
      await rows.write([...writes.values(), { put: headKey(holder), value: state }])
      states.set(holder, state)
    },
    async reset(holder) {
      const old: RowWrite[] = [{ del: headKey(holder) }]
      for await (const { key, value } of rows.list('place!')) {
        if (key.endsWith(`!${holder}`)) old.push({ del: key }, { del: String(value) })
      }
      await rows.write(old)
      states.delete(holder)
    },
    clear,
    find: (study) => findStudy(rows, study),
    seriesOf: ({ record }) => seriesAttributesOf(record),
    async search(query, isVisible) {
      const wanted = query.study ?? exactStudy(query.match)
      const found: ReplicaStudy[] = []
      let scanned = 0
      const source = wanted === undefined ? allStudies(rows) : await findStudy(rows, wanted)
      for await (const study of source) {
        if (found.length >= query.limit || scanned >= storageLimits.searchScanMax) break
        scanned += 1
        if (isMatch(study, query.match) && isVisible(study)) found.push(study)
      }
      return found
    },
    [Symbol.asyncDispose]: () => rows[Symbol.asyncDispose](),
  }
}

async function readStates(rows: Rows): Promise<Map<OrganizationOid, HolderState>> {
  const states = new Map<OrganizationOid, HolderState>()
  for await (const { key, value } of rows.list('head!')) {
    states.set(key.slice('head!'.length) as OrganizationOid, value as HolderState)
  }
  return states
}

async function placeOf(
  rows: Rows,
  study: StudyUid,
  holder: OrganizationOid,
): Promise<string | undefined> {
  const place = await rows.get(placeKey(study, holder))
  return typeof place === 'string' ? place : undefined
}

async function findStudy(rows: Rows, study: StudyUid): Promise<ReplicaStudy[]> {
  const found: ReplicaStudy[] = []
  for await (const { key, value } of rows.list(`place!${study}!`)) {
    const record = await rows.get(String(value))
    if (record !== undefined) found.push(studyOf(holderOf(key), record as StudyRecord))
  }
  return found
}

async function* allStudies(rows: Rows): AsyncIterable<ReplicaStudy> {
  for await (const { key, value } of rows.list('row!')) {
    yield studyOf(holderOf(key), value as StudyRecord)
  }
}

const holderOf = (key: string): OrganizationOid =>
  key.slice(key.lastIndexOf('!') + 1) as OrganizationOid

const studyOf = (holder: OrganizationOid, record: StudyRecord): ReplicaStudy => ({
  holder,
  record,
  attributes: attributesOf(record),
})

/** Keys of the series level match when one series of the study has them all (PS3.4 §C.3.4). */
function isMatch({ record, attributes }: ReplicaStudy, match: Record<string, string[]>): boolean {
  const keys = Object.entries(match)
  const isSeriesKey = ([path]: [string, string[]]): boolean => isSeriesTag(path.slice(0, 8))
  const ofSeries = Object.fromEntries(keys.filter(isSeriesKey))
  const ofStudy = Object.fromEntries(keys.filter((key) => !isSeriesKey(key)))
  if (!matchesQuery(attributes, ofStudy)) return false
  if (Object.keys(ofSeries).length === 0) return true
  return seriesAttributesOf(record).some((series) => matchesQuery(series, ofSeries))
}

/** The order of the keys is the order of the lists, as in the archive: newest study first, undated ones last. */
function rowKey(holder: OrganizationOid, record: StudyRecord): string {
  return `row!${timeSearch(record.date, record.time)}!${record.study}!${holder}`
}

function exactStudy(match: Record<string, string[]>): StudyUid | undefined {
  const [value, ...more] = match[studyUidTag] ?? []
  const isOne = value !== undefined && more.length === 0 && /^[0-9.]+$/.test(value)
  return isOne ? (value as StudyUid) : undefined
}
