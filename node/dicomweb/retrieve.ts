import { ProtocolError } from '#protocol/errors.ts'
import type { SopUid } from '#protocol/ids.ts'
import type { InstanceEntry, StudyReader } from '../archive/archive.ts'
import type { Doors } from '../access/doors.ts'
import type { Bytes } from '../dicom/bulk.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import { createPart10Header } from '../dicom/part10.ts'
import type { PixelPool } from '../dicom/pixel-workers/pool.ts'
import { canTranscode, transcode } from '../dicom/transcode/transcode.ts'
import { isNative, transferSyntaxes } from '../dicom/transfer-syntax.ts'
import { type Answer, type Context, entityTag, isUnchanged, sendContent } from './answer.ts'
import { type Content, contentOf, joined, madeContent, multipartOf, type Part } from './content.ts'
import { type Form, instanceForm, type Stored, zip } from './negotiation.ts'
import { instancePath, uidsOf } from './paths.ts'
import { heldInstance } from '../archive/held-instance.ts'
import { type ZipFile, zipNames, zipOf } from './zip.ts'

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
  const { study, series } = uidsOf(ctx.params)
  // Whoever asks for the whole begins with it.
  const reader = await doors.openStudy(user, study, series === undefined ? 'opening' : undefined)
  const { signal, release } = await closedWith(ctx, reader)
  try {
    const answer = await use({
      ctx,
      reader,
      signal,
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

/** Who goes away ends a reading that waits for another holder, also before the first byte. */
export async function closedWith(
  ctx: Context,
  reader: StudyReader,
): Promise<{ signal: AbortSignal; release: () => Promise<void> }> {
  const ended = new AbortController()
  let released: Promise<void> | undefined
  const release = (): Promise<void> => {
    ended.abort()
    return (released ??= Promise.resolve(reader[Symbol.asyncDispose]()))
  }
  if (ctx.res.destroyed) await release()
  ctx.res.once('close', () => void release())
  return { signal: ended.signal, release }
}

const answerHeaders = [
  'Content-Disposition',
  'ETag',
  'Accept-Ranges',
  'Content-Range',
  'Content-Type',
  'Content-Length',
]

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
export const retrieveInstances = (ctx: Context, doors: Readers, pool: PixelPool): Promise<void> =>
  withStudy(ctx, doors, async (opened) => {
    const entries = await entriesOf(opened)
    return filesAnswer(opened, { entries, accept: acceptOf(ctx), pool })
  })

export async function filesAnswer(
  opened: Opened,
  wish: { entries: readonly InstanceEntry[]; accept: string | undefined; pool: PixelPool },
): Promise<Answer | undefined> {
  const { ctx, accessed } = opened
  const { entries, pool } = wish
  const form = instanceForm(wish.accept, entries.map(storedOf))
  const names = entries.map((entry, index) => `${stateOf(entry)} ${form.targets[index]}`)
  if (isUnchanged(ctx, entityTag(String(form.isMultipart), ...names))) return undefined
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  await accessed('instances', entries.length, bytes)
  if (form.type === zip) return zipAnswer(opened, { entries, targets: form.targets, pool })
  const isStored = entries.every(
    (entry, index) => entry.overlay === undefined && form.targets[index] === entry.transferSyntax,
  )
  const parts: Part[] = []
  for (const [index, entry] of entries.entries()) {
    const target = form.targets[index] ?? entry.transferSyntax
    const isOnly = entries.length === 1
    parts.push(await filePart(opened, { entry, target, pool, isOnly }))
  }
  return answerOf(parts, form, isStored)
}

function zipAnswer(
  opened: Opened,
  wish: { entries: readonly InstanceEntry[]; targets: readonly string[]; pool: PixelPool },
): Answer {
  const { entries, targets, pool } = wish
  const names = zipNames(entries.map(({ series }) => series))
  const files = entries.map((entry, index): ZipFile => {
    const target = targets[index] ?? entry.transferSyntax
    return {
      name: names[index] ?? '',
      receivedAt: entry.receivedAt,
      async *read() {
        const { content } = await filePart(opened, { entry, target, pool, isOnly: false })
        yield* content.read({ offset: 0, length: content.bytes ?? 0 })
      },
    }
  })
  opened.ctx.set('Content-Disposition', 'attachment; filename="study.zip"')
  return { type: zip, content: madeContent(() => zipOf(files)), isRangeable: false }
}

/** Changes whenever what is shown of an instance does. */
export const stateOf = ({ sha256, overlay }: Pick<InstanceEntry, 'sha256' | 'overlay'>): string =>
  overlay === undefined ? sha256 : `${sha256} ${overlay}`

/** What negotiation needs to know of an instance. */
export const storedOf = (entry: InstanceEntry): Stored => ({
  syntax: entry.transferSyntax,
  makes: (target) => canTranscode(entry, target),
})

/** Parts in the agreed form. */
export function answerOf(parts: readonly Part[], form: Form, isRangeable = true): Answer {
  const [only] = parts
  if (!form.isMultipart && only !== undefined) {
    return { type: only.type, content: only.content, isRangeable }
  }
  return { ...multipartOf(parts, form), isRangeable: false }
}

type FileWish = { entry: InstanceEntry; target: string; pool: PixelPool; isOnly: boolean }

async function filePart(opened: Opened, { entry, target, pool, isOnly }: FileWish): Promise<Part> {
  const { reader, signal } = opened
  const { sop, sopClass, transferSyntax, bytes } = entry
  const header = createPart10Header({ sopClass, sopUid: sop, transferSyntax: target })
  const make = async (): Promise<Content> => {
    const stored = { ...entry, data: randomAccess(reader, entry, signal) }
    const shown = entry.overlay === undefined ? undefined : await reader.corrected?.(sop)
    if (shown === undefined) return transcode(stored, target, pool)
    return target === shown.transferSyntax
      ? shown
      : transcode(await heldInstance(entry, shown), target, pool)
  }
  const isStored = transferSyntax === target && entry.overlay === undefined
  return {
    type: `application/dicom; transfer-syntax=${target}`,
    location: instancePath(entry),
    content: joined([
      contentOf(header),
      isStored
        ? { bytes, read: (range) => reader.read(sop, range, signal) }
        : isOnly
          ? await make()
          : // One after the other, as each is wanted.
            madeContent(async function* () {
              yield* (await make()).read({ offset: 0, length: 0 })
            }),
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
    // Not the piece itself: what is made of it must not end its use.
    return parts.length === 1 && only !== undefined ? only.subarray() : Buffer.concat(parts)
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
