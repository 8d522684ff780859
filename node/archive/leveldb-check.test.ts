import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Level } from 'level'
import { noise, temporaryFolder } from './archive.fixture.ts'
import { crc32c } from './crc32c.ts'
import { checkLevelFolder } from './leveldb-check.ts'

/** A database with several tables and a log that is not empty. */
async function makeDatabase(folder: string): Promise<void> {
  const level = new Level<string, Buffer>(folder, {
    valueEncoding: 'buffer',
    writeBufferSize: 65_536,
  })
  for (let i = 0; i < 400; i++) {
    const value = i % 2 === 0 ? noise(500, i) : Buffer.alloc(900, `${i}`)
    await level.put(`key ${i % 300}`, value)
  }
  await level.close()
  // Tables that a compaction has replaced are removed when the database opens again.
  await level.open()
  for (let i = 0; i < 80; i++) await level.put(`more ${i}`, noise(600, i))
  await level.close()
}

test('the CRC is the one of the standard, masked as LevelDB does', () => {
  // CRC-32C of 32 zero bytes (RFC 3720 §B.4).
  const plain = 0x8a91_36aa
  const masked = (((plain >>> 15) | (plain << 17)) + 0xa282_ead8) >>> 0
  assert.equal(crc32c(new Uint8Array(32)), masked)
})

test('a database as LevelDB leaves it passes, also while it has only a log, and a folder that is not there', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'db')
  assert.equal(await checkLevelFolder(path), undefined)
  await makeDatabase(path)
  assert.equal(await checkLevelFolder(path), undefined)
  const level = new Level(path)
  await level.open()
  await level.close()
  assert.equal(await checkLevelFolder(path), undefined)
})

test('a flipped bit in any live file is found, but at the very end of the newest log', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'db')
  await makeDatabase(path)
  let tables = 0
  let flips = 0
  for (const name of await readdir(path)) {
    if (!/\.ldb$|^MANIFEST|\.log$/.test(name)) continue
    if (name.endsWith('.ldb')) tables++
    const bytes = await readFile(join(path, name))
    for (let i = 0; i < 60; i++) {
      const at = Math.floor((i / 60) * bytes.length)
      const isTail = name.endsWith('.log') && at >= bytes.length - (bytes.length % 32_768)
      const isFooterPadding = name.endsWith('.ldb') && at >= bytes.length - 48
      if (isTail || isFooterPadding) continue
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ (1 << (i % 8))
      await writeFile(join(path, name), altered)
      const found = await checkLevelFolder(path)
      assert.ok(found !== undefined, `${name} at ${at}`)
      flips++
    }
    await writeFile(join(path, name), bytes)
  }
  assert.ok(tables > 1 && flips > 100)
  assert.equal(await checkLevelFolder(path), undefined)
})

test('a missing or cut file is found', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'db')
  await makeDatabase(path)
  for (const name of await readdir(path)) {
    if (!/\.ldb$|^MANIFEST|^CURRENT$/.test(name)) continue
    const bytes = await readFile(join(path, name))
    await rm(join(path, name))
    assert.ok((await checkLevelFolder(path)) !== undefined, `${name} missing`)
    await writeFile(join(path, name), bytes.subarray(0, -1))
    assert.ok((await checkLevelFolder(path)) !== undefined, `${name} cut`)
    await writeFile(join(path, name), bytes)
  }
})
