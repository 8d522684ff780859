import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { Level } from 'level'
import { ProtocolError } from '#protocol/errors.ts'
import { recordLimits } from '#protocol/limits.ts'
import { createStoreAccess } from '#protocol/store-access.ts'
import { isStoreKey } from './store.ts'
import type { Row, Store } from './store.ts'

const digestBytes = 32
/** Above every key that `isStoreKey` allows. */
const beyond = '~'

/**
 * The store on LevelDB. LevelDB gives flipped bits back as good data, so each value stands behind the SHA-256 of its
 * key and itself: what is read is what was written under this key, or an error.
 */
export async function openLevelStore(dir: string): Promise<Store> {
  const db = new Level<string, Uint8Array>(dir, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await db.open()
  } catch (cause) {
    throw new ProtocolError('storage_failed', `cannot open the store in ${dir}`, { cause })
  }
  const { reading, writing, close } = createStoreAccess(db, () => probe(`${dir}.probe`))
  return {
    async get(key) {
      const place = checked(key)
      const framed = await reading(() => db.get(place))
      return framed === undefined ? undefined : unframe(key, framed)
    },
    async list(prefix, { after, limit }) {
      const from = after === undefined ? { gte: checked(prefix) } : { gt: checked(after) }
      const range = { ...from, lt: prefix + beyond, limit }
      const rows = await reading(() => db.iterator(range).all())
      return rows.map(([key, framed]): Row => ({ key, value: unframe(key, framed) }))
    },
    async last(prefix) {
      const range = { gte: checked(prefix), lt: prefix + beyond, reverse: true, limit: 1 }
      const [row] = await reading(() => db.iterator(range).all())
      return row === undefined ? undefined : { key: row[0], value: unframe(...row) }
    },
    async write(batch) {
      const operations = batch.map((write) =>
        'put' in write
          ? {
              type: 'put' as const,
              key: checked(write.put),
              value: frame(write.put, write.value),
            }
          : { type: 'del' as const, key: checked(write.del) },
      )
      try {
        await writing(() => db.batch(operations, { sync: true }))
      } catch (cause) {
        throw new ProtocolError('storage_failed', 'could not write to the store', { cause })
      }
    },
    [Symbol.asyncDispose]: close,
  }
}

async function probe(file: string): Promise<void> {
  try {
    await writeFile(file, Buffer.alloc(recordLimits.probeBytes), { flush: true, mode: 0o600 })
  } finally {
    await rm(file, { force: true })
  }
}

function checked(key: string): string {
  if (!isStoreKey(key)) throw new ProtocolError('internal', 'not a key of the store')
  return key
}

function digestOf(key: string, value: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${key}\n`).update(value).digest()
}

function frame(key: string, text: string): Uint8Array {
  const value = Buffer.from(text, 'utf8')
  return Buffer.concat([digestOf(key, value), value])
}

function unframe(key: string, framed: Uint8Array): string {
  const value = framed.subarray(digestBytes)
  const said = Buffer.from(framed.subarray(0, digestBytes))
  if (!said.equals(digestOf(key, value))) {
    throw new ProtocolError('storage_corrupt', 'a row of the store is not as it was written')
  }
  return Buffer.from(value).toString('utf8')
}
