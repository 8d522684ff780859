import path from 'node:path'
import type { DeviceRecord } from '#protocol/device.ts'
import type { Kid, PublicJwk } from '#protocol/ids.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Host } from '#protocol/transport/transport.ts'
import { createAccounting, type Accounting } from './access/accounting.ts'
import { createAccounts } from './access/accounts.ts'
import { createAssertions } from './access/assertions.ts'
import { createEmergencyDoors } from './access/emergency-doors.ts'
import { exportAudit } from './access/audit-export.ts'
import { openAuditLog } from './access/audit-log.ts'
import { createDeviceDoors } from './access/device-doors.ts'
import { createDeviceUsers } from './access/device-users.ts'
import { createCorrectionDoors } from './access/correction-doors.ts'
import { createDoors } from './access/doors-impl.ts'
import type { Doors } from './access/doors.ts'
import type { Federation } from './access/federation.ts'
import { createGrantRenewals } from './access/grant-renewals.ts'
import { openMembership } from './access/membership.ts'
import type { Monotonic } from './access/time.ts'
import { createFetchedDecision } from './access/fetched.ts'
import { auditIntegrity } from './access/integrity-audit.ts'
import { createDecider } from './access/decider.ts'
import { lifecycle } from './access/lifecycle.ts'
import { createOwnEmergencies } from './access/own-emergencies.ts'
import { createPeerGate } from './access/peer-gate.ts'
import { openReadingRate } from './access/reading-rate.ts'
import { createPeers, type Peers } from './access/peers.ts'
import { createQualityDoors } from './access/quality-doors.ts'
import { createRemoteArchiveDoors } from './access/remote-archive-doors.ts'
import { createReception } from './access/reception.ts'
import { createRegistryLink, type RegistryLink } from './access/registry-link.ts'
import { createGossip } from './access/transparency-gossip.ts'
import { seedAccounts } from './access/seed.ts'
import { openFactors } from './access/second-factors.ts'
import { createSessions } from './access/sessions.ts'
import { createAccessRequests } from './access/access-requests.ts'
import { openRestrictions } from './access/restrictions.ts'
import { openArchive } from './archive/level-archive.ts'
import { quietOf, type QuietFacts } from './archive/study-completion.ts'
import { storageOptions } from './archive/storage-config.ts'
import type { NodeConfig } from './config.ts'
import { createDicomweb } from './dicomweb/router.ts'
import { createPixelPool, type PixelPool } from './dicom/pixel-workers/pool.ts'
import { createQueryRetrieve } from './dimse/query-retrieve.ts'
import { createRemoteArchives } from './dimse/remote-archive.ts'
import { openDeviceServices } from './dimse/device-services.ts'
import { createKeptCopies } from './dimse/kept-copies.ts'
import { createScp } from './dimse/scp.ts'
import { readTlsIdentity } from './dimse/tls.ts'
import { createHolder } from './exchange/holder.ts'
import { createRemoteStudies } from './exchange/remote-studies.ts'
import { createAdmin } from './http/admin.ts'
import { createApp } from './http/app.ts'
import { listen } from './http/listen.ts'
import { createRequestCounter } from './http/metrics.ts'
import { createCollector } from './http/node-metrics.ts'
import { readIdentity } from './identity.ts'
import type { Log } from './log.ts'
import { openMediaImports } from './media/media-imports.ts'
import { createFollower } from './replica/follower.ts'
import { openPublisher } from './replica/publisher.ts'
import { openReplica, type Replica } from './replica/replica.ts'
import { openDeviceClocks } from './store/device-clocks.ts'
import { openDeviceRegister, type DeviceRegister } from './store/device-register.ts'
import { takeDevices } from './store/noticed-devices.ts'
import { openProcedureSteps } from './store/procedure-steps.ts'
import { openTextEncodings } from './store/text-encodings.ts'
import { openRecords } from './store/records.ts'
import { openReferrals } from './store/referrals.ts'

export type NodeDeps = {
  log: Log
  clock: () => number
  monotonic?: Monotonic
  random: (bytes: number) => Uint8Array
}

