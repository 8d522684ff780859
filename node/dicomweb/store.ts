import type { Role } from '#protocol/authorize.ts'
import { codeOf, type ErrorCode, ProtocolError } from '#protocol/errors.ts'
import { httpLimits, instanceLimits } from '#protocol/limits.ts'
import type { Archive, Declared, IngestSink, Stored } from '../archive/archive.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'
import { completed, readFileMeta } from '../dicom/part10.ts'
import type { Context } from './answer.ts'
import { parseMediaType } from './media-types.ts'
import { type IncomingPart, readParts } from './multipart-reader.ts'
import { instancePath, studyPath, uidsOf } from './paths.ts'
import { createStudyCheck } from './study-check.ts'

/** Who brings instances to the node's own archive. */
const storingRoles: ReadonlySet<Role> = new Set([
  'radiographer',
  'radiologist',
  'diagnostician',
  'dept_head',
  'mo_admin',
])

export type StoreDeps = { archive: Pick<Archive, 'ingest'> }

/** What became of one part. */
type Outcome =
  | { ok: true; declared: Declared; stored: Stored }
  | { ok: false; declared?: Declared; code: ErrorCode }

/** Takes instances in (PS3.18 §10.5). Each stands or falls alone; the answer has an item for every one. */
export async function storeInstances(ctx: Context, deps: StoreDeps): Promise<void> {
  if (!ctx.state.user.roles.some((role) => storingRoles.has(role))) {
    throw new ProtocolError('role_missing', 'this role brings no instances')
  }
  const study = ctx.params['study'] === undefined ? undefined : uidsOf(ctx.params).study
  const outcomes: Outcome[] = []
  for await (const part of partsOf(ctx)) {
    outcomes.push(await storePart(ctx, deps, { part, study }))
  }
  if (outcomes.length === 0) throw new ProtocolError('bad_request', 'the body holds no instance')
  const failures = outcomes.filter((outcome) => !outcome.ok)
  const isFull = failures.length === outcomes.length && failures.every(isOutOfSpace)
  if (isFull) throw new ProtocolError('storage_full', 'there is no space for any instance')
  ctx.status = failures.length === 0 ? 200 : failures.length < outcomes.length ? 202 : 409
  ctx.body = JSON.stringify(responseOf(outcomes, study))
  ctx.set('Content-Type', 'application/dicom+json')
}

const isOutOfSpace = ({ code }: { code: ErrorCode }): boolean =>
  code === 'storage_full' || code === 'storage_failed'

async function* partsOf(ctx: Context): AsyncGenerator<IncomingPart> {
  const { type, parameters } = parseMediaType(ctx.get('Content-Type'))
  if (Number(ctx.get('Content-Length')) > httpLimits.storeBytes) throw tooLarge()
  const body = bounded(ctx.req)
  if (type === 'application/dicom') {
    yield { headers: new Map([['content-type', type]]), body }
    return
  }
  const inner = parameters.get('type')?.toLowerCase() ?? 'application/dicom'
  if (type !== 'multipart/related' || inner !== 'application/dicom') {
    throw new ProtocolError('unsupported', 'instances come as multipart/related application/dicom')
  }
  const boundary = parameters.get('boundary') ?? ''
  if (boundary === '' || boundary.length > 70) {
    throw new ProtocolError('bad_request', 'the boundary is missing')
  }
  yield* readParts(body, boundary)
}

async function* bounded(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > httpLimits.storeBytes) throw tooLarge()
    yield chunk
  }
}

type Incoming = { part: IncomingPart; study: string | undefined }

async function storePart(
  ctx: Context,
  deps: StoreDeps,
  { part, study }: Incoming,
): Promise<Outcome> {
  const type = parseMediaType(part.headers.get('content-type') ?? 'application/dicom').type
  if (type !== 'application/dicom') return { ok: false, code: 'unsupported' }
  const body = part.body[Symbol.asyncIterator]()
  let declared: Declared | undefined
  try {
    const file = await beginFile(body)
    declared = file.declared
    const stored = await storeDataSet(ctx, deps, { ...file, body, study })
    return isConflict(stored)
      ? { ok: false, declared, code: 'instance_conflict' }
      : { ok: true, declared, stored }
  } catch (error) {
    const code = codeOf(error)
    // What is wrong with the request itself is nobody's instance.
    if (!isOfInstance(code)) throw error
    return { ok: false, code, ...(declared !== undefined && { declared }) }
  }
}

