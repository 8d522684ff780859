import { hash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { Level } from 'level'
import type { z } from 'zod'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { recordLimits } from '#protocol/limits.ts'
import { createStoreAccess, type StoreAccess } from '#protocol/store-access.ts'
import { probeDisk } from '../disk-probe.ts'
import { silentLog, type Log } from '../log.ts'
import { createUnreadable } from './unreadable.ts'

/**
 * What cannot be rebuilt from anywhere else: accounts, sessions, grants, epochs, settings. Writes are synced before
 * they resolve. LevelDB returns a flipped bit as good data, so every value carries its own SHA-256, over its kind and
 * key too: a value that lies under another's key is as wrong as a damaged one.
 */
export type Records = AsyncDisposable & {
  /** Throws `storage_corrupt` when the stored bytes are not those that were written. */
  get(kind: string, key: string): Promise<unknown>
  put(kind: string, key: string, value: unknown): Promise<void>
  del(kind: string, key: string): Promise<void>
  /** All changes or none. */
  write(changes: readonly RecordChange[]): Promise<void>
  /**
   * In the order of the keys; `after` is exclusive. Throws `storage_corrupt` at a row that is damaged, or that the
   * schema does not fit: no row is left out.
   */
  list<T>(
    kind: string,
    schema: z.ZodType<T>,
    options?: { after?: string; limit?: number },
  ): AsyncIterable<StoredRecord<T>>
  /**
   * What a schema reads of a kind. A row that is damaged, or that it does not fit, stays as it is, is counted and said
   * once, so that it keeps nobody from the others. Not for rows whose absence would allow something: `list` throws.
   */
  load<T>(kind: string, schema: z.ZodType<T>, options?: LoadOptions): Promise<Loaded<T>>
  /** One of them. Throws `storage_corrupt` when it cannot be read. */
  find<T>(kind: string, key: string, schema: z.ZodType<T>): Promise<T | undefined>
  /** Of each kind that was loaded, how many rows could not be read and have not been replaced since. */
  unreadable(): ReadonlyMap<string, number>
}

export type LoadOptions = {
  /** Exclusive. */
  after?: string
  /** So many that can be read. */
  limit?: number
  /** Only these. */
  keys?: Iterable<string>
  /** They name no patient and no secret. */
  mayLogKeys?: boolean
}

export type Loaded<T> = {
  /** In the order of the keys. */
  rows: Map<string, T>
  /** Keys of the others. */
  unreadable: Set<string>
}

export type RecordChange =
  | { type: 'put'; kind: string; key: string; value: unknown }
  | { type: 'del'; kind: string; key: string }

export type StoredRecord<T = unknown> = { key: string; value: T }

/** Opens the LevelDB of a folder, which is made when missing. */
export async function openRecords(
  dir: string,
  { log = silentLog }: { log?: Pick<Log, 'error'> } = {},
): Promise<Records> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const db = new Level<string, Uint8Array>(dir, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await db.open()
  } catch (cause) {
    throw new ProtocolError('storage_failed', `cannot open the records in ${dir}`, { cause })
  }
  const access = createStoreAccess(db, () => probeDisk(`${dir}.probe`, recordLimits.probeBytes))
  const stored = createReads(db, access)
  /** It may end the start, so it says what to do; not what the row says, which may be of a patient or a secret. */
  const damaged = (kind: string): ProtocolError =>
    new ProtocolError(
      'storage_corrupt',
      `a ${kind} record in ${dir} is damaged, or of another version: put this folder of a backup back`,
    )
  const unreadable = createUnreadable(log)
  const write = async (changes: readonly RecordChange[]) => {
    const operations = changes.map(operationOf)
    try {
      await access.writing(() => db.batch(operations, { sync: true }))
    } catch (cause) {
      throw new ProtocolError('storage_failed', 'could not write records', { cause })
    }
    for (const { kind, key } of changes) unreadable.replaced(kind, key)
  }
  const load: Records['load'] = async (kind, schema, { limit, mayLogKeys, ...which } = {}) => {
    const loaded: Loaded<z.infer<typeof schema>> = { rows: new Map(), unreadable: new Set() }
    for await (const [key, bytes] of stored.rows(kind, which)) {
      if (loaded.rows.size === limit) break
      const read = readRow(kind, key, bytes, schema)
      if (read === undefined) loaded.unreadable.add(key)
      else loaded.rows.set(key, read.value)
    }
    unreadable.found(kind, loaded.unreadable, { mayLogKeys })
    return loaded
  }
  return {
    async get(kind, key) {
      const bytes = await stored.get(kind, key)
      const sound = bytes && unframe(kind, key, bytes)
      if (bytes !== undefined && sound === undefined) throw damaged(kind)
      return sound?.value
    },
    load,
    async find(kind, key, schema) {
      const { rows, unreadable: others } = await load(kind, schema, { keys: [key] })
      if (others.has(key)) throw damaged(kind)
      return rows.get(key)
    },
    unreadable: unreadable.counts,
    put: (kind, key, value) => write([{ type: 'put', kind, key, value }]),
    del: (kind, key) => write([{ type: 'del', kind, key }]),
    write,
    async *list(kind, schema, { after, limit = Infinity } = {}) {
      let count = 0
      if (limit === 0) return
      for await (const [key, bytes] of stored.rows(kind, { after })) {
        const read = readRow(kind, key, bytes, schema)
        if (read === undefined) throw damaged(kind)
        yield { key, value: read.value }
        if (++count >= limit) return
      }
    },
    [Symbol.asyncDispose]: access.close,
  }
}

