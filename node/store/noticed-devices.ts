import type { DeviceRecord } from '#protocol/device.ts'
import { codeOf } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { DeviceRegister } from './device-register.ts'

/** A day that never comes: what a device out of service sends is quarantined like that of one before its date (DQ-01). */
const never = '9999-12-31'

/**
 * Takes the apparatus that the operator has registered (form № 4) into the node's register. What the node's administrator
 * has added to an entry stays, also while it cannot be read; one that does not fit beside another is left out, and said so.
 */
export async function takeDevices(
  register: Pick<DeviceRegister, 'get' | 'put' | 'isUnreadable'>,
  records: readonly DeviceRecord[],
  log: Log,
): Promise<void> {
  for (const { id, aeTitle, addresses, modality, startDate, status } of records) {
    if (register.isUnreadable(id)) {
      log.warn({ device: id, code: 'storage_corrupt' }, 'a registered device was not taken')
      continue
    }
    const isOut = status === 'paused' || status === 'decommissioned'
    const noticed = { aeTitle, addresses, modality, startDate: isOut ? never : startDate }
    const known = register.get(id)
    const next = { ...known, id, ...noticed }
    if (JSON.stringify(next) === JSON.stringify(known)) continue
    try {
      await register.put(next)
    } catch (error) {
      log.warn({ device: id, code: codeOf(error) }, 'a registered device was not taken')
    }
  }
}
