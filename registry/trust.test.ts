import { test } from 'node:test'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createRegion, join } from './region.fixture.ts'

test('a trust list that was published is in force after a restart, until the file has a later one', async () => {
  await using region = await createRegion()
  const { config, sign, holder } = region
  const second = await sign.trustList({ ver: 2 })
  const third = await sign.trustList({ ver: 3 })
  {
    await using registry = await region.start()
    await registry.publishTrustList(second)
  }
  const given = async (): Promise<string> => {
    await using registry = await region.start()
    await using node = await join(region, holder, registry)
    return (await node.request('trust.get', {})).trustList
  }
  assert.equal(await given(), second)
  await writeFile(config.trustListFile, third)
  assert.equal(await given(), third)
})
