import { queryLimits } from '#protocol/limits.ts'
import { createElementParser, type Element } from '../../dicom/element-parser.ts'
import { createElementWriter, delimiters } from '../../dicom/element-writer.ts'
import type { PixelPool } from '../../dicom/pixel-workers/pool.ts'
import { canTranscode, transcode } from '../../dicom/transcode/transcode.ts'
import {
  explicitLittleEndian,
  implicitLittleEndian,
  transferSyntaxes,
} from '../../dicom/transfer-syntax.ts'
import type { Data, Parts } from '../speech.ts'
import { asCorrected } from './corrected.ts'
import type { Wanted } from './selection.ts'

/** A presentation context in which the receiver takes instances of one SOP class. */
export type Accepting = { id: number; transferSyntax: string }

/** An instance in a form that the receiver takes. */
export type Fitted = { contextId: number; data: Data }

type Deps = { pool: PixelPool; signal: AbortSignal }

const { implicitLittleEndian: implicit, explicitLittleEndian: explicit } = transferSyntaxes

/**
 * The data set as it is stored, byte for byte, when the receiver takes its transfer syntax; else re-encoded to one that
 * it takes, never with loss. `undefined` when it takes none of them.
 */
export async function fit(
  asked: Wanted,
  contexts: readonly Accepting[],
  deps: Deps,
): Promise<Fitted | undefined> {
  const wanted = asked.isCorrected ? await asCorrected(asked) : asked
  const { transferSyntax } = wanted
  const same = contexts.find((context) => context.transferSyntax === transferSyntax)
  if (same !== undefined) return { contextId: same.id, data: await stored(wanted, deps.signal) }
  const plain = contexts.find((context) => context.transferSyntax === explicit)
  if (plain !== undefined) {
    const data = await explicitly(wanted, deps)
    return data && { contextId: plain.id, data }
  }
  const old = contexts.find((context) => context.transferSyntax === implicit)
  if (old === undefined) return undefined
  const source = transferSyntax === explicit ? sourceOf(wanted, deps.signal) : undefined
  const data = source ?? (await explicitly(wanted, deps))
  if (data === undefined || data.bytes > queryLimits.convertedBytesMax) return undefined
  return { contextId: old.id, data: await implicitly(data) }
}

/** Read ahead while the one before is sent; a long instance only its first chunk, so that what is broken fails here. */
async function stored({ reader, sop, bytes }: Wanted, signal: AbortSignal): Promise<Parts> {
  return ahead(reader.read(sop, undefined, signal), bytes)
}

async function ahead(source: AsyncIterable<Uint8Array>, bytes: number): Promise<Parts> {
  const rest = source[Symbol.asyncIterator]()
  const here: Uint8Array[] = []
  let isEnd = false
  for (let have = 0; !isEnd && (have === 0 || (bytes <= queryLimits.aheadBytes && have < bytes));) {
    const next = await rest.next()
    if (next.done === true) isEnd = true
    else {
      here.push(next.value)
      have += next.value.length
    }
  }
  return {
    bytes,
    parts: (async function* () {
      yield* here
      if (bytes <= queryLimits.aheadBytes || isEnd) return
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
        yield next.value
      }
    })(),
  }
}

const sourceOf = ({ reader, sop, bytes }: Wanted, signal: AbortSignal): Parts => ({
  bytes,
  parts: reader.read(sop, undefined, signal),
})

async function explicitly(wanted: Wanted, { pool, signal }: Deps): Promise<Parts | undefined> {
  const { reader, sop } = wanted
  const entry = await reader.instance(sop)
  if (entry === undefined || !canTranscode(entry, explicit)) return undefined
  const data = {
    bytes: entry.bytes,
    async read(offset: number, length: number): Promise<Uint8Array> {
      const parts: Uint8Array[] = []
      for await (const part of reader.read(sop, { offset, length }, signal)) parts.push(part)
      const [only] = parts
      // Not the piece itself: what is made of it must not end its use.
      return parts.length === 1 && only !== undefined ? only.subarray() : Buffer.concat(parts)
    },
  }
  const made = await transcode({ ...entry, data }, explicit, pool)
  return ahead(made.read(), made.bytes)
}

/** Longer values are not held while lengths are counted. */
const heldBytesMax = 64 * 1024

/**
 * Explicit to Implicit VR Little Endian: values stay, headers lose their representation, sequences get undefined
 * lengths. The length must be known before the first byte is sent, so the data set is held: up to a limit that no
 * ordinary image passes.
 */
async function implicitly({ parts }: Parts): Promise<Uint8Array> {
  const held: Uint8Array[] = []
  for await (const part of parts) held.push(part)
  const whole = Buffer.concat(held)
  const writer = createElementWriter(implicitLittleEndian)
  const parser = createElementParser(explicitLittleEndian, {
    element(element: Element) {
      // Lengths of groups would be wrong now; nobody needs them (PS3.5 §7.2).
      if ((element.tag & 0xffff) === 0) return 'skip'
      if (element.length <= heldBytesMax) return 'collect'
      writer.place(element)
      return 'skip'
    },
    value: ({ tag, vr }, value) => writer.element(tag, vr, Buffer.from(value)),
    sequenceBegins: ({ tag }) => writer.sequence(tag),
    itemBegins: () => writer.bytes(delimiters.item),
    itemEnds: () => writer.bytes(delimiters.itemEnd),
    sequenceEnds: () => writer.bytes(delimiters.sequenceEnd),
  })
  parser.write(whole)
  parser.end()
  return Buffer.concat(
    writer
      .parts()
      .map((part) =>
        part instanceof Uint8Array ? part : whole.subarray(part.offset, part.offset + part.length),
      ),
  )
}