/** A running node: one organization's PACS Proxy. */
export type Node = AsyncDisposable & {
  readonly ready: { http: string; peerId: string }
  /** Rejects when something broke after which the program must not go on, such as a disk that no longer writes. */
  readonly failed: Promise<never>
}

/**
 * The whole node, and the only place where its parts meet: who we are; what we keep; what we know of others, give them
 * and take from them; the doors to all of it; and who comes in through them.
 */
export async function createNode(config: NodeConfig, deps: NodeDeps): Promise<Node> {
  await using stack = new AsyncDisposableStack()
  const context: Context = { config, deps, stack, identity: await readIdentity(config) }
  const kept = await openKept(context)
  const region = await joinRegion(context, kept)
  const { kid } = context.identity.signer
  const { aeTitle } = config.dimse
  const doors = stack.use(
    createDoors({
      ...kept,
      ...region,
      self: { ...config.organization, kid, aeTitle },
      clock: deps.clock,
    }),
  )
  const http = await openEntrances(context, { ...kept, ...region, doors })
  await kept.audit.append(lifecycle(config.organization.oid, 'application-start'))
  stack.defer(async () => {
    await kept.audit.append(lifecycle(config.organization.oid, 'application-stop'))
  })
  const owned = stack.move()
  return {
    ready: { http, peerId: region.host.peerId },
    failed: kept.archive.failed.then((error) => Promise.reject(error)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Context = {
  config: NodeConfig
  deps: NodeDeps
  /** Everything that is opened, closed in the reverse order. */
  stack: AsyncDisposableStack
  identity: Awaited<ReturnType<typeof readIdentity>>
}

const dayMs = 24 * 3600 * 1000

type Kept = Awaited<ReturnType<typeof openKept>>

/** What is on this node's own disk: images, people, apparatus, referrals, the audit. */
async function openKept({ config, deps, stack }: Context) {
  const { clock, random, log } = deps
  const organization = config.organization.oid
  const records = stack.use(await openRecords(path.join(config.dataDir, 'records'), { log }))
  const audit = stack.use(await openAuditLog(path.join(config.dataDir, 'audit'), { clock }))
  const auditExport = await exportAudit({ config, audit, log })
  if (auditExport !== undefined) stack.use(auditExport)
  const devices = await openDeviceRegister({ records, seeds: config.devices })
  const encodings = await openTextEncodings({
    records,
    clock,
    onError: (error) => log.warn({ err: error }, 'what a device writes was not kept'),
  })
  const clocks = await openDeviceClocks({
    records,
    onError: (error) => log.warn({ err: error }, 'what a clock shows was not kept'),
  })
  const keptCopies = createKeptCopies({
    records,
    clock,
    renewAfterMs: ((config.retention?.proofDays ?? 0) / 2) * dayMs,
  })
  const archive = stack.use(
    await openArchive({
      dir: path.join(config.dataDir, 'archive'),
      holder: organization,
      log,
      clock,
      random,
      reception: createReception({ devices, encodings, clocks }),
      quietMs: createQuiet(devices),
      ...storageOptions(config.storage, [path.join(config.dataDir, 'copies')]),
      ...(config.retention !== undefined && {
        retention: { policy: config.retention, findProof: keptCopies.findProof },
      }),
    }),
  )
  stack.use(auditIntegrity({ archive, audit, self: organization, log }))
  const accounts = await createAccounts({ records, organization, clock, random })
  if (config.accountsFile !== undefined) await seedAccounts(config.accountsFile, accounts)
  const restrictions = await openRestrictions(records)
  const factors = await openFactors(config, { records, clock, random, log })
  const people = { records, accounts, factors, organization, audit, restrictions, clock, random }
  const sessions = await createSessions(people)
  const referrals = await openReferrals({ records, clock, random })
  const procedureSteps = await openProcedureSteps(records)
  const registers = { devices, encodings, clocks, referrals, procedureSteps, keptCopies }
  const signIn = { accounts, factors, sessions, restrictions }
  return { records, audit, auditExport, archive, ...signIn, ...registers }
}

/** How long after its last instance a study is complete: as its device's entry says, else by its modality. */
const createQuiet =
  (devices: Pick<DeviceRegister, 'list'>) =>
  (about: QuietFacts): number => {
    const seconds = devices.list().find(({ id }) => id === about.device)?.quietSeconds
    return seconds === undefined ? quietOf(about) : seconds * 1000
  }

type Region = Awaited<ReturnType<typeof joinRegion>>

/** The other organizations: who they are, what we show them, what we may read of theirs. */
async function joinRegion({ config, deps, stack, identity }: Context, kept: Kept) {
  const { log, clock, random } = deps
  const { signer, key } = identity
  const { archive, audit } = kept
  const self = config.organization.oid
  const membership = await openMembership({ config, deps, stack, identity }, kept)
  const { submissions, federation, emergencies } = membership
  const replica = stack.use(await openReplica({ dir: path.join(config.dataDir, 'replica'), log }))
  const { rows } = replica
  const keyOf = (kid: Kid): PublicJwk | undefined => federation.keyOf(self, kid)
  const publisher = stack.use(
    await openPublisher({ archive, rows, signer, self, keyOf, clock, log }),
  )
  const follower = createFollower({
    replica,
    self,
    log,
    keyOf: federation.keyOf,
    visibility: federation.visibility,
    onGap: () => link?.refollow(),
  })
  const connection: Host['connection'] = (peer) => host?.connection(peer)
  const accounting = createAccounting({ ...kept, federation, signer, connection, log })
  const rate = await openReadingRate(kept.records, federation.now())
  const gate = createPeerGate({ ...accounting, ...membership, archive, audit, rate, self, log })
  const holder = createHolder({
    archive,
    gate,
    signer,
    self,
    clock,
    log,
    onManifest: submissions.manifest,
  })
  // The host calls the link, and the link dials through the host.
  let link: RegistryLink | undefined
  let host: Host | undefined
  const handlers = { ...holder.handlers, ...accounting.handlers, ...membership.handlers }
  const peers = createPeers({ federation, host: () => host })
  const gossip = createGossip({ federation, connect: peers.connect, random, log })
  host = stack.use(
    await createHost({
      ...peers.greeting,
      key,
      clock,
      listen: config.peer.listen,
      handlers: { ...handlers, ...peers.greeting.handlers, ...gossip.handlers },
      onFetch: holder.onFetch,
      onEvent(peer, event, params) {
        link?.onEvent(peer, event, params)
        accounting.onEvent(peer, event, params)
      },
      onDisconnect: (peer) => link?.onDisconnect(peer),
    }),
  )
  const { registry } = config.peer
  const orders = createOrders(kept, log)
  const minutely: typeof submissions.submit = async (request) => {
    await gossip.ask()
    await submissions.submit(request)
  }
  const linked = { host, registry, federation, publisher, follower, orders, minutely, random, log }
  link = stack.use(createRegistryLink(linked))
  const parts = { ...kept, federation, replica, peers, accounting }
  const remotes = await openRemote({ config, deps, stack, identity }, parts)
  const reconciliation = stack.use(await accounting.compare(peers.connect))
  return { federation, replica, host, reconciliation, peers, emergencies, ...remotes }
}

/** Studies of others that are read here, each under a grant, or in an emergency, that this node has looked at first. */
async function openRemote(
  { config, deps, stack, identity }: Context,
  { restrictions, federation, replica, peers, accounting }: RemoteParts,
) {
  const { log, clock, random } = deps
  const { signer } = identity
  const self = config.organization.oid
  const fetched = createFetchedDecision({ self, selfKid: signer.kid, federation, restrictions })
  const renewals = createGrantRenewals({ federation, signer })
  const ownEmergencies = createOwnEmergencies({ ...deps, self, federation, restrictions })
  const decide = createDecider(replica, fetched, ownEmergencies)
  const remote = stack.use(
    await createRemoteStudies({
      clock,
      log,
      dir: config.dataDir,
      connect: peers.connect,
      holderKey: federation.keyAt,
      assert: createAssertions({
        ...accounting,
        self,
        signer,
        decide,
        emergency: ownEmergencies.find,
        clock,
        random,
      }),
      onReceived: accounting.onReceived,
    }),
  )
  return { remote, ownEmergencies, renewals }
}

type RemoteParts = Pick<Kept, 'restrictions'> & {
  federation: Federation
  replica: Replica
  peers: Pick<Peers, 'connect'>
  accounting: Accounting
}

/** What the operator has registered and limited here. */
const createOrders = ({ devices, restrictions }: Kept, log: Log) => ({
  devices: (found: readonly DeviceRecord[]) => takeDevices(devices, found, log),
  restrictions: restrictions.take,
})

/** Where modalities, people and monitoring come in; gives the address for people. */
async function openEntrances(
  { config, deps, stack }: Context,
  parts: Kept & Region & { doors: Doors },
): Promise<string> {
  const { archive, audit, doors } = parts
  const self = config.organization
  const pool = stack.use(createPixelPool())
  const { scp, sending, archives } = await openDimse({ config, deps, stack }, { ...parts, pool })
  const counter = createRequestCounter()
  const dicomweb = createDicomweb({ doors, pool, deletePolicy: config.http.deletePolicy })
  const media = stack.use(
    await openMediaImports({
      ...deps,
      archive,
      audit: audit.append,
      dir: path.join(config.dataDir, 'uploads'),
      ...(config.mediaDir !== undefined && { mountDir: config.mediaDir }),
      ...(config.storage !== undefined && { freeSpace: config.storage }),
    }),
  )
  const app = createApp({
    ...parts,
    ...deps,
    config,
    transfers: parts.remote,
    accessRequests: createAccessRequests({
      ...parts,
      ...deps,
      registry: parts.federation.registry,
    }),
    dicomweb,
    media,
    archives,
    sending,
    counter,
    quality: createQualityDoors({ ...parts, self, clock: deps.clock }),
    emergencyDoors: createEmergencyDoors({ ...parts, self: self.oid }),
    corrections: createCorrectionDoors({ ...parts, self, clock: deps.clock }),
  })
  const http = stack.use(await listen(app, config.http))
  if (config.admin !== undefined) {
    const collect = createCollector({ ...parts, associations: scp.connections, counter })
    const admin = createAdmin({ ...parts, collect, log: deps.log })
    stack.use(await listen(admin, config.admin))
  }
  return http.url
}

/** Where apparatus come in, and what they are served with. */
async function openDimse(
  { config, deps, stack }: Pick<Context, 'config' | 'deps' | 'stack'>,
  parts: Kept & { federation: Federation; pool: PixelPool },
) {
  const { archive, audit, devices, pool } = parts
  const self = config.organization
  const deviceDoors = createDeviceDoors({ archive, audit, devices, self, clock: deps.clock })
  const { aeTitle } = config.dimse
  const retrieval = { ...deps, doors: deviceDoors, aeTitle, devices: devices.list, pool }
  const { tls } = config.dimse
  const identity = tls && (await readTlsIdentity(tls))
  const { services, sending } = stack.use(
    await openDeviceServices({
      ...parts,
      ...deps,
      aeTitle,
      identity,
      routes: config.routes ?? [],
      self: self.oid,
      audit: audit.append,
    }),
  )
  const scp = stack.use(
    await createScp({
      ...config.dimse,
      ...deps,
      ...(tls && identity && { secure: { port: tls.port, identity } }),
      identify: createDeviceUsers({ ...parts, self }),
      organization: config.organization.oid,
      get devices() {
        return devices.list()
      },
      archive,
      services: [...createQueryRetrieve(retrieval), ...services],
      audit: audit.append,
    }),
  )
  const remote = createRemoteArchives({ callingAe: aeTitle, ...(identity && { identity }) })
  const archives = stack.use(createRemoteArchiveDoors({ ...parts, ...deps, self, remote }))
  return { scp, sending, archives }
}
