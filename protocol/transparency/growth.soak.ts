import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../bytes.ts'
import { encodeEntry } from './entries.ts'
import { rootOf } from './merkle.ts'
import { createTileReader, createTileWriter, tilesSince } from './tiles.ts'

const appends = Number(process.env['CAMI_LOG_APPENDS'] ?? 1_000_000)

test('a million entries make tiles of 32 bytes each and little more, and one root', async () => {
  const writer = createTileWriter(0, [])
  const tiles = new Map<string, Uint8Array>()
  const begun = performance.now()
  let entryBytes = 0
  for (let at = 0; at < appends; at++) {
    const digest = toHex(sha256(new TextEncoder().encode(String(at))))
    const entry = encodeEntry({ kind: 'manifest', at: 1_795_000_000, sha256: digest as never })
    entryBytes += entry.length + 2
    writer.append(entry)
    if (at % 256 !== 255) continue
    for (const tile of writer.take()) tiles.set(`${tile.level}/${tile.index}`, tile.bytes)
  }
  for (const tile of writer.take()) tiles.set(`${tile.level}/${tile.index}`, tile.bytes)
  const seconds = (performance.now() - begun) / 1000
  const tileBytes = [...tiles.values()].reduce((sum, { length }) => sum + length, 0)
  const read = async (tile: { level: number; index: number }) =>
    tiles.get(`${tile.level}/${tile.index}`) ?? new Uint8Array()
  await rootOf(appends, createTileReader(appends, read))
  console.log(
    `${appends} appends in ${seconds.toFixed(1)} s (${Math.round(appends / seconds)}/s), ` +
      `${(tileBytes / 1e6).toFixed(1)} MB of tiles, ${(entryBytes / 1e6).toFixed(1)} MB of entries`,
  )
  assert.equal(tiles.size, tilesSince(0, appends).length)
  assert.ok(tileBytes < appends * 32 * 1.005 + 16_384)
})
