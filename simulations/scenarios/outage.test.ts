import { after, before, test } from 'node:test'
import { createRandom } from '../random.ts'
import { cutLinks } from './cut-links.ts'
import { testRegion, type TestRegion } from './region.fixture.ts'
import { registryAway } from './registry-away.ts'

/** The centre dies, then the holder dies in the middle of a transfer: granted reading goes on, and no byte twice. */

let region: TestRegion
const random = createRandom(55)

before(
  async () => {
    region = await testRegion(3)
  },
  { timeout: 240_000 },
)

after(() => region?.[Symbol.asyncDispose]())

test(
  'with the registry dead okb lists what it was granted and opens what it has not opened before',
  { timeout: 240_000 },
  async (t) => t.diagnostic(await registryAway({ ...region, random })),
)

test(
  'crb1 killed in the middle of a transfer and restarted: it resumes, re-sending less than one chunk a stream',
  { timeout: 240_000 },
  async (t) => t.diagnostic(await cutLinks({ ...region, random })),
)