const isOfInstance = (code: ErrorCode): boolean =>
  code.startsWith('instance_') || code.startsWith('storage_')

/** The newcomer is in quarantine and not stored under its UID, which its sender must learn (DQ-09). */
const isConflict = ({ outcome, reason }: Stored): boolean =>
  outcome === 'quarantined' && reason === 'uid-conflict'

type File = { declared: Declared; begin: Uint8Array }

/** Reads as far as the data set's first bytes. */
async function beginFile(body: AsyncIterator<Buffer>): Promise<File> {
  let held = Buffer.alloc(0)
  for (;;) {
    const next = await body.next()
    const isWhole = next.done === true
    if (!isWhole) held = Buffer.concat([held, next.value])
    const isEnough = isWhole || held.length >= instanceLimits.fileMetaBytes
    const meta = readFileMeta(held, isEnough)
    // A file without meta header is told by its data set, of which enough must be there.
    if (meta === undefined || (!isEnough && (meta.sopUid === '' || meta.sopClass === ''))) continue
    const { dataSetOffset, ...declared } = completed(meta, held)
    return { declared, begin: held.subarray(dataSetOffset) }
  }
}

type DataSet = File & { body: AsyncIterator<Buffer>; study: string | undefined }

async function storeDataSet(
  ctx: Context,
  { archive }: StoreDeps,
  { declared, begin, body, study }: DataSet,
): Promise<Stored> {
  const { uid, address } = ctx.state.user
  const sink = await archive.ingest(declared, { kind: 'stow', user: uid, address })
  const check = study === undefined ? undefined : createStudyCheck(study, declared.transferSyntax)
  try {
    await write(sink, begin, check)
    for (let next = await body.next(); next.done !== true; next = await body.next()) {
      await write(sink, next.value, check)
    }
    check?.end()
    return await sink.finish()
  } catch (error) {
    await sink.abort()
    throw error
  }
}

type StudyCheck = ReturnType<typeof createStudyCheck>

async function write(
  sink: IngestSink,
  chunk: Uint8Array,
  check: StudyCheck | undefined,
): Promise<void> {
  check?.write(chunk)
  if (chunk.length > 0 && !sink.write(chunk)) await sink.drain()
}

/** Failure reasons (PS3.18 Table I.2-2, PS3.7 §C.4). */
function reasonOf(code: ErrorCode): number {
  if (code === 'storage_full' || code === 'storage_failed') return 0xa700
  if (code === 'instance_mismatch') return 0xa900
  if (code === 'instance_conflict') return 0x0111
  return code.startsWith('instance_') || code === 'unsupported' ? 0xc000 : 0x0110
}

function responseOf(outcomes: readonly Outcome[], study: string | undefined): DicomJson {
  const stored: DicomJson[] = []
  const failed: DicomJson[] = []
  const studies = new Set<string>()
  for (const outcome of outcomes) {
    if (outcome.ok) {
      studies.add(outcome.stored.study)
      const url = value('UR', instancePath(outcome.stored))
      stored.push({ ...reference(outcome.declared), '00081190': url })
    } else {
      const reason: DicomJsonElement = { vr: 'US', Value: [reasonOf(outcome.code)] }
      failed.push({ ...reference(outcome.declared), '00081197': reason })
    }
  }
  const [only] = studies
  const url = study ?? (studies.size === 1 ? only : undefined)
  return {
    ...(url !== undefined && { '00081190': value('UR', studyPath(url)) }),
    ...(failed.length > 0 && { '00081198': { vr: 'SQ', Value: failed } }),
    ...(stored.length > 0 && { '00081199': { vr: 'SQ', Value: stored } }),
  }
}

const reference = (declared: Declared | undefined): DicomJson => ({
  '00081150': value('UI', declared?.sopClass ?? ''),
  '00081155': value('UI', declared?.sopUid ?? ''),
})

const value = (vr: string, text: string): DicomJsonElement =>
  text === '' ? { vr } : { vr, Value: [text] }

const tooLarge = () => new ProtocolError('too_large', 'the body is too large')
