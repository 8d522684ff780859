import { codeOf, type ErrorCode, ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Intake } from '../access/doors.ts'
import type { Declared, IngestSink, Stored } from '../archive/archive.ts'
import { completed, readFileMeta } from '../dicom/part10.ts'
import { isStorage } from '../dicom/storage-classes.ts'
import { isUid } from '../dicom/transfer-syntax.ts'
import { parseMediaType } from './media-types.ts'
import type { IncomingPart } from './multipart-reader.ts'
import { type Outcome, outcomeOf } from './store-answer.ts'
import { createStudyCheck } from './study-check.ts'

export type Storing = {
  intake: Intake
  /** The only study whose instances are taken. */
  study: string | undefined
}

/** `ended`: the request itself is at fault, and no other part can follow. */
export type PartOutcome = { outcome: Outcome; ended?: unknown }

/** Takes one DICOM file in. */
export async function storeFile(part: IncomingPart, storing: Storing): Promise<PartOutcome> {
  const type = parseMediaType(part.headers.get('content-type') ?? 'application/dicom').type
  // As anything else that is no DICOM file.
  if (type !== 'application/dicom') return { outcome: { ok: false, code: 'instance_malformed' } }
  const body = part.body[Symbol.asyncIterator]()
  let declared: Declared | undefined
  try {
    const file = await beginFile(body)
    declared = file.declared
    const stored = await storeDataSet(storing, { ...file, body })
    return { outcome: outcomeOf(declared, stored) }
  } catch (error) {
    const code = codeOf(error)
    const outcome = { ok: false as const, code, ...(declared !== undefined && { declared }) }
    // What is wrong with the request itself is not this instance's fault.
    return isOfInstance(code) ? { outcome } : { outcome, ended: error }
  }
}

export const isOfInstance = (code: ErrorCode): boolean =>
  code.startsWith('instance_') || code.startsWith('storage_') || code === 'unsupported'

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

type DataSet = File & { body?: AsyncIterator<Buffer> }

/** Streams a data set into the archive; nothing of it is kept unless all of it is. */
export async function storeDataSet(
  { intake, study }: Storing,
  { declared, begin, body }: DataSet,
): Promise<Stored> {
  const { sopClass } = declared
  // No UID at all is a fault of the data set, which the archive finds.
  if (isUid(sopClass) && !isStorage(sopClass)) {
    throw new ProtocolError('unsupported', 'SOP class is not supported')
  }
  const sink = await intake.ingest(declared)
  const check = study === undefined ? undefined : createStudyCheck(study, declared.transferSyntax)
  try {
    await write(sink, begin, check)
    if (body !== undefined) {
      for (let next = await body.next(); next.done !== true; next = await body.next()) {
        await write(sink, next.value, check)
      }
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
  await check?.write(chunk)
  if (chunk.length > 0 && !sink.write(chunk)) await sink.drain()
}
