import { createServer } from 'node:net'
import { once } from 'node:events'
import { OrganizationOid } from '#protocol/ids.ts'

/** Who stands where in a simulated region: names, ports, devices, before anything runs. */

export type NodePorts = {
  http: number
  dimse: number
  peer: number
  dimseTls: number
  /** Where a `storescp` of whoever tries it out may listen, for C-MOVE. */
  destination: number
  admin: number
}
export type RegionPorts = { registry: { http: number; peer: number }; nodes: NodePorts[] }

export type Member = { key: string; aeTitle: string; oid: OrganizationOid; name: string }

const named = [
  ['okb', 'ГАУЗ «Областная клиническая больница» (учебная)'],
  ['crb1', 'ГБУЗ «Районная больница № 1» (учебная)'],
  ['crb2', 'ГБУЗ «Районная больница № 2» (учебная)'],
] as const

/** The organizations of a region of `count` nodes; the first three have the names that scripts look for. */
export function members(count: number): Member[] {
  return Array.from({ length: count }, (_, index) => {
    const [key, name] = named[index] ?? [
      `crb${index}`,
      `ГБУЗ «Районная больница № ${index}» (учебная)`,
    ]
    const oid = OrganizationOid.parse(`1.2.643.5.1.13.13.12.2.42.${9001 + index}`)
    return { key, aeTitle: key.toUpperCase(), oid, name }
  })
}

/** AE titles that the demo region registers as devices on loopback, so that any DICOM tool can send at once. */
export const callingAeTitles = ['STORESCU', 'ANY-SCU', 'GETSCU', 'FINDSCU', 'MOVESCU', 'ORTHANC']

/** A destination for C-MOVE; nothing listens there until somebody starts a `storescp`. */
export const destinationAeTitle = 'STORESCP'

/** Ports counted from a base: the registry at +0 and +1, node *i* at + 10·(i+1). */
export function portsFrom(base: number, count: number): RegionPorts {
  return {
    registry: { http: base, peer: base + 1 },
    nodes: Array.from({ length: count }, (_, index) => {
      const first = base + 10 * (index + 1)
      return {
        http: first,
        dimse: first + 1,
        peer: first + 2,
        dimseTls: first + 3,
        destination: first + 4,
        admin: first + 9,
      }
    }),
  }
}

const [firstPort, lastPort] = [15_000, 32_000]
const portsOfProcess = 64
let next = 0

/**
 * Ports that are free now, for tests that run beside each other. They are fixed, so that a restarted node keeps its own.
 * Each process looks in a part of its own, below the ports that Linux gives to outgoing connections: either could take
 * one before it is used.
 */
export async function freePorts(count: number): Promise<RegionPorts> {
  const free: number[] = []
  for (let tried = 0; free.length < 2 + 6 * count; tried++) {
    if (tried === lastPort - firstPort) throw new Error('no ports are free')
    const port = firstPort + ((process.pid * portsOfProcess + next++) % (lastPort - firstPort))
    if (await isFree(port)) free.push(port)
  }
  const at = (index: number) => free[index] ?? 0
  return {
    registry: { http: at(0), peer: at(1) },
    nodes: Array.from({ length: count }, (_, index) => {
      const first = 2 + 6 * index
      return {
        http: at(first),
        dimse: at(first + 1),
        peer: at(first + 2),
        dimseTls: at(first + 3),
        destination: at(first + 4),
        admin: at(first + 5),
      }
    }),
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
