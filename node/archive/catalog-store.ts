import { hash } from 'node:crypto'
import { Level } from 'level'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { KeyRange } from './catalog-keys.ts'

/**
 * LevelDB returns a flipped bit as good data (its checksums are not verified on reading), so every value is framed
 * with a digest that covers its key as well.
 */
export type CatalogStore = AsyncDisposable & {
  get(key: string): Buffer | undefined
  getMany(keys: readonly string[]): Promise<(Buffer | undefined)[]>
  entries(range: KeyRange, options?: { reverse?: boolean }): AsyncIterable<[string, Buffer]>
  keys(range: KeyRange): AsyncIterable<string>
  /** All or nothing; a value of `undefined` deletes. Not synced: the log is what lasts. */
  write(rows: ReadonlyMap<string, Buffer | undefined>): Promise<void>
  /** A full disk leaves LevelDB refusing until it is opened again. */
  reopen(): Promise<void>
}

const frameBytes = 16

function frame(key: string, value: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(frameBytes + value.byteLength)
  framed.set(value, frameBytes)
  digestOf(key, framed).copy(framed, 0, 0, frameBytes)
  return framed
}

/** The value, or undefined when it or its key was altered. */
function unframe(key: string, framed: Buffer): Buffer | undefined {
  const isWhole =
    framed.byteLength >= frameBytes &&
    digestOf(key, framed).compare(framed, 0, frameBytes, 0, frameBytes) === 0
  return isWhole ? framed.subarray(frameBytes) : undefined
}

/** The digest of the key is joined to the value's place: a row moved under another key is not accepted. */
function digestOf(key: string, framed: Buffer): Buffer {
  const text = Buffer.from(key)
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
    async getMany(keys) {
      const values = await level.getMany([...keys])
      return values.map((framed, i) => framed && checked(keys[i] ?? '', framed))
    },
    async *entries(range, options) {
      for await (const [key, framed] of level.iterator({ ...range, ...options })) {
        yield [key, checked(key, framed)]
      }
    },
    keys: (range) => level.keys(range),
    async write(rows) {
      await level.batch(
        [...rows].map(([key, value]) =>
          value === undefined
            ? { type: 'del', key }
            : { type: 'put', key, value: frame(key, value) },
        ),
      )
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
