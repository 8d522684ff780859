import { ProtocolError } from '#protocol/errors.ts'
import { deviceLimits } from '#protocol/limits.ts'
import { Device } from '../config.ts'
import type { Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

/**
 * The registered apparatus (form № 4). All are in memory: every association asks. The configuration seeds the register;
 * a record of the same id that was changed since wins over it.
 */
export type DeviceRegister = {
  list(): readonly Device[]
  get(id: string): Device | undefined
  /** There is an entry that cannot be read: nobody knows what it allows, so it is unknown until a person replaces it. */
  isUnreadable(id: string): boolean
  /** Makes or replaces one. Throws `conflict` when another device has its AE title at the same address. */
  put(device: Device): Promise<Device>
}

const kind = 'device'

export async function openDeviceRegister(deps: {
  records: Records
  seeds: readonly Device[]
}): Promise<DeviceRegister> {
  const { records, seeds } = deps
  const inTurn = createTurns()
  const known = new Map<string, Device>()
  let listed: readonly Device[] = []
  const keep = (device: Device) => {
    known.set(device.id, device)
    listed = [...known.values()]
  }
  const { rows, unreadable } = await records.load(kind, Device, { mayLogKeys: true })
  // Its record would have won over the configuration, and may allow less.
  for (const seed of seeds) if (!unreadable.has(seed.id)) keep(seed)
  for (const device of rows.values()) keep(device)
  return {
    list: () => listed,
    get: (id) => known.get(id),
    isUnreadable: (id) => unreadable.has(id),
    put: async (given) =>
      inTurn(async () => {
        const device = Device.parse(given)
        if (!known.has(device.id) && known.size >= deviceLimits.devicesMax) {
          throw new ProtocolError('conflict', 'there are too many devices')
        }
        for (const other of known.values()) if (isSame(other, device)) throw taken
        await records.put(kind, device.id, device)
        unreadable.delete(device.id)
        keep(device)
        return device
      }),
  }
}

const taken = new ProtocolError('conflict', 'another device has that AE title at that address')

/** Two entries that one caller would fit. */
const isSame = (other: Device, device: Device): boolean =>
  other.id !== device.id &&
  other.aeTitle === device.aeTitle &&
  other.addresses.some((address) => device.addresses.includes(address))
