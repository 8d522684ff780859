import type { z } from 'zod'
import type { Seal } from '#protocol/secrets/seal.ts'
import type { Store, Write } from './store/store.ts'

/** Rows of one kind, sealed: what they hold names people. */
export type Rows<T> = {
  get(id: string): Promise<T | undefined>
  /** In the order of their ids (for ULIDs: of time), `after` exclusive. */
  list(page?: { after?: string; limit?: number }): Promise<T[]>
  all(): Promise<T[]>
  write(id: string, value: T): Write
}

const rowsPerPage = 500

export function createRows<T>(
  { store, seal }: { store: Store; seal: Seal },
  kind: string,
  schema: z.ZodType<T>,
): Rows<T> {
  const placeOf = (id: string) => `${kind}/${id}`
  const read = (place: string, value: string): T => {
    const plain = seal.open(place, Buffer.from(value, 'base64'))
    return schema.parse(JSON.parse(plain.toString('utf8')))
  }
  const list: Rows<T>['list'] = async ({ after, limit = rowsPerPage } = {}) => {
    const page = { limit, ...(after !== undefined && { after: placeOf(after) }) }
    const rows = await store.list(`${kind}/`, page)
    return rows.map(({ key, value }) => read(key, value))
  }
  return {
    async get(id) {
      // What is no id is nobody's row, whatever the store thinks of such a key.
      if (!/^[\w.@-]{1,128}$/.test(id)) return undefined
      const value = await store.get(placeOf(id))
      return value === undefined ? undefined : read(placeOf(id), value)
    },
    list,
    async all() {
      const found: T[] = []
      for (let after: string | undefined; ;) {
        const page = { limit: rowsPerPage, ...(after !== undefined && { after }) }
        const rows = await store.list(`${kind}/`, page)
        found.push(...rows.map(({ key, value }) => read(key, value)))
        if (rows.length < rowsPerPage) return found
        after = rows.at(-1)?.key
      }
    },
    write(id, value) {
      const place = placeOf(id)
      const sealed = seal.seal(place, Buffer.from(JSON.stringify(value)))
      return { put: place, value: sealed.toString('base64') }
    },
  }
}
