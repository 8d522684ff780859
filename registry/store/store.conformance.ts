import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Store, Write } from './store.ts'

export type StoreFixture = AsyncDisposable & {
  /** Opens the store; again after it was disposed of, with what it held. */
  open(): Promise<Store>
}

/** What every store of the registry must do, whatever carries it. */
export function storeConformance(name: string, fixture: () => Promise<StoreFixture>): void {
  describe(`store: ${name}`, () => {
    test('a key that was never written has no value', async () => {
      await using place = await fixture()
      await using store = await place.open()
      assert.equal(await store.get('grant/1'), undefined)
      assert.equal(await store.last('grant/'), undefined)
      assert.deepEqual(await store.list('grant/', { limit: 10 }), [])
    })

    test('values come back as they were written, also after reopening', async () => {
      await using place = await fixture()
      const value = 'ГАУЗ «Больница» ' + 'x'.repeat(100_000)
      {
        await using store = await place.open()
        await store.write([{ put: 'a/1', value }])
        assert.equal(await store.get('a/1'), value)
      }
      await using store = await place.open()
      assert.equal(await store.get('a/1'), value)
    })

    test('a list is ordered, bounded, stays under its prefix and goes on after a key', async () => {
      await using place = await fixture()
      await using store = await place.open()
      const keys = ['a/3', 'a/1', 'b/1', 'a/2', 'a', 'a0', 'A/1']
      await store.write(keys.map((put) => ({ put, value: put })))
      const list = async (after?: string, limit = 10) =>
        (await store.list('a/', { limit, ...(after !== undefined && { after }) })).map((r) => r.key)
      assert.deepEqual(await list(), ['a/1', 'a/2', 'a/3'])
      assert.deepEqual(await list(undefined, 2), ['a/1', 'a/2'])
      assert.deepEqual(await list('a/2'), ['a/3'])
      assert.deepEqual(await list('a/3'), [])
      assert.equal((await store.last('a/'))?.key, 'a/3')
    })

    test('a refused batch leaves nothing behind', async () => {
      await using place = await fixture()
      await using store = await place.open()
      const wrong: Write[] = [
        { put: 'a/1', value: 'x' },
        { put: 'не ключ', value: 'y' },
      ]
      await assert.rejects(store.write(wrong))
      assert.equal(await store.get('a/1'), undefined)
    })

    test('whatever is written in whatever order, the store equals a sorted map', async () => {
      const key = fc.stringMatching(/^[a-c]\/[0-9]{1,3}$/)
      const write = fc.oneof(
        fc.record({ put: key, value: fc.string({ unit: 'grapheme', maxLength: 50 }) }),
        fc.record({ del: key }),
      )
      const batches = fc.array(fc.array(write, { maxLength: 8 }), { maxLength: 8 })
      await fc.assert(
        fc.asyncProperty(batches, async (batches) => {
          await using place = await fixture()
          await using store = await place.open()
          const model = new Map<string, string>()
          for (const batch of batches) {
            await store.write(batch)
            for (const one of batch) {
              if ('put' in one) model.set(one.put, one.value)
              else model.delete(one.del)
            }
          }
          const expected = [...model]
            .filter(([key]) => key.startsWith('b/'))
            .sort(([x], [y]) => (x < y ? -1 : 1))
            .map(([key, value]) => ({ key, value }))
          assert.deepEqual(await store.list('b/', { limit: 1000 }), expected)
          assert.deepEqual(await store.last('b/'), expected.at(-1))
        }),
        { numRuns: 20, seed: 7 },
      )
    })
  })
}
