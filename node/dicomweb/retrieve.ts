import { ProtocolError } from '#protocol/errors.ts'
import type { SopUid } from '#protocol/ids.ts'
import type { InstanceEntry, StudyReader } from '../archive/archive.ts'
import type { Doors } from '../access/doors.ts'
import type { Bytes } from '../dicom/bulk.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { isNative, transferSyntaxes } from '../dicom/transfer-syntax.ts'
import { type Answer, type Context, entityTag, isUnchanged, sendContent } from './answer.ts'
import { type Content, contentOf, joined, multipartOf, type Part } from './content.ts'
import { type Form, instanceForm } from './negotiation.ts'
import { instancePath, uidsOf } from './paths.ts'

export type Readers = Pick<Doors, 'openStudy' | 'accessed'>

/** A study that was opened for one request. */
export type Opened = {
  ctx: Context
  reader: StudyReader
  signal: AbortSignal
  /** Writes the audit record; must precede the first byte. */
  accessed: (detail: string, instances: number, bytes: number) => Promise<void>
}

/**
 * Opens the study of a request. What `use` returns is sent, and the reader is closed when that has ended; without an
 * answer it is closed at once.
 */
export async function withStudy(
  ctx: Context,
  doors: Readers,
  use: (opened: Opened) => Promise<Answer | undefined>,
): Promise<void> {
  const { user } = ctx.state
  const reader = await doors.openStudy(user, uidsOf(ctx.params).study)
  const ended = new AbortController()
  const release = async () => {
    ended.abort()
    await reader[Symbol.asyncDispose]()
  }
  try {
    const answer = await use({
      ctx,
      reader,
      signal: ended.signal,
      accessed: (detail, instances, bytes) =>
        doors.accessed(user, reader, { detail, instances, bytes }),
    })
    if (answer === undefined) await release()
    else await sendContent(ctx, answer, release)
  } catch (error) {
    await release()
    // An error must not pass for the thing that was asked for.
    for (const name of answerHeaders) ctx.remove(name)
    throw error
  }
}

const answerHeaders = ['ETag', 'Accept-Ranges', 'Content-Range', 'Content-Type', 'Content-Length']

/** The instances that a path names; `not_found` when there are none. */
export async function entriesOf({ ctx, reader }: Opened): Promise<InstanceEntry[]> {
  const { series, sop } = uidsOf(ctx.params)
  if (sop === undefined) {
    const entries = await reader.instances(series)
    if (entries.length === 0) throw new ProtocolError('not_found', 'no such series')
    return entries
  }
  return [await entryOf(reader, sop, series)]
}

async function entryOf(
  reader: StudyReader,
  sop: SopUid,
  series: string | undefined,
): Promise<InstanceEntry> {
  const entry = await reader.instance(sop)
  const isHere = entry !== undefined && (series === undefined || entry.series === series)
  if (!isHere) throw new ProtocolError('not_found', 'no such instance')
  return entry
}

/** Instances as DICOM files (PS3.18 §10.4.1.1.1 to 3). */
export const retrieveInstances = (ctx: Context, doors: Readers): Promise<void> =>
  withStudy(ctx, doors, async (opened) => {
    const entries = await entriesOf(opened)
    const form = instanceForm(
      acceptOf(ctx),
      entries.map(({ transferSyntax }) => transferSyntax),
    )
    return filesAnswer(opened, entries, form)
  })

export async function filesAnswer(
  { ctx, reader, signal, accessed }: Opened,
  entries: readonly InstanceEntry[],
  form: Form,
): Promise<Answer | undefined> {
  const tag = entityTag(String(form.isMultipart), ...entries.map(({ sha256 }) => sha256))
  if (isUnchanged(ctx, tag)) return undefined
  const parts = entries.map((entry) => filePart(reader, entry, signal))
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  await accessed('instances', entries.length, bytes)
  return answerOf(parts, form)
}

/** Parts in the agreed form. */
export function answerOf(parts: readonly Part[], form: Form): Answer {
  const [only] = parts
  if (!form.isMultipart && only !== undefined) {
    return { type: only.type, content: only.content, isRangeable: true }
  }
  return { ...multipartOf(parts, form), isRangeable: false }
}

function filePart(reader: StudyReader, entry: InstanceEntry, signal: AbortSignal): Part {
  const { sop, sopClass, transferSyntax, bytes } = entry
  const header = createPart10Header({ sopClass, sopUid: sop, transferSyntax })
  return {
    type: `application/dicom; transfer-syntax=${transferSyntax}`,
    location: instancePath(entry),
    content: joined([
      contentOf(header),
      { bytes, read: (range) => reader.read(sop, range, signal) },
    ]),
  }
}

/** Bytes of a stored data set, for the readers of headers and frames. */
export const randomAccess = (
  reader: StudyReader,
  { sop, bytes }: Pick<InstanceEntry, 'sop' | 'bytes'>,
  signal: AbortSignal,
): RandomAccess => ({
  bytes,
  async read(offset, length) {
    const parts: Uint8Array[] = []
    for await (const part of reader.read(sop, { offset, length }, signal)) parts.push(part)
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
  },
})

/** Where the bytes lie, or the bytes. */
export function storedContent(
  { reader, signal }: Opened,
  sop: SopUid,
  places: readonly Bytes[],
): Content {
  return joined(
    places.map((place) =>
      'bytes' in place
        ? contentOf(place.bytes)
        : {
            bytes: place.length,
            read: ({ offset, length }) =>
              reader.read(sop, { offset: place.offset + offset, length }, signal),
          },
    ),
  )
}

/** Syntax of pixels taken out of their data set: how its elements were written no longer matters. */
export const pixelSyntax = (transferSyntax: string): string =>
  isNative(transferSyntax) && transferSyntax !== transferSyntaxes.explicitBigEndian
    ? transferSyntaxes.explicitLittleEndian
    : transferSyntax

/** The header, or the query parameter that stands for it (PS3.18 §8.3.3.1). */
export function acceptOf(ctx: Context): string | undefined {
  const { accept } = ctx.query
  const asked = Array.isArray(accept) ? accept.join(',') : accept
  return asked ?? ctx.get('Accept')
}
