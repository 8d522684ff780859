import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { queryLimits } from '#protocol/limits.ts'
import type { Query, StudyReader } from '../../archive/archive.ts'
import type { Device } from '../../config.ts'
import type { DicomJson } from '../../dicom/dicom-json.ts'
import { AttributeError, type AttributeProblem } from '../attribute-error.ts'
import type { DeviceCaller, QueryDoors } from '../query/doors.ts'
import { levelOf, textOf } from '../query/keys.ts'
import { uniqueKeys, type Level } from '../query/models.ts'

/** One instance that is to be sent. */
export type Wanted = {
  reader: Pick<StudyReader, 'read' | 'instance' | 'corrected'>
  /** To be sent with its corrections written into it. */
  isCorrected: boolean
  sop: SopUid
  sopClass: string
  transferSyntax: string
  bytes: number
}

/** What an identifier asks for, opened: the readers close with it. */
export type Selection = AsyncDisposable & {
  studies: readonly { study: StudyUid; bytes: number; instances: readonly Wanted[] }[]
  count: number
}

type Deps = {
  doors: Pick<QueryDoors, 'search' | 'open'>
  caller: DeviceCaller
  /** Who receives it, as the register has it. */
  receiver: Pick<Device, 'corrected'>
}

/**
 * Finds and opens the instances of a C-GET or C-MOVE (PS3.4 §C.4.2.1.4.1); `bad_request` when its unique keys are
 * missing. A study that may not be read is as one that is not here: nothing of it is selected.
 */
export async function select(
  deps: Deps,
  keys: DicomJson,
  levels: readonly Level[],
): Promise<Selection> {
  const level = levelOf(keys, levels)
  const patient = levels.includes('PATIENT') ? patientOf(keys) : undefined
  if (level === 'PATIENT' && patient === undefined) throw wrong('missing', level)
  const series = new Set(level === 'SERIES' ? required(keys, 'SERIES') : uids(keys, 'SERIES'))
  const sops = new Set(level === 'IMAGE' ? required(keys, 'IMAGE') : [])
  const isWanted = (entry: { series: string; sop: string }) =>
    (level === 'PATIENT' || level === 'STUDY' || series.size === 0 || series.has(entry.series)) &&
    (level !== 'IMAGE' || sops.has(entry.sop))
  await using stack = new AsyncDisposableStack()
  const studies: { study: StudyUid; bytes: number; instances: Wanted[] }[] = []
  let count = 0
  for (const study of await studiesOf(deps, keys, { level, patient })) {
    const reader = await openOwn(deps, study)
    if (reader === undefined) continue
    stack.use(reader)
    const [only] = series.size === 1 ? series : []
    const entries = await reader.instances(only === undefined ? undefined : (only as never))
    const instances = entries.filter(isWanted).map(({ sop, sopClass, transferSyntax, bytes }) => ({
      reader,
      isCorrected: deps.receiver.corrected === true,
      sop,
      sopClass,
      transferSyntax,
      bytes,
    }))
    count += instances.length
    if (count > queryLimits.instancesMax) throw new ProtocolError('too_large', 'too many instances')
    const bytes = instances.reduce((sum, one) => sum + one.bytes, 0)
    if (instances.length > 0) studies.push({ study, bytes, instances })
  }
  const opened = stack.move()
  return { studies, count, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

async function openOwn({ doors, caller }: Deps, study: StudyUid): Promise<StudyReader | undefined> {
  try {
    return await doors.open(caller, study)
  } catch (error) {
    if (codeOf(error) === 'forbidden' || codeOf(error) === 'not_found') return undefined
    throw error
  }
}

type Place = { level: Level; patient: string | undefined }

/** The studies of the identifier: named, or found by what else it names (relational retrieval). */
async function studiesOf(deps: Deps, keys: DicomJson, place: Place): Promise<StudyUid[]> {
  const { level, patient } = place
  const named = level === 'PATIENT' ? [] : uids(keys, 'STUDY')
  if (named.length > 0 && patient === undefined) return named as StudyUid[]
  const at = named.length > 0 ? 'STUDY' : level
  const match: Query['match'] = {}
  if (at !== 'PATIENT') match[uniqueKeys[at]] = [required(keys, at).join('\\')]
  // Also one that was merged into the patient that is shown.
  if (patient !== undefined) match[uniqueKeys.PATIENT] = [patient]
  const query: Query = {
    level: at === 'IMAGE' ? 'instance' : at === 'SERIES' ? 'series' : 'study',
    match,
    limit: queryLimits.matchesMax,
    offset: 0,
  }
  const { matches, more } = await deps.doors.search(deps.caller, query, 'retrieve')
  if (more) throw new ProtocolError('too_large', 'too many matches')
  return [
    ...new Set(matches.map((match) => textOf(match[uniqueKeys.STUDY]?.Value?.[0] ?? null))),
  ].filter((study) => study !== '') as StudyUid[]
}

/** One patient, written out (PS3.4 §C.4.2.1.4.1); nothing when none is named. */
function patientOf(keys: DicomJson): string | undefined {
  const values = (keys[uniqueKeys.PATIENT]?.Value ?? []).map(textOf)
  const given = values.filter((value) => value.trim() !== '')
  const [id] = given
  const isOne = given.length <= 1 && !/[*?]/.test(id ?? '')
  if (!isOne) throw wrong('not a single value', 'PATIENT')
  return id
}

function uids(keys: DicomJson, level: Level): string[] {
  const values = (keys[uniqueKeys[level]]?.Value ?? []).map((value) => textOf(value).trim())
  const given = values.filter((value) => value !== '')
  if (given.length > queryLimits.valuesMax) throw new ProtocolError('too_large', 'too many UIDs')
  if (!given.every((uid) => /^[\d.]{1,64}$/.test(uid))) throw wrong('not a UID', level)
  return [...new Set(given)]
}

function required(keys: DicomJson, level: Level): string[] {
  const given = uids(keys, level)
  if (given.length === 0) throw wrong('missing', level)
  return given
}

const wrong = (problem: AttributeProblem, level: Level): AttributeError =>
  new AttributeError(problem, uniqueKeys[level])
