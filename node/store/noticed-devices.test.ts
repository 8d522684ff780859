import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { DeviceRecord } from '#protocol/device.ts'
import { silentLog } from '../log.ts'
import { openDeviceRegister } from './device-register.ts'
import { takeDevices } from './noticed-devices.ts'
import { openRecords } from './records.ts'

test('apparatus of form № 4 join those of the configuration, and leave service when they are paused', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-devices-'))
  {
    await using records = await openRecords(dir)
    const seed = {
      id: 'seed',
      aeTitle: 'CT1',
      addresses: ['10.0.0.1'],
      modality: 'CT',
      startDate: '2026-01-01',
    }
    const register = await openDeviceRegister({ records, seeds: [seed] })
    const given: DeviceRecord = {
      ...seed,
      id: '1',
      aeTitle: 'MR1',
      modality: 'MR',
      status: 'scheduled',
    }
    // The second fits the seed's caller, so the node would not know which of the two is sending.
    await takeDevices(register, [given, { ...seed, id: '2', status: 'scheduled' }], silentLog)
    assert.deepEqual(
      register.list().map(({ id }) => id),
      ['seed', '1'],
    )
    await register.put({ ...seed, id: '1', aeTitle: 'MR1', modality: 'MR', port: 104 })
    await takeDevices(register, [{ ...given, status: 'paused' }], silentLog)
    const paused = register.get('1')
    assert.deepEqual([paused?.startDate, paused?.port], ['9999-12-31', 104])
    await takeDevices(register, [given], silentLog)
    assert.equal(register.get('1')?.startDate, '2026-01-01')
  }
  await rm(dir, { recursive: true })
})
