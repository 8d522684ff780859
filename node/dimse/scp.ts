import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { dimseLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import { createNetworks } from '../apparatus.ts'
import type { Device } from '../config.ts'
import type { Log } from '../log.ts'
import { createAlerts } from './alerts.ts'
import { serveAssociation, type Served } from './association.ts'
import { createConnections, type Connections, type Slot } from './connections.ts'
import { plainAddress, recognize } from './devices.ts'
import type { Identify } from './identity.ts'
import type { DimseLimits } from './link.ts'
import type { Service } from './service.ts'
import { createTlsServer, type TlsIdentity } from './tls.ts'

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
  /** The same over TLS, on a port of its own. */
  secure?: { port: number; identity: TlsIdentity }
  /** Judges what a peer says of the person behind it. */
  identify?: Identify
  audit: (entry: AuditEntry) => Promise<unknown>
  log: Log
  clock: () => number
  limits?: Partial<DimseLimits>
}

export type Scp = AsyncDisposable & {
  readonly port: number
  readonly securePort: number | undefined
  /** Associations now open. */
  connections(): number
}

/** Listens for devices: C-ECHO, C-STORE and the given services over the DICOM upper layer (PS3.8). */
export async function createScp(deps: ScpDeps): Promise<Scp> {
  const { aeTitle, archive, log, clock, services = [], identify } = deps
  const limits: DimseLimits = { ...dimseLimits, ...deps.limits }
  const quarantine = createNetworks(deps.quarantineSubnets)
  const connections = createConnections(limits)
  const alerts = createAlerts({ ...deps, limits })
  const parts = {
    aeTitle,
    archive,
    alerts,
    log,
    clock,
    limits,
    services,
    ...(identify && { identify }),
  }
  const served = new Set<Served>()
  const startedAt = clock().toString(36)
  let count = 0

  const serve = (socket: Socket, slot: Slot, certificate?: string) => {
    const association = serveAssociation(socket, {
      id: `${startedAt}-${++count}`,
      recognize: (caller) => recognize(caller, { devices: deps.devices, quarantine, now: clock() }),
      ...parts,
      address: addressOf(socket),
      slot,
      ...(certificate && { certificate }),
    })
    served.add(association)
    void association.done.then(() => served.delete(association))
  }
  /** A socket that must go to make room is destroyed; whatever stands on it ends with it. */
  const enter = (socket: Socket): Slot =>
    connections.enter(addressOf(socket), () => void socket.destroy())

  const server = createServer(
    { noDelay: true, keepAlive: true, highWaterMark: limits.responseQueueBytes },
    (socket) => serve(socket, enter(socket)),
  )
  const { secure } = deps
  const secureServer =
    secure && createTlsServer({ identity: secure.identity, enter, onSecure: serve, limits })
  const servers = [server, ...(secureServer === undefined ? [] : [secureServer])]
  const [port = 0, securePort] = await allListening(servers, [deps.port, secure?.port], {
    ...deps,
    connections,
  })
  const sweep = setInterval(() => {
    for (const association of served) association.checkDeadlines()
  }, limits.sweepIntervalMs)

  return {
    port,
    securePort,
    connections: () => connections.associations(),
    async [Symbol.asyncDispose]() {
      clearInterval(sweep)
      const closed = Promise.all(servers.map(async (server) => once(server, 'close')))
      for (const server of servers) server.close()
      const open = [...served]
      for (const association of open) association.shutDown()
      connections.close()
      await Promise.all(open.map(({ done }) => done))
      await closed
    },
  }
}

const addressOf = ({ remoteAddress = '' }: Socket): string => plainAddress(remoteAddress)

/** All or none: one that is left open would keep the program alive, deaf to whoever calls. */
async function allListening(
  servers: readonly Server[],
  ports: readonly (number | undefined)[],
  deps: Pick<ScpDeps, 'host' | 'log'> & { connections: Connections },
): Promise<number[]> {
  const open: number[] = []
  try {
    for (const [index, server] of servers.entries()) {
      open.push(await listening(server, { ...deps, port: ports[index] ?? 0 }))
    }
    return open
  } catch (error) {
    for (const server of servers) server.close()
    deps.connections.close()
    throw error
  }
}

async function listening(
  server: Server,
  { port, host, log }: Pick<ScpDeps, 'port' | 'host' | 'log'>,
): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  server.on('error', (error) => log.error({ err: error }, 'DIMSE server failed'))
  return (server.address() as AddressInfo).port
}
