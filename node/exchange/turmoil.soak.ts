import { test } from 'node:test'
import { turmoil } from './turmoil.fixture.ts'

const first = Number(process.env['CAMI_SEED'] ?? 100)

for (let seed = first; seed < first + 30; seed++) {
  test(`amid cuts, lies, revocations and restarts only true bytes are read (seed ${seed})`, async (t) => {
    const { reads, failed } = await turmoil(seed, 200)
    t.diagnostic(`${reads} read, ${failed} failed`)
  })
}
