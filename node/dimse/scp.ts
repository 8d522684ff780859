import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { dimseLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import { createNetworks } from '../apparatus.ts'
import type { Device } from '../config.ts'
import type { Log } from '../log.ts'
import { createAlerts } from './alerts.ts'
import { serveAssociation, type Served } from './association.ts'
import { createConnections } from './connections.ts'
import { plainAddress, recognize } from './devices.ts'
import type { DimseLimits } from './link.ts'
import type { Service } from './service.ts'

export type ScpDeps = {
  host: string
  port: number
  aeTitle: string
  /** The organization in audit records. */
  organization: string
  /** Read anew for every association. */
  devices: readonly Device[]
  /** Unknown callers from these networks are quarantined; from elsewhere refused. */
  quarantineSubnets: readonly string[]
  archive: Pick<Archive, 'ingest'>
  /** What is offered to registered devices beside storage and verification. */
  services?: readonly Service[]
  audit: (entry: AuditEntry) => Promise<unknown>
  log: Log
  clock: () => number
  limits?: Partial<DimseLimits>
}

export type Scp = AsyncDisposable & {
  readonly port: number
  /** Associations now open. */
  connections(): number
}

/** Listens for devices: C-ECHO, C-STORE and the given services over the DICOM upper layer (PS3.8). */
export async function createScp(deps: ScpDeps): Promise<Scp> {
  const { aeTitle, archive, log, clock, services = [] } = deps
  const limits: DimseLimits = { ...dimseLimits, ...deps.limits }
  const quarantine = createNetworks(deps.quarantineSubnets)
  const connections = createConnections(limits)
  const alerts = createAlerts({ ...deps, limits })
  const parts = { aeTitle, archive, alerts, log, clock, limits, services }
  const served = new Set<Served>()
  const startedAt = clock().toString(36)
  let count = 0

  const onConnection = (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '')
    const slot = connections.enter(address, () => association.evict())
    const association = serveAssociation(socket, {
      id: `${startedAt}-${++count}`,
      recognize: (caller) => recognize(caller, { devices: deps.devices, quarantine, now: clock() }),
      ...parts,
      address,
      slot,
    })
    served.add(association)
    void association.done.then(() => served.delete(association))
  }

  const server = createServer(
    { noDelay: true, keepAlive: true, highWaterMark: limits.responseQueueBytes },
    onConnection,
  )
  server.listen(deps.port, deps.host)
  await once(server, 'listening')
  server.on('error', (error) => log.error({ err: error }, 'DIMSE server failed'))
  const sweep = setInterval(() => {
    for (const association of served) association.checkDeadlines()
  }, limits.sweepIntervalMs)

  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections.associations(),
    async [Symbol.asyncDispose]() {
      clearInterval(sweep)
      const closed = once(server, 'close')
      server.close()
      const open = [...served]
      for (const association of open) association.shutDown()
      await Promise.all(open.map(({ done }) => done))
      await closed
    },
  }
}
