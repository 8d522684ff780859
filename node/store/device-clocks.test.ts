import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { openDeviceClocks } from './device-clocks.ts'
import { openRecords } from './records.ts'

const unconfirmed = (): number => 0
/** What is still to be written when a test ends is of no interest. */
const onError = (): void => undefined

test('a clock that three studies agree on is suggested, and after a restart too', async () => {
  await using folder = await temporaryFolder()
  {
    await using records = await openRecords(folder.path)
    const clocks = await openDeviceClocks({ records, onError })
    for (const [study, minutes] of [
      ['1.1', 421],
      ['1.1', 421],
      ['1.2', 418],
    ] as const) {
      clocks.learn('ct-1', study, minutes)
    }
    assert.deepEqual(clocks.suggestions(unconfirmed), [])
    clocks.learn('ct-1', '1.3', 405)
    assert.deepEqual(clocks.suggestions(unconfirmed), [
      { device: 'ct-1', aheadMinutes: 418, studies: 3 },
    ])
    const isKept = async (): Promise<boolean> =>
      JSON.stringify((await records.get('device-clock', 'ct-1')) ?? '').includes('1.3')
    while (!(await isKept())) continue
  }
  await using records = await openRecords(folder.path)
  const clocks = await openDeviceClocks({ records, onError })
  clocks.learn('ct-1', '1.4', 410)
  assert.equal(clocks.suggestions(unconfirmed)[0]?.device, 'ct-1')
})

test('one study that disagrees, and a clock that was set right, end the suggestion', async () => {
  await using folder = await temporaryFolder()
  await using records = await openRecords(folder.path)
  const clocks = await openDeviceClocks({ records, onError })
  clocks.learn('dx-1', '2.0', 0)
  for (const study of ['2.1', '2.2', '2.3']) clocks.learn('dx-1', study, -525_600)
  assert.equal(clocks.suggestions(unconfirmed).length, 1)
  assert.deepEqual(
    clocks.suggestions(() => -525_610),
    [],
  )
  clocks.learn('dx-1', '2.4', -100)
  assert.deepEqual(clocks.suggestions(unconfirmed), [])
  for (let n = 5; n < 20; n++) clocks.learn('dx-1', `2.${n}`, 0)
  assert.deepEqual(clocks.suggestions(unconfirmed), [])
  const [told] = clocks.suggestions(() => -525_600)
  assert.equal(told?.aheadMinutes, 0, 'what was confirmed no longer holds')
})
