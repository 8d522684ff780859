import { deviceTypes } from '#protocol/device-type.ts'
import type { Origin } from '../archive/archive.ts'
import type { Reception } from '../archive/reception.ts'
import type { Device } from '../config.ts'
import type { DeviceClocks } from '../store/device-clocks.ts'
import type { DeviceRegister } from '../store/device-register.ts'
import type { TextEncodings } from '../store/text-encodings.ts'

/** What the register of devices, and what was learned of them, says about those who send. */
export function createReception(deps: {
  devices: Pick<DeviceRegister, 'get'>
  encodings: Pick<TextEncodings, 'get' | 'learn'>
  clocks: Pick<DeviceClocks, 'learn'>
}): Reception {
  const { devices, encodings, clocks } = deps
  const deviceOf = (origin: Origin): Device | undefined =>
    origin.kind === 'dimse' && origin.device !== undefined ? devices.get(origin.device) : undefined
  return {
    device(origin) {
      const device = deviceOf(origin)
      return (
        device && {
          modalities: modalitiesOf(device),
          isFluorography: device.type === 'fluorography',
          utcOffsetMinutes: minutesOf(device.utcOffset ?? '+0700'),
          ...(device.clockAheadMinutes !== undefined && {
            clockAheadMinutes: device.clockAheadMinutes,
          }),
        }
      )
    },
    encoding(origin) {
      const device = deviceOf(origin)
      if (device === undefined) return undefined
      if (device.textEncoding !== undefined) {
        return { encoding: device.textEncoding, isCertain: true }
      }
      const pinned = encodings.get(device.id)
      return pinned && { encoding: pinned.encoding, isCertain: pinned.source === 'human' }
    },
    judged(origin, study, { source, encoding }) {
      const device = deviceOf(origin)
      if (device === undefined || source !== 'detected' || encoding === undefined) return
      encodings.learn(device.id, study, encoding)
    },
    timed(origin, study, aheadMinutes) {
      const device = deviceOf(origin)
      if (device !== undefined) clocks.learn(device.id, study, aheadMinutes)
    },
  }
}

/** `OT` in the register says nothing: whatever it sends is fine. */
function modalitiesOf({ type, modality }: Device): readonly string[] {
  const own = modality === '' || modality === 'OT' ? [] : [modality]
  return type === undefined ? own : [...deviceTypes[type].modalities, ...own]
}

const minutesOf = (offset: string): number =>
  (offset.startsWith('-') ? -1 : 1) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(3)))
