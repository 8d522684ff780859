import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { killRepeatedly } from './kill.fixture.ts'
import { hasDcmtk } from './scp.fixture.ts'

const skip = !(await hasDcmtk()) && 'dcmtk is not installed'

test(
  'a process killed in the middle of C-STOREs loses nothing that it answered 0000',
  { skip },
  async (t) => {
    const figures = await killRepeatedly(5, createRandom(1))
    t.diagnostic(JSON.stringify(figures))
    assert.ok(figures.acknowledged > 50)
    assert.ok(figures.byDcmtk > 5)
  },
)
