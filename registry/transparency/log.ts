import { toHex } from '#protocol/bytes.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { Kid, PrivateJwk, Sha256 } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { checkpointText, parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import { encodeEntry, decodeEntry, LogEntry } from '#protocol/transparency/entries.ts'
import { consistencyProof, rootOf } from '#protocol/transparency/merkle.ts'
import type { Hash } from '#protocol/transparency/merkle.ts'
import {
  formatNote,
  fromBase64,
  parseNote,
  signNote,
  toBase64,
} from '#protocol/transparency/note.ts'
import { emptyState, LogState, replay } from '#protocol/transparency/replay.ts'
import {
  createTileReader,
  createTileWriter,
  encodeEntries,
  tileWidth,
} from '#protocol/transparency/tiles.ts'
import type { Tile, TileName, TileWriter } from '#protocol/transparency/tiles.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Store, Write } from '../store/store.ts'
import { createTurns } from '#protocol/turns.ts'
import { secondsOf } from '#protocol/times.ts'
import type { Journal, LogHead, NewEntry } from './journal.ts'

/** The registry's transparency log: every act that says who may do what, in an order that it cannot change later. */
export type TransparencyLog = Journal & {
  head(): LogHead
  state(): LogState
  /** The newest checkpoint, signed by the log. */
  checkpoint(): string
  /** Canonical texts from number `from` on, as many as fit into one answer. */
  entries(from: number): Promise<string[]>
  proof(first: number, second: number): Promise<Hash[]>
  /** A tile or a bundle of entries as C2SP tlog-tiles has them; nothing for what the log does not have yet. */
  tile(name: TileName): Promise<Uint8Array | undefined>
}

type Deps = {
  store: Store
  key: PrivateJwk
  /** How the log is called in its notes. */
  origin: string
  authority: Kid
  clock: () => number
  /** The log has grown. */
  onAppend: () => void
}

const placeOf = (number: number): string => String(number).padStart(16, '0')
const entryKey = (number: number): string => `log/entry/${placeOf(number)}`
const tileKey = ({ level, index }: Pick<Tile, 'level' | 'index'>): string =>
  `log/tile/${level}/${placeOf(index)}`
const headKey = 'log/checkpoint'
const stateKey = 'log/state'

const encoder = new TextEncoder()

export async function openTransparencyLog(deps: Deps): Promise<TransparencyLog> {
  const { store, key, origin, authority, clock } = deps
  const inTurn = createTurns()
  const readTile = createTiles(store)
  const stored = await store.get(headKey)
  let note = stored ?? formatNote(signNote(await firstText(origin), origin, key))
  let size = parseCheckpoint(parseNote(note).text).size
  let state = await openState(store, { size, authority })
  // What was not written is not in the tree either: after a failure it is opened anew.
  let opened: TileWriter | undefined = await openWriter(store, size)
  const append = async (entries: readonly NewEntry[]) => {
    const writer = (opened ??= await openWriter(store, size))
    const at = Math.max(secondsOf(clock()), state.at)
    let next = state
    const writes: Write[] = []
    for (const one of entries) {
      const entry = LogEntry.parse({ ...one, at })
      if (!(await isNews(next, entry))) continue
      const bytes = encodeEntry(entry)
      next = await replay(next, entry, authority)
      writes.push({ put: entryKey(writer.size), value: Buffer.from(bytes).toString('utf8') })
      writer.append(bytes)
    }
    if (writes.length === 0) return { writes, note, state }
    const tiles = writer.take()
    const fresh = new Map(tiles.map((tile) => [tileKey(tile), tile.bytes]))
    const root = await rootOf(
      writer.size,
      createTileReader(writer.size, async (tile) => fresh.get(tileKey(tile)) ?? readTile(tile)),
    )
    const signed = signNote(checkpointText({ origin, size: writer.size, root }), origin, key)
    const isRound = Math.floor(writer.size / tileWidth) > Math.floor(size / tileWidth)
    writes.push(
      ...[...fresh].map(([put, bytes]) => ({ put, value: toBase64(bytes) })),
      { put: headKey, value: formatNote(signed) },
      ...(isRound ? [{ put: stateKey, value: JSON.stringify(next) }] : []),
    )
    return { writes, note: formatNote(signed), state: next }
  }

  return {
    write: (entries, more) =>
      inTurn(async () => {
        try {
          const added = await append(entries)
          const head = headOf(parseNote(added.note).text)
          const others = typeof more === 'function' ? await more(head) : more
          await store.write([...added.writes, ...others])
          const hasGrown = head.size > size
          note = added.note
          size = head.size
          state = added.state
          if (hasGrown) deps.onAppend()
        } catch (error) {
          opened = undefined
          throw error
        }
      }),
    head: () => headOf(parseNote(note).text),
    state: () => state,
    checkpoint: () => note,
    entries: (from) => readEntries(store, from, size),
    async proof(first, second) {
      if (second > size) throw new ProtocolError('bad_request', 'the log is not that long')
      return await consistencyProof(first, second, createTileReader(second, readTile))
    },
    tile: (name) => readFile(store, name, size),
  }
}

