import { ProtocolError } from '../errors.ts'
import { transparencyLimits } from '../limits.ts'
import {
  emptyRoot,
  type Hash,
  hashBytes,
  leafHash,
  nodeHash,
  type SubtreeReader,
} from './merkle.ts'

/**
 * The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that a log is a folder of files that never change. A tile
 * of level L holds roots of complete subtrees of 256^L entries; the last tile of a level may be partial.
 */
export const tileWidth = 256
const levelsPerTile = 8

export type Tile = { level: number; index: number; width: number }
/** A tile, or the bundle of entries under a tile of level 0. */
export type TileName = {
  level: number | 'entries'
  index: number
  width: number
}

/** `tile/1/x001/234[.p/7]`; entries of the log itself: `tile/entries/x001/234`. */
export function tilePath({ level, index, width }: TileName): string {
  const partial = width === tileWidth ? '' : `.p/${width}`
  return `tile/${level}/${indexPath(index)}${partial}`
}

function indexPath(index: number): string {
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
}

const pathPattern = /^tile\/(\d{1,2}|entries)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/** The tile that a path names, or nothing when the path is not its only spelling. */
export function parseTilePath(path: string): TileName | undefined {
  const [, level = '', groups = '', partial] = pathPattern.exec(path) ?? []
  if (level === '') return undefined
  const index = Number(groups.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? tileWidth : Number(partial)
  const tile = { index, width, level: level === 'entries' ? ('entries' as const) : Number(level) }
  return width <= tileWidth && tilePath(tile) === path ? tile : undefined
}

/** How many hashes of a level a log of `size` entries has. */
const widthOfLevel = (level: number, size: number): number => Math.floor(size / tileWidth ** level)

/** Every tile of a log of `size` entries from entry `from` on, lowest level first: what a mirror has to fetch. */
export function tilesSince(from: number, size: number): Tile[] {
  const tiles: Tile[] = []
  for (let level = 0; widthOfLevel(level, size) > 0; level++) {
    const known = widthOfLevel(level, from)
    const width = widthOfLevel(level, size)
    if (known === width) continue
    for (let index = Math.floor(known / tileWidth); index * tileWidth < width; index++) {
      tiles.push({ level, index, width: Math.min(tileWidth, width - index * tileWidth) })
    }
  }
  return tiles
}

/** Subtree hashes out of tiles. `read` gives at least `width` hashes of a tile. */
export function createTileReader(
  size: number,
  read: (tile: Tile) => Promise<Uint8Array>,
): SubtreeReader {
  return async (level, index) => {
    const tileLevel = Math.floor(level / levelsPerTile)
    const count = 2 ** (level % levelsPerTile)
    const first = index * count
    const tileIndex = Math.floor(first / tileWidth)
    const offset = first - tileIndex * tileWidth
    const width = Math.min(tileWidth, widthOfLevel(tileLevel, size) - tileIndex * tileWidth)
    if (offset + count > width) throw new ProtocolError('bad_request', 'subtree is not complete')
    const bytes = await read({ level: tileLevel, index: tileIndex, width })
    if (bytes.length < width * hashBytes) {
      throw new ProtocolError('log_malformed', 'a tile is shorter than the log says')
    }
    return subtreeHash(hashesOf(bytes).slice(offset, offset + count))
  }
}

const hashesOf = (bytes: Uint8Array): Hash[] =>
  Array.from({ length: Math.floor(bytes.length / hashBytes) }, (_, at) =>
    bytes.subarray(at * hashBytes, (at + 1) * hashBytes),
  )

/** The root over a power of two of hashes. */
function subtreeHash(hashes: readonly Hash[]): Hash {
  const [left, right, ...more] = hashes
  if (left === undefined) return emptyRoot
  if (right === undefined) return left
  if (more.length === 0) return nodeHash(left, right)
  const half = hashes.length / 2
  return nodeHash(subtreeHash(hashes.slice(0, half)), subtreeHash(hashes.slice(half)))
}

/** A tile with the bytes it has now. */
export type WrittenTile = Tile & { bytes: Uint8Array }

export type TileWriter = {
  readonly size: number
  append(entry: Uint8Array): void
  /** The tiles that changed since the last call, the last of each level perhaps partial. */
  take(): WrittenTile[]
}

/** Appends entries; `partials` are the hashes of each level's last tile, from level 0 on, where it is not full. */
export function createTileWriter(size: number, partials: readonly Uint8Array[]): TileWriter {
  let count = size
  const levels = partials.map((bytes) => hashesOf(bytes))
  const changed = new Map<string, { level: number; index: number; hashes: Hash[] }>()

  const push = (level: number, position: number, hash: Hash): void => {
    const hashes = (levels[level] ??= [])
    hashes.push(hash)
    const index = Math.floor(position / tileWidth)
    changed.set(`${level}/${index}`, { level, index, hashes })
    if (hashes.length < tileWidth) return
    levels[level] = []
    push(level + 1, index, subtreeHash(hashes))
  }

  return {
    get size() {
      return count
    },
    append(entry) {
      push(0, count, leafHash(entry))
      count++
    },
    take() {
      const tiles = Array.from(changed.values(), ({ level, index, hashes }) => {
        return { level, index, width: hashes.length, bytes: joined(hashes) }
      })
      changed.clear()
      return tiles
    },
  }
}

function joined(hashes: readonly Hash[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes)
  hashes.forEach((hash, at) => bytes.set(hash, at * hashBytes))
  return bytes
}

/** Up to 256 entries, each after its length in two bytes (big endian). */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, { length }) => sum + 2 + length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const entry of entries) {
    if (entry.length > transparencyLimits.entryBytes) {
      throw new ProtocolError('too_large', 'a log entry is too large')
    }
    view.setUint16(at, entry.length)
    bytes.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bytes
}

export function decodeEntries(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const end = at + 2 <= bytes.length ? at + 2 + view.getUint16(at) : Infinity
    if (end > bytes.length || entries.length === tileWidth) {
      throw new ProtocolError('log_malformed', 'a bundle of log entries is malformed')
    }
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  return entries
}
