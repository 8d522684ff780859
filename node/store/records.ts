import { hash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { Level } from 'level'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { recordLimits } from '#protocol/limits.ts'

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
  /** In the order of the keys; `after` is exclusive. */
  list(kind: string, options?: { after?: string; limit?: number }): AsyncIterable<StoredRecord>
}

export type RecordChange =
  | { type: 'put'; kind: string; key: string; value: unknown }
  | { type: 'del'; kind: string; key: string }

export type StoredRecord = { key: string; value: unknown }

/** Opens the LevelDB of a folder, which is made when missing. */
export async function openRecords(dir: string): Promise<Records> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const db = new Level<string, Uint8Array>(dir, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await db.open()
  } catch (cause) {
    throw new ProtocolError('storage_failed', `cannot open the records in ${dir}`, { cause })
  }
  const write = async (changes: readonly RecordChange[]) => {
    const operations = changes.map(operationOf)
    try {
      await db.batch(operations, { sync: true })
    } catch (cause) {
      throw new ProtocolError('storage_failed', 'could not write records', { cause })
    }
  }
  return {
    async get(kind, key) {
      const stored = await db.get(placeOf(kind, key))
      return stored === undefined ? undefined : unframe(kind, key, stored)
    },
    put: (kind, key, value) => write([{ type: 'put', kind, key, value }]),
    del: (kind, key) => write([{ type: 'del', kind, key }]),
    write,
    async *list(kind, { after = '', limit = -1 } = {}) {
      const range = { gt: placeOf(kind, after), lt: `${kind}${afterSeparator}`, limit }
      for await (const [place, stored] of db.iterator(range)) {
        const key = place.slice(kind.length + 1)
        yield { key, value: unframe(kind, key, stored) }
      }
    },
    [Symbol.asyncDispose]: () => db.close(),
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

function operationOf(change: RecordChange) {
  const key = placeOf(change.kind, change.key)
  if (change.type === 'del') return { type: 'del' as const, key }
  const value = Buffer.from(canonicalJson(change.value))
  if (value.byteLength > recordLimits.valueBytes) {
    throw new ProtocolError('too_large', `a ${change.kind} record is too large`)
  }
  return { type: 'put' as const, key, value: Buffer.concat([digestOf(key, value), value]) }
}

function unframe(kind: string, key: string, stored: Uint8Array): unknown {
  const value = stored.subarray(digestBytes)
  if (digestOf(placeOf(kind, key), value).compare(stored.subarray(0, digestBytes)) !== 0) {
    throw new ProtocolError('storage_corrupt', `a ${kind} record is damaged`)
  }
  return JSON.parse(Buffer.from(value).toString('utf8')) as unknown
}

/** The length of the key keeps key and value apart. */
function digestOf(place: string, value: Uint8Array): Buffer {
  const key = Buffer.from(place)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(key.byteLength)
  return hash('sha256', Buffer.concat([length, key, value]), 'buffer')
}
