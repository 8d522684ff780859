import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { toHex } from '#protocol/bytes.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { Sha256, type Kid } from '#protocol/ids.ts'
import { parseCheckpoint, type Checkpoint } from '#protocol/transparency/checkpoint.ts'
import { decodeEntry, type LogEntry } from '#protocol/transparency/entries.ts'
import { isSame, rootOf, type Hash, type SubtreeReader } from '#protocol/transparency/merkle.ts'
import { fromBase64, parseNote, toBase64 } from '#protocol/transparency/note.ts'
import { emptyState, isOfAccess, LogState, replay } from '#protocol/transparency/replay.ts'
import { createTileReader, createTileWriter, tileWidth } from '#protocol/transparency/tiles.ts'
import type { Tile, TileWriter } from '#protocol/transparency/tiles.ts'
import type { RecordChange, Records } from '../store/records.ts'
import { readMark, writeMark } from './mark-file.ts'

/**
 * This node's own copy of the transparency log: every hash, and every entry that says who may do what. It only grows,
 * and only by entries that are valid and lead to a root that the log has signed.
 */
export type Mirror = {
  size(): number
  state(): LogState
  /** The newest checkpoint that was borne out, as a note. */
  note(): string | undefined
  /** False while a restored copy has not come to where this node has been before. */
  isComplete(): boolean
  /** The root of the first `size` entries, of those that are here. */
  rootAt(size: number): Promise<Hash>
  /**
   * Takes what lies between. Throws `log_inconsistent` when the entries do not lead to the checkpoint's root, and what
   * is wrong with an entry that may not stand there; then nothing has changed.
   */
  advance(note: string, read: (from: number) => Promise<string[]>): Promise<Taken[]>
}

/** An entry and what was so before it. */
export type Taken = { number: number; entry: LogEntry; before: LogState }

type Deps = { records: Pick<Records, 'find' | 'get' | 'write'>; dir: string; authority: Kid }

/** An entry that a valid log would not have. */
export class InvalidEntry extends ProtocolError {
  readonly number: number
  constructor(number: number, cause: unknown) {
    super('log_malformed', `entry ${number} of the log may not stand there`, { cause })
    this.number = number
  }
}

const Kept = z.strictObject({ note: z.string(), state: LogState })
const Mark = z.strictObject({ size: z.int().min(0), root: Sha256 })

const keyOf = (number: number): string => String(number).padStart(16, '0')
const tileKey = ({ level, index }: Pick<Tile, 'level' | 'index'>): string =>
  `${level}-${keyOf(index)}`
const encoder = new TextEncoder()

export async function openMirror({ records, dir, authority }: Deps): Promise<Mirror> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const file = path.join(dir, 'log-high-water.json')
  const mark = await readMark(file, Mark)
  const kept = await records.find('log-mirror', 'newest', Kept)
  let note = kept?.note
  let state = kept?.state ?? emptyState
  const readTile = createTiles(records)
  const rootAt = (size: number): Promise<Hash> => rootOf(size, createTileReader(size, readTile))

  const collect = async (target: Checkpoint, read: (from: number) => Promise<string[]>) => {
    const writer = await openWriter(state.size, readTile)
    const taken: Taken[] = []
    const changes: RecordChange[] = []
    let next = state
    while (writer.size < target.size) {
      const texts = await read(writer.size)
      if (texts.length === 0) throw new ProtocolError('unavailable', 'entries are not shown')
      for (const text of texts.slice(0, target.size - writer.size)) {
        const number = writer.size
        const { entry, after } = await judge(next, text, authority)
        taken.push({ number, entry, before: next })
        if (isOfAccess(entry)) {
          changes.push({ type: 'put', kind: 'log-entry', key: keyOf(number), value: text })
        }
        writer.append(encoder.encode(text))
        next = after
      }
    }
    return { writer, taken, changes, next }
  }

  return {
    size: () => state.size,
    state: () => state,
    note: () => note,
    isComplete: () => state.size >= (mark?.size ?? 0),
    rootAt,
    async advance(text, read) {
      const target = parseCheckpoint(parseNote(text).text)
      const { writer, taken, changes, next } = await collect(target, read)
      const tiles = new Map(writer.take().map((tile) => [tileKey(tile), tile.bytes]))
      const reader = createTileReader(target.size, async (tile) => {
        return tiles.get(tileKey(tile)) ?? (await readTile(tile))
      })
      const isBorneOut = isSame(await rootOf(target.size, reader), target.root)
      if (!isBorneOut || !(await isAfter(mark, target, reader))) {
        throw new ProtocolError('log_inconsistent', 'the log is not a continuation of what it was')
      }
      await records.write([
        ...changes,
        ...[...tiles].map(([key, bytes]): RecordChange => {
          return { type: 'put', kind: 'log-tile', key, value: toBase64(bytes) }
        }),
        { type: 'put', kind: 'log-mirror', key: 'newest', value: { note: text, state: next } },
      ])
      if (mark === undefined || target.size >= mark.size) {
        await writeMark(file, { size: target.size, root: toHex(target.root) })
      }
      note = text
      state = next
      return taken
    },
  }
}

const createTiles =
  (records: Pick<Records, 'get'>) =>
  async (tile: Pick<Tile, 'level' | 'index'>): Promise<Uint8Array> => {
    const stored = await records.get('log-tile', tileKey(tile))
    const bytes = typeof stored === 'string' ? fromBase64(stored) : undefined
    if (bytes === undefined || bytes.length === 0) {
      throw new ProtocolError('storage_corrupt', 'a tile of the log is missing here')
    }
    return bytes
  }

/** A copy of an earlier day must come to what this node has seen before, or it has been shown another history. */
async function isAfter(
  mark: z.infer<typeof Mark> | undefined,
  { size }: Checkpoint,
  read: SubtreeReader,
): Promise<boolean> {
  if (mark === undefined || mark.size > size) return true
  return toHex(await rootOf(mark.size, read)) === mark.root
}

async function judge(
  state: LogState,
  text: string,
  authority: Kid,
): Promise<{ entry: LogEntry; after: LogState }> {
  try {
    const entry = decodeEntry(encoder.encode(text))
    return { entry, after: await replay(state, entry, authority) }
  } catch (cause) {
    throw new InvalidEntry(state.size, cause)
  }
}

async function openWriter(
  size: number,
  readTile: (tile: Pick<Tile, 'level' | 'index'>) => Promise<Uint8Array>,
): Promise<TileWriter> {
  const partials: Uint8Array[] = []
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / tileWidth)) {
    const width = count % tileWidth
    const index = Math.floor(count / tileWidth)
    const bytes = width === 0 ? new Uint8Array() : await readTile({ level, index })
    partials.push(bytes.subarray(0, width * 32))
  }
  return createTileWriter(size, partials)
}
