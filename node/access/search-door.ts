import type { VerifiedSearch } from '#protocol/authorize.ts'
import { codeOf } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { Query, QueryResult } from '../archive/archive.ts'
import { timeSearch } from '../archive/catalog-keys.ts'
import { createMatcher } from '../archive/matching.ts'
import { searchReader } from '../archive/reader-search.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Doors } from './doors.ts'
import type { DoorsDeps, RegionStudy } from './doors-impl.ts'
import type { FetchedDecision } from './fetched.ts'
import type { SessionUser } from './session-user.ts'

type Deps = Pick<DoorsDeps, 'archive' | 'replica' | 'federation' | 'self' | 'clock'> & {
  decide: FetchedDecision
  openStudy: Doors['openStudy']
}
type Search = {
  user: SessionUser
  query: Query
  scope: 'own' | 'region'
  /** Absent for who may only read what others granted. */
  proof: VerifiedSearch | undefined
  /** She signed in with a password alone, and the policy asks for more. */
  lacksFactor: boolean
}
type Answer = QueryResult & { warnings: string[] }

const none: QueryResult = { matches: [], more: false }

/** Lists: of the own archive, and with `region` of what grants let this user see in the replicated index. */
export async function searchDoor(deps: Deps, search: Search): Promise<Answer> {
  const { archive, self } = deps
  const { query, scope, proof } = search
  const own = (wanted: Query): Promise<QueryResult> =>
    proof === undefined ? Promise.resolve(none) : archive.search(proof, wanted)
  if (query.level !== 'study') {
    const { study } = query
    const isOwn = study === undefined || (await archive.facts(study)) !== undefined
    if (!isOwn) return await searchWithin(deps, search, study)
    return { ...(await own(query)), warnings: [] }
  }
  const named = ({ matches, more }: QueryResult): QueryResult => ({
    matches: matches.map((row) => withSelf(row, self)),
    more,
  })
  if (scope === 'own') return { ...named(await own(query)), warnings: [] }
  const end = query.offset + query.limit
  const ours = named(await own({ ...query, offset: 0, limit: end }))
  const theirs = await regionRows(deps, search, end + 1)
  const seen = new Set(ours.matches.map(studyOf))
  const merged = [...ours.matches, ...theirs.filter((row) => !seen.has(studyOf(row)))].sort(byTime)
  return {
    matches: merged.slice(query.offset, end),
    more: ours.more || merged.length > end,
    warnings: [...(search.lacksFactor ? [factorWarning] : []), ...warningsOf(deps)],
  }
}

/** Rows of other organizations; a study that is here as well is shown as our own. */
async function regionRows(
  { replica, archive, federation, decide }: Deps,
  { user, query }: Search,
  limit: number,
): Promise<DicomJson[]> {
  const { match, study } = query
  const isVisible = (one: RegionStudy): boolean => decide(user, one, 'search').ok
  const wanted = { match, limit, ...(study !== undefined && { study }) }
  const found = await replica.search(wanted, isVisible)
  const holders = new Map(federation.status().holders.map((holder) => [holder.oid, holder]))
  const rows: DicomJson[] = []
  for (const { holder, record, attributes } of found) {
    if ((await archive.facts(record.study)) !== undefined) continue
    const known = holders.get(holder)
    const named = { oid: holder, name: known?.name ?? holder, online: known?.reachable === true }
    rows.push(withHolder(attributes, named))
  }
  return rows
}

/** Series or instances of another organization's study: asked of the holder, who decides. */
async function searchWithin(deps: Deps, search: Search, study: StudyUid): Promise<Answer> {
  const { user, query } = search
  try {
    await using reader = await deps.openStudy(user, study, 'opening')
    return { ...(await searchReader(reader, query)), warnings: [] }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'forbidden') return { ...none, warnings: [] }
    if (code !== 'holder_unreachable' || query.level !== 'series') throw error
  }
  const [known] = await visibleStudies(deps, user, study)
  const series = known === undefined ? [] : deps.replica.seriesOf(known)
  const matches = series
    .map((one) => ({ ...known?.attributes, ...one }))
    .filter(createMatcher(query.match))
  const end = query.offset + query.limit
  return {
    matches: matches.slice(query.offset, end),
    more: matches.length > end,
    warnings: ['the holder is unreachable: series as its index describes them'],
  }
}

async function visibleStudies(
  { replica, decide }: Deps,
  user: SessionUser,
  study: StudyUid,
): Promise<RegionStudy[]> {
  return (await replica.find(study)).filter((one) => decide(user, one, 'search').ok)
}

/** What the archive gives for a study stays the same until the study changes: so does what is made of it. */
const withSelf = (() => {
  const made = new WeakMap<DicomJson, { self: Deps['self']; row: DicomJson }>()
  return (row: DicomJson, self: Deps['self']): DicomJson => {
    const known = made.get(row)
    if (known?.self === self) return known.row
    const own = { ...row, '00080054': { vr: 'AE', Value: [self.aeTitle] } }
    const named = withHolder(own, { ...self, online: true })
    made.set(row, { self, row: named })
    return named
  }
})()

type Holder = { oid: OrganizationOid; name: string; online: boolean }

/**
 * Who has the study, in Custodial Organization Sequence, and whether it can be had now. An OID is longer than a Code
 * Value may be: it stands as a URN (PS3.3 Table 8.8-1a).
 */
function withHolder(row: DicomJson, { oid, name: whole, online }: Holder): DicomJson {
  const name = { vr: 'LO', Value: [longString(whole)] }
  const code = { '00080104': name, '00080120': { vr: 'UR', Value: [`urn:oid:${oid}`] } }
  const organization = { '00080080': name, '00080082': { vr: 'SQ', Value: [code] } }
  return {
    ...row,
    '00080056': (online ? row['00080056'] : undefined) ?? {
      vr: 'CS',
      Value: [online ? 'ONLINE' : 'OFFLINE'],
    },
    '0040A07C': { vr: 'SQ', Value: [organization] },
  }
}

/** As much of a text as an LO holds: 64 characters (PS3.5 Table 6.2-1). */
const longString = (text: string): string => Array.from(text).slice(0, 64).join('')

const textOf = (row: DicomJson, tag: string): string => {
  const value = row[tag]?.Value?.[0]
  return typeof value === 'string' ? value : ''
}
const studyOf = (row: DicomJson): string => textOf(row, '0020000D')
const orderOf = (row: DicomJson): string =>
  `${timeSearch(textOf(row, '00080020'), textOf(row, '00080030'))} ${studyOf(row)}`

/** The order of the archive's own lists: newest first, then by UID. */
function byTime(a: DicomJson, b: DicomJson): number {
  const [first, second] = [orderOf(a), orderOf(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

const factorWarning = 'second factor required: no studies of other organizations'

/** Who could not be asked, and how old what is shown may be. ASCII: they travel in a header. */
function warningsOf({ federation, clock }: Deps): string[] {
  const { registry, holders } = federation.status()
  const granting = new Set(
    federation
      .receivedGrants()
      .filter(({ active }) => active)
      .map(({ facts }) => facts.grant.claims.holder.slice('oid:'.length)),
  )
  const seconds = (ms: number): number => Math.round(ms / 1000)
  const warnings = holders
    .filter(({ oid, reachable }) => !reachable && granting.has(oid))
    .map(({ oid, ageMs }) => `holder ${oid} unreachable, index age ${seconds(ageMs)} s`)
  if (registry.reachable) return warnings
  return [`registry unreachable for ${seconds(clock() - registry.since)} s`, ...warnings]
}
