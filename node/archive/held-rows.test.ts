import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { temporaryFolder } from './archive.fixture.ts'
import { prefixRange, rangeOf } from './catalog-keys.ts'
import { openCatalogStore } from './catalog-store.ts'
import { createHoldingStore } from './held-rows.ts'

// The last two are in another order by their bytes than by the units of a string.
const names = ['', '1', '1.2', 'А', 'б', '\u{fb01}', '\u{1f600}']
const row = fc.tuple(fc.constantFrom(...names), fc.option(fc.nat(9), { nil: undefined }))
const rows = fc.array(row, { maxLength: 8 })
const rowsOf = (all: readonly (readonly [string, number | undefined])[]) =>
  new Map(all.map(([name, n]) => [`x\0${name}`, n === undefined ? n : Buffer.from(String(n))]))

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

test('rows that are held are read as if they were written, in every way, before and after they are', async () => {
  await using folder = await temporaryFolder()
  let count = 0
  await fc.assert(
    fc.asyncProperty(rows, rows, rows, fc.constantFrom(...names), async (...made) => {
      const [first, second, third] = made
      const fail = (error: unknown) => assert.fail(String(error))
      await using plain = await openCatalogStore(join(folder.path, `p${count}`), fail)
      await using under = await openCatalogStore(join(folder.path, `h${count++}`), fail)
      const holding = createHoldingStore(under)
      for (const store of [plain, holding]) await store.write(rowsOf(first))
      for (const more of [second, third]) {
        await plain.write(rowsOf(more))
        holding.hold(rowsOf(more))
      }
      assert.equal(holding.isHolding(), second.length + third.length > 0)
      const seen = async (store: typeof plain) => ({
        each: names.map((name) => store.get(`x\0${name}`)),
        parts: await Promise.all(
          [rangeOf('x'), prefixRange('x', made[3]), rangeOf('y')].map(async (range) => [
            await all(store.entries(range)),
            await all(store.entries(range, { reverse: true })),
            await all(store.keys(range)),
            (await all(store.keyPages(range))).flat(),
          ]),
        ),
      })
      const expected = await seen(plain)
      assert.deepEqual(await seen(holding), expected)
      await holding.flush()
      assert.ok(!holding.isHolding())
      assert.deepEqual(await seen(holding), expected)
      assert.deepEqual(await seen(under), expected)
    }),
    { numRuns: 60 },
  )
})
