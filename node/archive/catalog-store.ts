import { hash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import { probeDisk } from '../disk-probe.ts'
import type { KeyRange } from './catalog-keys.ts'

/**
 * LevelDB returns a flipped bit as good data (its checksums are not verified on reading), so every value is framed
 * with a digest that covers its key as well.
 */
export type CatalogStore = AsyncDisposable & {
  get(key: string): Buffer | undefined
  entries(range: KeyRange, options?: { reverse?: boolean }): AsyncIterable<[string, Buffer]>
  keys(range: KeyRange): AsyncIterable<string>
  /** The same for many keys: each step of an iteration costs as much as a hundred keys. */
  keyPages(range: KeyRange): AsyncIterable<string[]>
  /** Rows as they are at the moment of the call, also altered ones. For whoever repairs them. */
  rows(range?: KeyRange): AsyncIterable<StoredRow>
  /** The same for one; `altered`: there is one that was altered. */
  inspect(key: string): Buffer | 'altered' | undefined
  /** Removes a row whose key may be no text any more. */
  discard(key: Buffer): Promise<void>
  /** All or nothing; a value of `undefined` deletes. Not synced unless asked: the log is what lasts. */
  write(rows: ReadonlyMap<string, Buffer | undefined>, options?: { sync: boolean }): Promise<void>
  /** Rejects while the disk does not take what it takes to open again, and so many bytes more. */
  probe(more?: number): Promise<void>
  /** A full disk leaves LevelDB refusing until it is opened again. */
  reopen(): Promise<void>
}

/** A row with its key as it lies there; without a value when it or its key was altered. */
export type StoredRow = { key: Buffer; value: Buffer | undefined }

const frameBytes = 16

function frame(key: string, value: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(frameBytes + value.byteLength)
  framed.set(value, frameBytes)
  digestOf(key, framed).copy(framed, 0, 0, frameBytes)
  return framed
}

/** The value, or undefined when it or its key was altered. */
function unframe(key: string | Buffer, framed: Buffer): Buffer | undefined {
  const isWhole =
    framed.byteLength >= frameBytes &&
    digestOf(key, framed).compare(framed, 0, frameBytes, 0, frameBytes) === 0
  return isWhole ? framed.subarray(frameBytes) : undefined
}

/** The digest of the key is joined to the value's place: a row moved under another key is not accepted. */
function digestOf(key: string | Buffer, framed: Buffer): Buffer {
  const text = typeof key === 'string' ? Buffer.from(key) : key
  const covered = Buffer.allocUnsafe(text.byteLength + 1 + framed.byteLength - frameBytes)
  text.copy(covered)
  covered[text.byteLength] = 0
  framed.copy(covered, text.byteLength + 1, frameBytes)
  return hash('sha256', covered, 'buffer')
}

export async function openCatalogStore(
  folder: string,
  onAltered: (error: ProtocolError) => void,
): Promise<CatalogStore> {
  const level = new Level<string, Buffer>(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    cacheSize: storageLimits.catalogCacheBytes,
    writeBufferSize: storageLimits.catalogWriteBytes,
    blockSize: storageLimits.catalogBlockBytes,
  })
  await level.open()

  function checked(key: string, framed: Buffer): Buffer {
    const value = unframe(key, framed)
    if (value !== undefined) return value
    const error = new ProtocolError('storage_corrupt', 'a row of the catalog was altered')
    onAltered(error)
    throw error
  }

  return {
    get(key) {
      const framed = level.getSync(key)
      return framed && checked(key, framed)
    },
    async *entries(range, options) {
      for await (const [key, framed] of level.iterator({ ...range, ...options })) {
        yield [key, checked(key, framed)]
      }
    },
    keys: (range) => level.keys(range),
    async *keyPages(range) {
      const { searchPageKeys, searchPageBytes } = storageLimits
      const iterator = level.keys({ ...range, highWaterMarkBytes: searchPageBytes })
      try {
        for (;;) {
          const page = await iterator.nextv(searchPageKeys)
          if (page.length === 0) return
          yield page
        }
      } finally {
        await iterator.close()
      }
    },
    ...createRepairAccess(level),
    async write(rows, options = { sync: false }) {
      await level.batch(
        [...rows].map(([key, value]) =>
          value === undefined
            ? { type: 'del', key }
            : { type: 'put', key, value: frame(key, value) },
        ),
        options,
      )
    },
    // One that does not find room to open cannot be read either.
    async probe(more = 0) {
      const bytes = storageLimits.catalogProbeBytes + (await logBytes(folder)) + more
      await probeDisk(`${folder}.probe`, bytes)
    },
    async reopen() {
      await level.close()
      await level.open()
    },
    async [Symbol.asyncDispose]() {
      await level.close()
    },
  }
}

/** Of its write-ahead logs, of which LevelDB makes tables when it is opened. */
async function logBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'))
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** What does not stop at an altered row. */
function createRepairAccess(
  level: Level<string, Buffer>,
): Pick<CatalogStore, 'rows' | 'inspect' | 'discard'> {
  return {
    rows(range) {
      const bounds = range && { gte: Buffer.from(range.gte), lt: Buffer.from(range.lt) }
      // Made at once: it sees what is there now.
      const iterator = level.iterator({ ...bounds, keyEncoding: 'buffer' })
      return pagesOf(iterator)
    },
    discard: (key) => level.del(key, { keyEncoding: 'buffer' }),
    inspect(key) {
      const framed = level.getSync(key)
      return framed && (unframe(key, framed) ?? 'altered')
    },
  }
}

/** Many at a time: each step of an iteration costs as much as a hundred rows. */
async function* pagesOf(iterator: RowIterator): AsyncGenerator<StoredRow> {
  try {
    for (;;) {
      const page = await iterator.nextv(storageLimits.catalogPageRows)
      if (page.length === 0) return
      for (const [key, framed] of page) yield { key, value: unframe(key, framed) }
    }
  } finally {
    await iterator.close()
  }
}
type RowIterator = {
  nextv(size: number): Promise<[Buffer, Buffer][]>
  close(): Promise<void>
}
