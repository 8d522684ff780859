import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { InstanceEntry } from '../archive/archive.ts'
import { bulkValue } from '../dicom/bulk.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { openFrames } from '../dicom/frames.ts'
import { type Context, entityTag, isUnchanged, warn } from './answer.ts'
import { multipartStream, type Part } from './content.ts'
import { type FrameDeps, framePart, isBulkPath, pixelData } from './frames.ts'
import { bulkForms, octets } from './negotiation.ts'
import { instancePath } from './paths.ts'
import {
  acceptOf,
  entriesOf,
  type Opened,
  pixelSyntax,
  randomAccess,
  storedContent,
  storedOf,
  withStudy,
} from './retrieve.ts'

/** Every bulk value of what a path names, or the pixels alone (PS3.18 §10.4.1.1.5 and 6). */
export type BulkKind = 'bulkdata' | 'pixeldata'

/** A part for each value and for each frame, found one after the other: a study may have any number. */
export const retrieveBulk = (ctx: Context, deps: FrameDeps, kind: BulkKind): Promise<void> =>
  withStudy(ctx, deps.doors, async (opened) => {
    const entries = await entriesOf(opened)
    const { targets, ...form } = bulkForms(acceptOf(ctx), entries.map(pixelsOf))
    const names = entries.map((entry, index) => `${entry.sha256} ${targets[index]}`)
    if (isUnchanged(ctx, entityTag(kind, ...names))) return undefined
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
    await opened.accessed(kind, entries.length, bytes)
    const parts = partsOf(opened, deps, { entries, targets, kind })
    const first = await parts.next()
    const damaged = entries.filter(isDamaged).length
    if (first.done === true) throw nothingOf(damaged)
    if (damaged > 0) warn(ctx, `Left out: pixels that do not fit their description (${damaged}).`)
    return { ...multipartStream(first.value, parts, form), isRangeable: false }
  })

/** There is no way to cut them into frames; one such instance keeps nobody from the others. */
const isDamaged = ({ damaged }: InstanceEntry): boolean => damaged === true

const nothingOf = (damaged: number): ProtocolError =>
  damaged > 0
    ? new ProtocolError('instance_malformed', 'the pixels do not fit their description')
    : new ProtocolError('not_found', 'no bulk values')

/** What has no pixels that are given can be had in any syntax. */
const pixelsOf = (entry: InstanceEntry) =>
  entry.attributes['00280010'] === undefined || isDamaged(entry)
    ? { syntax: pixelSyntax(entry.transferSyntax), makes: () => true }
    : { ...storedOf(entry), syntax: pixelSyntax(entry.transferSyntax) }

type Wish = { entries: readonly InstanceEntry[]; targets: readonly string[]; kind: BulkKind }

async function* partsOf(
  opened: Opened,
  deps: FrameDeps,
  { entries, targets, kind }: Wish,
): AsyncGenerator<Part, undefined> {
  for (const [index, entry] of entries.entries()) {
    const [header = {}] = await opened.reader.metadata({ sop: entry.sop })
    for (const path of bulkPaths(header)) {
      if (path === pixelData) {
        const target = targets[index] ?? entry.transferSyntax
        if (!isDamaged(entry)) yield* framesOf(opened, deps, { entry, target })
      } else if (kind === 'bulkdata') yield* valueOf(opened, entry, path)
    }
  }
}

/** Another holder's metadata may say anything, in any form; what is no path of ours is passed over. */
function* bulkPaths(attributes: DicomJson): Generator<string> {
  for (const element of Object.values(attributes).filter(isObject)) {
    const { BulkDataURI: uri, Value: items }: { BulkDataURI?: unknown; Value?: unknown } = element
    const [, path = ''] = typeof uri === 'string' ? (/^bulk\/(.*)$/.exec(uri) ?? []) : []
    if (isBulkPath(path)) yield path
    for (const item of Array.isArray(items) ? items.filter(isObject) : []) {
      yield* bulkPaths(item as DicomJson)
    }
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

async function* framesOf(
  opened: Opened,
  { known, pool }: FrameDeps,
  { entry, target }: { entry: InstanceEntry; target: string },
): AsyncGenerator<Part> {
  const data = randomAccess(opened.reader, entry, opened.signal)
  const frames = await known(entry, () => openFrames({ ...entry, data }))
  for (let number = 1; number <= frames.count; number++) {
    const places = await frames.frame(number, data)
    const image = { ...entry, data, frames }
    yield framePart(opened, { image, number, places, target, type: octets, pool })
  }
}

async function* valueOf(opened: Opened, entry: InstanceEntry, path: string): AsyncGenerator<Part> {
  const data = randomAccess(opened.reader, entry, opened.signal)
  try {
    const value = await bulkValue(data, entry.transferSyntax, path)
    yield {
      type: octets,
      location: `${instancePath(entry)}/bulkdata/${path}`,
      content: storedContent(opened, entry.sop, [value]),
    }
  } catch (error) {
    // Of fragments inside an item there is no value by itself.
    if (codeOf(error) !== 'not_found') throw error
  }
}
