import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { toHex } from '#protocol/bytes.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { Kid } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { cosignedAt, parseCheckpoint, quorumOf } from '#protocol/transparency/checkpoint.ts'
import type { Checkpoint } from '#protocol/transparency/checkpoint.ts'
import { decodeEntry } from '#protocol/transparency/entries.ts'
import { isSame, rootOf } from '#protocol/transparency/merkle.ts'
import { isNoteSignedBy, parseNote, parseVerifierKey } from '#protocol/transparency/note.ts'
import type { Note } from '#protocol/transparency/note.ts'
import { emptyState, replay } from '#protocol/transparency/replay.ts'
import type { LogState } from '#protocol/transparency/replay.ts'
import {
  createTileReader,
  createTileWriter,
  decodeEntries,
  tilePath,
  tileWidth,
} from '#protocol/transparency/tiles.ts'
import type { Tile } from '#protocol/transparency/tiles.ts'

/** One file of a log, by its path in C2SP tlog-tiles. */
export type ReadLogFile = (file: string) => Promise<Uint8Array>

const bundleBytes = tileWidth * (transparencyLimits.entryBytes + 2)
const readTimeoutMs = 30_000

const unreadable = (file: string, cause?: unknown): ProtocolError =>
  new ProtocolError('not_found', `${file} of the log cannot be read`, { cause })

export const readFromFolder =
  (dir: string): ReadLogFile =>
  async (file) => {
    try {
      return await readFile(path.join(dir, file))
    } catch (cause) {
      throw unreadable(file, cause)
    }
  }

/** `url`: where the checkpoint and the tiles lie, such as `https://registry.example/log`. */
export const readFromUrl =
  (url: string): ReadLogFile =>
  async (file) => {
    try {
      const signal = AbortSignal.timeout(readTimeoutMs)
      const answer = await fetch(`${url.replace(/\/$/, '')}/${file}`, { signal, redirect: 'error' })
      const length = Number(answer.headers.get('content-length') ?? 0)
      if (!answer.ok || length > bundleBytes) throw unreadable(file)
      return new Uint8Array(await answer.arrayBuffer())
    } catch (cause) {
      throw unreadable(file, cause)
    }
  }

export type JudgedLog = { note: Note; checkpoint: Checkpoint; state: LogState }

/**
 * Everything that the files of a log prove: that its entries may stand where they do, that its tiles are theirs, and
 * that the log which the authority named has signed them. Throws what is wrong.
 */
export async function judgeLog(read: ReadLogFile, authority: Kid): Promise<JudgedLog> {
  const note = parseNote(new TextDecoder().decode(await read('checkpoint')))
  const checkpoint = parseCheckpoint(note.text)
  const { size, root } = checkpoint
  const writer = createTileWriter(0, [])
  const tiles = new Map<string, Uint8Array>()
  let state = emptyState
  for (let index = 0; writer.size < size; index++) {
    const width = Math.min(tileWidth, size - writer.size)
    const bundle = decodeEntries(await read(tilePath({ level: 'entries', index, width })))
    if (bundle.length !== width) throw new ProtocolError('log_malformed', 'a bundle is incomplete')
    for (const bytes of bundle) {
      state = await replayed(state, bytes, authority)
      writer.append(bytes)
    }
    for (const tile of writer.take()) tiles.set(keyOf(tile), tile.bytes)
  }
  const computed = await rootOf(
    size,
    createTileReader(size, async (tile) => tiles.get(keyOf(tile)) ?? new Uint8Array()),
  )
  if (!isSame(computed, root)) {
    throw new ProtocolError('log_inconsistent', 'the entries do not lead to the checkpoint')
  }
  for (const [key, bytes] of tiles) {
    const [level = 0, index = 0] = key.split('/').map(Number)
    const file = tilePath({ level, index, width: bytes.length / 32 })
    if (!isSame(await read(file), bytes)) {
      throw new ProtocolError('log_inconsistent', `${file} is not of these entries`)
    }
  }
  checkSignature(note, checkpoint, state)
  return { note, checkpoint, state }
}

const keyOf = ({ level, index }: Pick<Tile, 'level' | 'index'>): string => `${level}/${index}`

async function replayed(state: LogState, bytes: Uint8Array, authority: Kid): Promise<LogState> {
  try {
    return await replay(state, decodeEntry(bytes), authority)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'invalid'
    throw new ProtocolError('log_malformed', `entry ${state.size} may not stand there: ${why}`, {
      cause,
    })
  }
}

function checkSignature(note: Note, { origin }: Checkpoint, { trust }: LogState): void {
  const key = trust?.claims.log && parseVerifierKey(trust.claims.log.key)
  if (key === undefined || key.name !== origin || !isNoteSignedBy(note, key)) {
    throw new ProtocolError('token_bad_signature', 'the checkpoint is not signed by the log')
  }
}

export function describeLog({ note, checkpoint, state }: JudgedLog, now: number): string {
  const keys = (state.trust?.claims.log?.witnesses ?? []).map(parseVerifierKey)
  const witnesses = keys.map((key) => ({ key, at: cosignedAt(note, key) }))
  const signed = witnesses.filter(({ at }) => at !== undefined).length
  const grants = Object.values(state.grants)
  const inForce = grants.filter(({ ended, exp }) => ended === undefined && exp * 1000 > now)
  return [
    `log         ${checkpoint.origin}, valid\n`,
    `entries     ${checkpoint.size}\n`,
    `root        ${toHex(checkpoint.root)}\n`,
    `grants      ${grants.length}, in force ${inForce.length}\n`,
    `suspended   ${Object.keys(state.suspended).length}\n`,
    `witnesses   ${signed} of ${keys.length}, quorum ${quorumOf(keys.length)}\n`,
    ...witnesses.map(({ key, at }) => {
      const time = at === undefined ? 'has not signed' : new Date(at * 1000).toISOString()
      return `            ${key.name} ${time}\n`
    }),
  ].join('')
}
