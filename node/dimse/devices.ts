import { BlockList, isIP, isIPv4 } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import type { Device, DeviceService } from '../config.ts'

/** What a caller is to us; its AE title alone proves nothing, its address must match too. */
export type Caller = { kind: 'device'; device: Device } | { kind: 'quarantine' | 'refused' }

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

/** An IPv4 peer of a dual-stack socket is written as IPv4; a zone (`%eth0`) is left out. */
export function plainAddress(address: string): string {
  const [plain = ''] = address.split('%')
  const mapped = /^::ffff:(.*)$/i.exec(plain)?.[1]
  return mapped !== undefined && isIPv4(mapped) ? mapped : plain
}

/**
 * A registered device in service; else the quarantine when the caller is in one of our networks (also a device before
 * its start date, DQ-01); else nobody.
 */
export function recognize(
  caller: { ae: string; address: string },
  register: { devices: readonly Device[]; quarantine: Networks; now: number },
): Caller {
  const device = register.devices.find(
    ({ aeTitle, addresses, startDate }) =>
      aeTitle === caller.ae &&
      startOf(startDate) <= register.now &&
      createNetworks(addresses).includes(caller.address),
  )
  if (device !== undefined) return { kind: 'device', device }
  return { kind: register.quarantine.includes(caller.address) ? 'quarantine' : 'refused' }
}

const modalityServices: readonly DeviceService[] = [
  'store',
  'worklist',
  'performed-step',
  'commitment',
]

/** What a registered device may use; query and retrieval only when its entry says so. */
export const servicesOf = ({ services }: Device): ReadonlySet<DeviceService> =>
  new Set(services ?? modalityServices)

/** A device starts with its day where the node stands. */
const startOf = (date: string): number => new Date(`${date}T00:00:00`).getTime()