const separator = '!'
/** The character after the separator: where the next kind may begin. */
const afterSeparator = '"'
const digestBytes = 32

function placeOf(kind: string, key: string): string {
  if (!/^[a-z][a-z0-9-]*$/.test(kind) || key.length > recordLimits.keyLength) {
    throw new ProtocolError('bad_request', `no record can be kept as ${kind} under that key`)
  }
  return `${kind}${separator}${key}`
}

const rangeOf = (kind: string, after = '') => ({
  gt: placeOf(kind, after),
  lt: `${kind}${afterSeparator}`,
})
const keyIn = (kind: string, place: string): string => place.slice(kind.length + 1)

type Kept = [key: string, stored: Uint8Array]

/** As they lie there. */
function createReads(db: Level<string, Uint8Array>, { reading }: Pick<StoreAccess, 'reading'>) {
  const get = async (kind: string, key: string) => reading(() => db.get(placeOf(kind, key)))
  /** Each page is a read of its own: whoever goes through them may write meanwhile. */
  const page = async (kind: string, after: string | undefined): Promise<Kept[]> =>
    reading(async () => {
      const { pageBytes, pageRows } = recordLimits
      const range = { ...rangeOf(kind, after), highWaterMarkBytes: pageBytes }
      await using iterator = db.iterator(range)
      const rows = await iterator.nextv(pageRows)
      return rows.map(([place, stored]): Kept => [keyIn(kind, place), stored])
    })
  return {
    get,
    async *rows(
      kind: string,
      { after, keys }: { after?: string | undefined; keys?: Iterable<string> },
    ): AsyncGenerator<Kept> {
      for (const key of keys ?? []) {
        const stored = await get(kind, key)
        if (stored !== undefined) yield [key, stored]
      }
      if (keys !== undefined) return
      for (;;) {
        const rows = await page(kind, after)
        if (rows.length === 0) return
        yield* rows
        after = rows.at(-1)?.[0]
      }
    },
  }
}

function operationOf(change: RecordChange) {
  const key = placeOf(change.kind, change.key)
  if (change.type === 'del') return { type: 'del' as const, key }
  const value = Buffer.from(canonicalJson(change.value))
  if (value.byteLength > recordLimits.valueBytes) {
    throw new ProtocolError('too_large', `a ${change.kind} record is too large`)
  }
  return { type: 'put' as const, key, value: Buffer.concat([digestOf(key, value), value]) }
}

/** Undefined when key and bytes are not those that were written. */
function unframe(kind: string, key: string, stored: Uint8Array): { value: unknown } | undefined {
  const value = stored.subarray(digestBytes)
  try {
    const digest = digestOf(placeOf(kind, key), value)
    if (digest.compare(stored.subarray(0, digestBytes)) !== 0) return undefined
    return { value: JSON.parse(Buffer.from(value).toString('utf8')) as unknown }
  } catch {
    return undefined
  }
}

/** Undefined when the row is damaged, or is not what the schema reads. */
function readRow<T>(
  kind: string,
  key: string,
  stored: Uint8Array,
  schema: z.ZodType<T>,
): { value: T } | undefined {
  const sound = unframe(kind, key, stored)
  const read = sound && schema.safeParse(sound.value)
  return read?.success === true ? { value: read.data } : undefined
}

/** The length of the key keeps key and value apart. */
function digestOf(place: string, value: Uint8Array): Buffer {
  const key = Buffer.from(place)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(key.byteLength)
  return hash('sha256', Buffer.concat([length, key, value]), 'buffer')
}
