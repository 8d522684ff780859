import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createFederation } from '#protocol/federation.fixture.ts'
import { nowhere } from './store/nowhere.fixture.ts'
import { openWithdrawals } from './withdrawals.ts'

test('what an organization says while the operator’s word is being written does not replace it', async () => {
  const { user } = await createFederation()
  const journal = { write: () => new Promise<void>((resolve) => void setTimeout(resolve, 20)) }
  const withdrawals = await openWithdrawals({ store: nowhere, journal }, [])
  await Promise.all([
    withdrawals.set({ user }, true, 'operator'),
    withdrawals.set({ user }, true, 'organization'),
  ])
  await withdrawals.set({ user }, false, 'organization')
  assert.deepEqual(withdrawals.users(), [user])
})
