import { isIPv4 } from 'node:net'
import { isCaller, startOf, type Networks } from '../apparatus.ts'
import type { Device } from '../config.ts'

/** What a caller is to us; its AE title alone proves nothing, its address must match too. */
export type Caller = { kind: 'device'; device: Device } | { kind: 'quarantine' | 'refused' }

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
  caller: { ae: string; address: string; certificate?: string },
  register: { devices: readonly Device[]; quarantine: Networks; now: number },
): Caller {
  const device = register.devices.find(
    (entry) => startOf(entry) <= register.now && isCaller(entry, caller),
  )
  if (device !== undefined) return { kind: 'device', device }
  return { kind: register.quarantine.includes(caller.address) ? 'quarantine' : 'refused' }
}
