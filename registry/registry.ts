import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { mkdir } from 'node:fs/promises'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import { createSigner } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { peerIdOf, publicJwk } from '#protocol/keys.ts'
import { epochLimits } from '#protocol/limits.ts'
import type { AuditExport } from '#protocol/transport/audit-export.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Connection, Host } from '#protocol/transport/transport.ts'
import { exportAudit } from './audit-export.ts'
import type { RegistryConfig } from './config.ts'
import { readPrivateKey, readToken } from './config.ts'
import { openCredentials } from './credentials.ts'
import type { Credentials } from './credentials.ts'
import { openDesks, resumeDesks } from './desks.ts'
import type { Desks } from './desks.ts'
import { openDirectory } from './directory.ts'
import { forEach } from './each.ts'
import { createEpochs } from './epochs.ts'
import { createFollowers } from './followers.ts'
import { createGrants } from './grants.ts'
import { createApp, type RegistryStatus } from './http/app.ts'
import { listenHttp } from './http/listen.ts'
import { createIndexLog } from './index-log.ts'
import type { Log } from './log.ts'
import { createOperator } from './operator.ts'
import type { Operator, OperatorParts } from './operator.ts'
import { createPeerHandlers } from './peers.ts'
import { openLevelStore } from './store/level-store.ts'
import type { Store } from './store/store.ts'
import { openTransparency } from './transparency/transparency.ts'
import type { Transparency } from './transparency/transparency.ts'
import { createTrust, trustListKey } from './trust.ts'
import type { Trust } from './trust.ts'
import { secondsOf } from '#protocol/times.ts'
import { openWithdrawals } from './withdrawals.ts'

export type RegistryDeps = {
  clock: () => number
  log: Log
  random?: (bytes: number) => Uint8Array
  /** Shorter intervals for tests and simulations. */
  limits?: { beatIntervalMs?: number }
}

export type Registry = AsyncDisposable &
  Operator & {
    readonly peerId: PeerIdString
    readonly url: string
    addresses(): string[]
  }

