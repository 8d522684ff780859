import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from './crc32c.ts'
import { createVarintReader, readLevelLog, readVersion } from './leveldb-log.ts'
import { uncompress } from './snappy.ts'

/**
 * Compares every live file of a LevelDB folder with the checksums that LevelDB wrote into it and does not verify
 * itself: a flipped bit would be returned as good data, and in a log it would drop rows from the middle in silence.
 * Must run before the folder is opened, because a compaction gives altered data new checksums. Returns what is wrong.
 */
export async function checkLevelFolder(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((): string[] => [])
  if (!names.includes('CURRENT')) {
    const isEmpty = !names.some((name) => /\.(ldb|sst|log)$|^MANIFEST/.test(name))
    return isEmpty ? undefined : 'CURRENT is missing'
  }
  try {
    return await checkVersion(folder, names)
  } catch (error) {
    return error instanceof Error ? error.message : 'it is not readable'
  }
}

async function checkVersion(folder: string, names: readonly string[]): Promise<string | undefined> {
  const current = await readFile(join(folder, 'CURRENT'), 'utf8')
  const manifest = /^(MANIFEST-\d+)\n$/.exec(current)?.[1]
  if (manifest === undefined) return 'CURRENT names no MANIFEST'
  const edits = readLevelLog(await readFile(join(folder, manifest)))
  // Every edit is synced before it counts, so even the last one must be whole.
  if (edits.isDamaged || edits.isTorn) return `${manifest} is damaged`
  const version = readVersion(edits.records)
  for (const [number, bytes] of version.tables) {
    const name = ['ldb', 'sst']
      .map((extension) => `${String(number).padStart(6, '0')}.${extension}`)
      .find((name) => names.includes(name))
    if (name === undefined) return `table ${number} is missing`
    const problem = checkTable(await readFile(join(folder, name)), bytes)
    if (problem !== undefined) return `${name}: ${problem}`
  }
  const logs = names
    .filter((name) => /^\d+\.log$/.test(name) && Number.parseInt(name, 10) >= version.log)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  return checkLogs(folder, logs, version.log)
}

/** Only the newest log may end badly, as after a crash: what it lost is taken from the value log again. */
async function checkLogs(
  folder: string,
  logs: readonly string[],
  oldest: number,
): Promise<string | undefined> {
  const [first] = logs
  if (first !== undefined && oldest > 0 && Number.parseInt(first, 10) > oldest) {
    return `log ${oldest} is missing`
  }
  for (const name of logs) {
    const { isDamaged, isTorn } = readLevelLog(await readFile(join(folder, name)))
    if (isDamaged || (isTorn && name !== logs.at(-1))) return `${name} is damaged`
  }
  return undefined
}

const footerBytes = 48
const tableMagic = Buffer.from('57fb808b247547db', 'hex')
/** Behind each block: how it is compressed, and its CRC. */
const blockTrailerBytes = 5

/** A table: data blocks, an index block that says where they are, and a footer that says where the index is. */
function checkTable(file: Buffer, bytes: number): string | undefined {
  if (file.byteLength !== bytes || bytes < footerBytes) return 'it has another length'
  const footer = file.subarray(-footerBytes)
  if (!footer.subarray(40).equals(tableMagic)) return 'it has no footer'
  const handles = createVarintReader(footer)
  const meta: Handle = { offset: handles.number(), size: handles.number() }
  const index: Handle = { offset: handles.number(), size: handles.number() }
  const blocks = [
    meta,
    index,
    ...handlesIn(blockContent(file, meta)),
    ...handlesIn(blockContent(file, index)),
  ]
  for (const { offset, size } of blocks) {
    const end = offset + size + 1
    if (end + 4 > file.byteLength) return 'a block is outside'
    if (crc32c(file.subarray(offset, end)) !== file.readUInt32LE(end)) return 'a block is damaged'
  }
  // Blocks lie end to end, so every byte but the footer's padding has been looked at.
  const covered = blocks.reduce((sum, { size }) => sum + size + blockTrailerBytes, footerBytes)
  return covered === file.byteLength ? undefined : 'the index does not cover it'
}

type Handle = { offset: number; size: number }

function blockContent(file: Buffer, { offset, size }: Handle): Buffer {
  const content = file.subarray(offset, offset + size)
  return file[offset + size] === 1 ? uncompress(content) : content
}

/** Entries of a block: shared and own key length, value length, rest of the key, value; at the end restart points. */
function handlesIn(block: Buffer): Handle[] {
  const restarts = block.readUInt32LE(block.byteLength - 4)
  const entries = createVarintReader(block.subarray(0, block.byteLength - 4 - restarts * 4))
  const handles: Handle[] = []
  while (!entries.isAtEnd()) {
    entries.number()
    const keyBytes = entries.number()
    const valueBytes = entries.number()
    entries.skip(keyBytes)
    const value = createVarintReader(entries.skip(valueBytes))
    handles.push({ offset: value.number(), size: value.number() })
  }
  return handles
}
