import { isIPv4 } from 'node:net'
import { isCaller, startOf, type Networks } from '../apparatus.ts'
import type { Device } from '../config.ts'

/** What a caller is to us; its AE title alone proves nothing, its address must match too. */
export type Caller =
  | { kind: 'device'; device: Device }
  | { kind: 'quarantine' | 'refused'; why: Mismatch }

/** No such AE title; a device's title from another address or with another certificate; a device before its start date. */
export type Mismatch = 'unknown' | 'elsewhere' | 'early'

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
  const titled = register.devices.filter(({ aeTitle }) => aeTitle === caller.ae)
  const fitting = titled.filter((entry) => isCaller(entry, caller))
  const device = fitting.find((entry) => startOf(entry) <= register.now)
  if (device !== undefined) return { kind: 'device', device }
  const why = titled.length === 0 ? 'unknown' : fitting.length === 0 ? 'elsewhere' : 'early'
  return { kind: register.quarantine.includes(caller.address) ? 'quarantine' : 'refused', why }
}