/** The thin registry: everything it is made of, and how the parts hear of each other. */
export async function createRegistry(
  config: RegistryConfig,
  deps: RegistryDeps,
): Promise<Registry> {
  const { clock, log } = deps
  await using stack = new AsyncDisposableStack()
  const identity = await readIdentity(config, clock)
  const { trust } = identity
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  const store = stack.use(await openLevelStore(path.join(config.dataDir, 'registry')))
  await recallTrustList(store, identity, deps)
  const { authority, logKeyFile } = config
  const transparency = stack.use(
    await openTransparency({ logKeyFile, authority, store, trust, clock, log }),
  )
  const { journal } = transparency
  await journal.write([{ kind: 'trust-list', token: trust.token() }], []).catch((err: unknown) => {
    log.warn({ code: codeOf(err) }, 'the trust list is not taken into the log')
  })
  const credentials = await openCredentials({ store, journal, trust, clock })
  for (const file of config.credentials) await publishFile(credentials, file, log)

  const desks = await openDesks({
    config,
    store,
    clock,
    credentials,
    random: deps.random ?? ((bytes) => new Uint8Array(randomBytes(bytes))),
    directory: () => parts.directory,
    operator: () => operator,
    needsSecondFactor: () => trust.list().policy.secondFactor === 'required',
  })
  let host: Host | undefined
  const connectionOf = (peer: PeerIdString): Connection | undefined => host?.connection(peer)
  const parts = await openParts({
    config,
    deps,
    stack,
    identity,
    store,
    transparency,
    credentials,
    desks,
    connectionOf,
  })
  const { directory, withdrawals } = parts
  await transparency.catchUp(parts)
  transparency.onChange((checkpoints) => directory.tellAll('log', checkpoints))
  const isAllowed = createGate({ credentials, withdrawals, restrictions: desks.restrictions })
  const lent = { desks, isAllowed, operator: () => operator }
  host = stack.use(await openHost({ config, identity, parts, ...lent, clock }))
  const running = host
  const operator = createOperator(parts, { ...lent, host: () => running, log })
  await resumeDesks(desks, log)
  const { peerId } = running
  const exported = await exportAudit(config, desks.audit, log)
  if (exported !== undefined) stack.use(exported)
  const status = createStatus({ peerId, credentials, directory, exported })
  const app = createApp({ ...parts, ...desks, config: config.http, operator, status, clock, log })
  const http = stack.use(await listenHttp(config.http, app))
  stack.use(startBeat({ ...parts, desks }, deps))
  const closing = stack.move()
  return {
    peerId,
    url: http.url,
    addresses: () => running.addresses(),
    ...operator,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

function createStatus(parts: {
  peerId: PeerIdString
  credentials: Pick<Credentials, 'all'>
  directory: { online(): readonly unknown[] }
  exported: AuditExport | undefined
}): RegistryStatus {
  const { peerId, credentials, directory, exported } = parts
  return () => ({
    peerId,
    members: credentials.all().length,
    online: directory.online().length,
    ...(exported && { auditExport: exported.status() }),
  })
}

/** What the registry orders and stores of the federation: who is in it, which grants exist, everybody's index. */
async function openParts(given: {
  config: RegistryConfig
  deps: RegistryDeps
  stack: AsyncDisposableStack
  identity: Awaited<ReturnType<typeof readIdentity>>
  store: Store
  transparency: Transparency
  credentials: Credentials
  desks: Desks
  connectionOf: (peer: PeerIdString) => Connection | undefined
}) {
  const { config, deps, stack, identity, store, transparency, credentials, desks } = given
  const { connectionOf } = given
  const { journal } = transparency
  const { clock, log } = deps
  const { signer, trust } = identity
  const withdrawals = await openWithdrawals({ store, journal }, config.suspended)
  const directory = stack.use(await openDirectory({ store, credentials, connectionOf }))
  const signing = { store, journal, signer, clock }
  const epochs = createEpochs({
    ...signing,
    trust,
    withdrawals,
    cito: desks.citos.of,
    announce: (holder, params) => directory.tell(holder, 'epoch', params),
  })
  const grants = createGrants({
    ...signing,
    credentials,
    epochs,
    admit: desks.accessRequests.admit,
    onEnded: desks.accessRequests.grantEnded,
    announce: (grantee, state) => directory.tell(grantee, 'grants', { grants: [state] }),
  })
  const indexLog = createIndexLog({
    store,
    keyOf: (oid, kid) => credentials.keyOf(oid, kid),
    onAppend: (oid, devices) => {
      followers.appended(oid)
      desks.devices.seen(oid, devices).catch((err: unknown) => {
        log.error({ err }, 'the first study of a device was not noted')
      })
    },
  })
  const followers = createFollowers({ indexLog, grants, credentials, withdrawals, clock, log })
  return {
    trust,
    journal,
    transparency,
    credentials,
    withdrawals,
    directory,
    epochs,
    grants,
    indexLog,
    followers,
  }
}

/** Where nodes come in. */
async function openHost(given: {
  config: RegistryConfig
  identity: Awaited<ReturnType<typeof readIdentity>>
  parts: Awaited<ReturnType<typeof openParts>>
  desks: Desks
  isAllowed: (peer: PeerIdString) => boolean
  operator: () => Operator
  clock: () => number
}): Promise<Host> {
  const { config, identity, parts, desks, isAllowed, operator, clock } = given
  const { directory, followers, credentials } = parts
  const farewell = (peer: PeerIdString) => void host.hangUp(peer)
  const host = await createHost({
    key: identity.key,
    listen: config.peer.listen,
    isAllowed,
    handlers: createPeerHandlers({ ...parts, ...desks, operator, farewell }),
    onConnect: () => directory.changed(),
    onDisconnect: (peer) => {
      const organization = credentials.byPeer(peer)
      if (organization !== undefined) followers.left(organization.oid)
      directory.changed()
    },
    clock,
  })
  return host
}

/** Members that are not suspended; and one that is, until its node has heard why. */
function createGate({
  credentials,
  withdrawals,
  restrictions,
}: Pick<OperatorParts, 'credentials' | 'withdrawals'> & Pick<Desks, 'restrictions'>) {
  return (peer: PeerIdString): boolean => {
    const organization = credentials.byPeer(peer)
    if (organization === undefined || withdrawals.kids().includes(organization.kid)) return false
    return !withdrawals.isSuspended(organization.oid) || restrictions.isUntold(organization.oid)
  }
}

/** Confirms to every connected holder, once a minute, that its grant set is still the newest. */
function startBeat(
  { directory, epochs, desks }: Pick<OperatorParts, 'directory' | 'epochs'> & { desks: Desks },
  { log, limits }: RegistryDeps,
): Disposable {
  const beat = async (): Promise<void> => {
    const confirm = async (oid: OrganizationOid): Promise<void> => {
      await epochs.renew(oid)
      directory.tell(oid, 'beat', { beat: await epochs.beat(oid) })
    }
    const sweep = (): Promise<void> => desks.accessRequests.sweep()
    await forEach([() => forEach(directory.online(), confirm), sweep], (work) => work())
  }
  const pulse = setInterval(() => {
    beat().catch((err: unknown) => log.error({ err }, 'the beat was not sent'))
  }, limits?.beatIntervalMs ?? epochLimits.beatIntervalMs)
  return { [Symbol.dispose]: () => clearInterval(pulse) }
}

/** One that has run out, or that a later one has replaced, must not keep the others from being served. */
async function publishFile(credentials: Credentials, file: string, log: Log): Promise<void> {
  const credential = await readToken(file)
  try {
    await credentials.publish(credential)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'token_expired' || code === 'conflict') {
      return log.warn({ file, code }, 'a credential of the configuration is not published')
    }
    throw new ProtocolError(
      'configuration_invalid',
      `${file} is not a credential that can be published (${code}): issue a new one with certs`,
      { cause },
    )
  }
}

async function readIdentity(config: RegistryConfig, clock: () => number) {
  const key = await readPrivateKey(config.keyFile)
  const signer = await createSigner(await readPrivateKey(config.issuerKeyFile))
  const token = await readToken(config.trustListFile)
  const { authority, trustListFile } = config
  const trust = await createTrust({ token, authority, clock }).catch((cause: unknown) => {
    const advice = 'have the authority sign a new list, or correct the pinned fingerprint'
    throw new ProtocolError(
      'configuration_invalid',
      `${trustListFile} is not a valid trust list of this authority (${codeOf(cause)}): ${advice}`,
      { cause },
    )
  })
  return { key, signer, trust }
}

/** What was published since the file was written stays in force: a key that it dropped must not come back. */
async function recallTrustList(
  store: Store,
  { key, signer, trust }: Awaited<ReturnType<typeof readIdentity>>,
  { clock, log }: RegistryDeps,
): Promise<void> {
  const published = await store.get(trustListKey)
  if (published !== undefined) {
    await trust.replace(published).catch((error: unknown) => {
      log.info({ code: codeOf(error) }, 'the trust list of the file is in force, not the published')
    })
  }
  checkKeys(trust, { signer, peer: peerIdOf(publicJwk(key)), now: clock() })
}

/** What the registry signs would be refused by every node if its keys were not those of the trust list. */
function checkKeys(
  trust: Trust,
  { signer, peer, now }: { signer: Signer; peer: PeerIdString; now: number },
): void {
  const { issuers, registry } = trust.list()
  const issuer = issuers.find(({ kid }) => kid === signer.kid)
  const seconds = secondsOf(now)
  if (issuer === undefined || seconds < issuer.nbf || seconds >= issuer.exp) {
    throw new ProtocolError(
      'configuration_invalid',
      'issuerKeyFile is not a valid issuer of the trust list: have the authority sign a new list',
    )
  }
  if (peerIdOf(registry.jwk) !== peer) {
    throw new ProtocolError(
      'configuration_invalid',
      'keyFile is not the registry’s identity in the trust list: use the key that it names',
    )
  }
}
