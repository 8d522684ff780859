import { hash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { Level } from 'level'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { Log } from '../log.ts'

export type Row = { key: string; value: unknown }
export type RowWrite = { put: string; value: unknown } | { del: string }

/**
 * Rows that can be fetched or computed again. LevelDB gives flipped bits back as good data, so every value carries the
 * SHA-256 of its key and itself; a damaged one counts as absent and `isDamaged` asks for the rows to be made anew.
 */
export type Rows = AsyncDisposable & {
  isDamaged(): boolean
  get(key: string): Promise<unknown>
  /** In the order of the keys; `after` and the end of the prefix are exclusive. */
  list(prefix: string, after?: string): AsyncIterable<Row>
  /** All or none. Not synced: what a power cut takes is fetched again. */
  write(batch: readonly RowWrite[]): Promise<void>
  /** Forgets all rows under these prefixes, and that any row was damaged. */
  clear(prefixes: readonly string[]): Promise<void>
}

const digestBytes = 32

export async function openRows(dir: string, log: Log): Promise<Rows> {
  const db = await openOrRemake(dir, log)
  let isDamaged = false
  const unframe = (key: string, stored: Uint8Array): unknown => {
    const value = stored.subarray(digestBytes)
    if (digestOf(key, value).equals(stored.subarray(0, digestBytes))) {
      return JSON.parse(Buffer.from(value).toString('utf8')) as unknown
    }
    if (!isDamaged) log.error('a row of the replica is damaged')
    isDamaged = true
    return undefined
  }
  return {
    isDamaged: () => isDamaged,
    async get(key) {
      const stored = await db.get(key)
      return stored === undefined ? undefined : unframe(key, stored)
    },
    async *list(prefix, after = prefix) {
      // Keys are printable ASCII: nothing under a prefix is above this.
      for await (const [key, stored] of db.iterator({ gt: after, lt: `${prefix}\u007f` })) {
        const value = unframe(key, stored)
        if (value !== undefined) yield { key, value }
      }
    },
    async write(batch) {
      const operations = batch.map((write) => {
        if ('del' in write) return { type: 'del' as const, key: write.del }
        const value = Buffer.from(canonicalJson(write.value))
        const framed = Buffer.concat([digestOf(write.put, value), value])
        return { type: 'put' as const, key: write.put, value: framed }
      })
      await db.batch(operations)
    },
    async clear(prefixes) {
      for (const prefix of prefixes) await db.clear({ gte: prefix, lt: `${prefix}\u007f` })
      isDamaged = false
    },
    [Symbol.asyncDispose]: () => db.close(),
  }
}

async function openOrRemake(dir: string, log: Log): Promise<Level<string, Uint8Array>> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const open = async () => {
    const db = new Level<string, Uint8Array>(dir, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await db.open()
    return db
  }
  try {
    return await open()
  } catch (cause) {
    const reason = (cause as { cause?: { code?: unknown } }).cause?.code
    if (reason === 'LEVEL_LOCKED') {
      throw new ProtocolError('storage_failed', `another program uses ${dir}`, { cause })
    }
    log.error({ err: cause }, 'the replica cannot be opened and is made anew')
    await rm(dir, { recursive: true })
    await mkdir(dir, { recursive: true, mode: 0o700 })
    return await open()
  }
}

function digestOf(key: string, value: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${key}\n`), value]), 'buffer')
}
