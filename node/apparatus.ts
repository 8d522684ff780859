import { BlockList, isIP, isIPv4 } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import type { Device, DeviceService } from './config.ts'

/** A list of single addresses and networks in CIDR notation. */
export type Networks = { includes(address: string): boolean }

export function createNetworks(entries: readonly string[]): Networks {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? addressBits(family) : Number(prefix)
    const isValid =
      family !== 0 &&
      rest.length === 0 &&
      /^\d{1,3}$/.test(prefix ?? '0') &&
      bits <= addressBits(family)
    if (!isValid) {
      throw new ProtocolError(
        'configuration_invalid',
        `"${entry}" is neither an address nor a network like 192.168.7.0/24: correct it`,
      )
    }
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    includes: (address) =>
      isIP(address) !== 0 && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'),
  }
}

const addressBits = (family: number): number => (family === 4 ? 32 : 128)

const modalityServices: readonly DeviceService[] = [
  'store',
  'worklist',
  'performed-step',
  'commitment',
]

/** What a registered device may use; query and retrieval only when its entry says so. */
export const servicesOf = ({ services }: Device): ReadonlySet<DeviceService> =>
  new Set(services ?? modalityServices)

/** A device starts with its day in its own zone, whatever zone this machine keeps; milliseconds. */
export const startOf = ({ startDate, utcOffset = '+0700' }: Device): number =>
  Date.parse(`${startDate}T00:00:00${utcOffset.slice(0, 3)}:${utcOffset.slice(3)}`)

/** An AE title alone proves nothing: the address must match too, and the certificate where the entry names one. */
export const isCaller = (
  device: Device,
  caller: { ae: string; address: string; certificate?: string },
): boolean =>
  device.aeTitle === caller.ae &&
  createNetworks(device.addresses).includes(caller.address) &&
  (device.certificate === undefined || device.certificate === caller.certificate)