function headOf(text: string): LogHead {
  const { size, root } = parseCheckpoint(text)
  return { size, root: toHex(root) as Sha256 }
}

/** A tile, or a bundle of entries, as a log of `size` entries shows it; nothing when it is not that long. */
async function readFile(
  store: Store,
  { level, index, width }: TileName,
  size: number,
): Promise<Uint8Array | undefined> {
  const from = index * tileWidth
  const levelSize = level === 'entries' ? size : Math.floor(size / tileWidth ** level)
  if (from + width > levelSize) return undefined
  if (level !== 'entries') {
    return (await createTiles(store)({ level, index })).subarray(0, width * 32)
  }
  const rows = await store.list('log/entry/', { limit: width, ...afterEntry(from) })
  return encodeEntries(rows.map(({ value }) => encoder.encode(value)))
}

async function firstText(origin: string): Promise<string> {
  const root = await rootOf(0, () => Promise.reject(new Error('an empty log has no tiles')))
  return checkpointText({ origin, size: 0, root })
}

const createTiles =
  (store: Store) =>
  async (tile: Pick<Tile, 'level' | 'index'>): Promise<Uint8Array> => {
    const bytes = fromBase64((await store.get(tileKey(tile))) ?? '')
    if (bytes === undefined || bytes.length === 0) {
      throw new ProtocolError('storage_corrupt', 'a tile of the log is missing')
    }
    return bytes
  }

async function openWriter(store: Store, size: number): Promise<TileWriter> {
  const readTile = createTiles(store)
  const partials: Uint8Array[] = []
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / tileWidth)) {
    const width = count % tileWidth
    const bytes =
      width === 0
        ? new Uint8Array()
        : await readTile({ level, index: Math.floor(count / tileWidth) })
    partials.push(bytes.subarray(0, width * 32))
  }
  return createTileWriter(size, partials)
}

/** From the last picture of it, and what came after. */
async function openState(
  store: Store,
  { size, authority }: { size: number; authority: Kid },
): Promise<LogState> {
  const stored = await store.get(stateKey)
  let state = stored === undefined ? emptyState : LogState.parse(JSON.parse(stored))
  while (state.size < size) {
    const texts = await readEntries(store, state.size, size)
    if (texts.length === 0)
      throw new ProtocolError('storage_corrupt', 'entries of the log are missing')
    for (const text of texts)
      state = await replay(state, decodeEntry(encoder.encode(text)), authority)
  }
  return state
}

/** Empty for the beginning: keys are ordered, and `after` is exclusive. */
const afterEntry = (from: number) => (from === 0 ? {} : { after: entryKey(from - 1) })

async function readEntries(store: Store, from: number, size: number): Promise<string[]> {
  const limit = Math.min(transparencyLimits.batchEntriesMax, size - from)
  if (limit <= 0) return []
  const rows = await store.list('log/entry/', { limit, ...afterEntry(from) })
  const texts: string[] = []
  let bytes = 0
  for (const { value } of rows) {
    bytes += value.length
    if (texts.length > 0 && bytes > transparencyLimits.batchBytes) break
    texts.push(value)
  }
  return texts
}

/** Acts may be repeated after a crash, and what stands in the configuration comes at every start. */
async function isNews(state: LogState, entry: LogEntry): Promise<boolean> {
  switch (entry.kind) {
    case 'trust-list':
      return state.trust?.digest !== (await tokenDigest(entry.token))
    case 'credential': {
      const digest = await tokenDigest(entry.token)
      return !Object.values(state.credentials).some((one) => one.digest === digest)
    }
    case 'rekey': {
      const digest = await tokenDigest(entry.token)
      return !Object.values(state.follows).some((one) => one.digest === digest)
    }
    case 'key-revocation':
      return state.revoked[entry.kid] === undefined
    case 'suspension':
      return (state.suspended[entry.org] !== undefined) !== (entry.state === 'imposed')
    case 'grant': {
      const digest = await tokenDigest(entry.token)
      return !Object.values(state.grants).some((one) => one.digest === digest)
    }
    case 'grant-end': {
      const grant = state.grants[entry.jti]
      return grant !== undefined && grant.ended === undefined
    }
    case 'audit-head':
      return (state.heads[entry.org]?.seq ?? 0) < entry.seq
    case 'emergency':
    case 'cito':
    case 'manifest':
      return true
    default:
      return entry satisfies never
  }
}
