import path from 'node:path'
import { mkdir } from 'node:fs/promises'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { Kid, OrganizationOid, PeerIdString, UserId } from '#protocol/ids.ts'
import { createSigner } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { peerIdOf, publicJwk } from '#protocol/keys.ts'
import { epochLimits } from '#protocol/limits.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Connection, Host } from '#protocol/transport/transport.ts'
import type { RegistryConfig } from './config.ts'
import { readPrivateKey, readToken } from './config.ts'
import { openCredentials } from './credentials.ts'
import type { Credentials } from './credentials.ts'
import { openDirectory } from './directory.ts'
import type { Directory } from './directory.ts'
import { createEpochs, noChange } from './epochs.ts'
import type { Epochs } from './epochs.ts'
import { createFollowers } from './followers.ts'
import { createGrants } from './grants.ts'
import type { Grants } from './grants.ts'
import { listenHttp } from './http/app.ts'
import { createIndexLog } from './index-log.ts'
import type { Log } from './log.ts'
import { createPeerHandlers } from './peers.ts'
import { openLevelStore } from './store/level-store.ts'
import { createTrust } from './trust.ts'
import type { Trust } from './trust.ts'
import { secondsOf } from './turns.ts'
import { openWithdrawals } from './withdrawals.ts'
import type { Withdrawals, Withdrawn } from './withdrawals.ts'

export type RegistryDeps = {
  clock: () => number
  log: Log
  /** Shorter intervals for tests and simulations. */
  limits?: { beatIntervalMs?: number }
}

export type Registry = AsyncDisposable &
  Operator & {
    readonly peerId: PeerIdString
    readonly url: string
    addresses(): string[]
  }

/** What the operator may do; screens come later. */
export type Operator = {
  publishCredential(credential: string): Promise<void>
  publishTrustList(trustList: string): Promise<void>
  suspend(oid: OrganizationOid, off?: boolean): Promise<void>
  revokeKey(kid: Kid): Promise<void>
  disableUser(user: UserId): Promise<void>
  revokeGrant(jti: string): Promise<void>
}

/** The thin registry: everything it is made of, and how the parts hear of each other. */
export async function createRegistry(
  config: RegistryConfig,
  deps: RegistryDeps,
): Promise<Registry> {
  const { clock, log } = deps
  await using stack = new AsyncDisposableStack()
  const { key, signer, trust } = await readIdentity(config, clock)

  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  const store = stack.use(await openLevelStore(path.join(config.dataDir, 'registry')))
  const credentials = await openCredentials({ store, trust, clock })
  for (const file of config.credentials) await publishFile(credentials, file, log)
  const withdrawals = await openWithdrawals(store, config.suspended)

  let host: Host | undefined
  const connectionOf = (peer: PeerIdString): Connection | undefined => host?.connection(peer)
  const directory = stack.use(await openDirectory({ store, credentials, connectionOf }))
  const signing = { store, signer, clock }
  const epochs = createEpochs({
    ...signing,
    trust,
    withdrawals,
    announce: (holder, params) => directory.tell(holder, 'epoch', params),
  })
  const grants = createGrants({
    ...signing,
    credentials,
    epochs,
    announce: (grantee, state) => directory.tell(grantee, 'grants', { grants: [state] }),
  })
  const indexLog = createIndexLog({
    store,
    keyOf: (oid, kid) => credentials.keyOf(oid, kid),
    onAppend: (oid) => followers.appended(oid),
  })
  const followers = createFollowers({ indexLog, grants, credentials, withdrawals, clock, log })
  const parts = { trust, credentials, withdrawals, directory, epochs, grants, indexLog, followers }

  host = stack.use(
    await createHost({
      key,
      listen: config.peer.listen,
      isAllowed: (peer) => isAllowed(parts, peer),
      handlers: createPeerHandlers(parts),
      onConnect: () => directory.changed(),
      onDisconnect: (peer) => {
        const organization = credentials.byPeer(peer)
        if (organization !== undefined) followers.left(organization.oid)
        directory.changed()
      },
      clock,
    }),
  )
  const { peerId } = host
  const status = () => {
    return { peerId, members: credentials.all().length, online: directory.online().length }
  }
  const http = stack.use(await listenHttp(config.http, status))
  stack.use(startBeat(parts, deps))
  const closing = stack.move()
  return {
    peerId,
    url: http.url,
    addresses: () => host.addresses(),
    ...operatorOf(parts, { host, log }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

type Parts = {
  trust: Trust
  credentials: Credentials
  withdrawals: Withdrawals
  directory: Directory
  epochs: Epochs
  grants: Grants
}

function isAllowed({ credentials, withdrawals }: Parts, peer: PeerIdString): boolean {
  const organization = credentials.byPeer(peer)
  return organization !== undefined && !withdrawals.isSuspended(organization.oid)
}

/** Confirms to every connected holder, once a minute, that its grant set is still the newest. */
function startBeat({ directory, epochs }: Parts, { log, limits }: RegistryDeps): Disposable {
  const beat = async (): Promise<void> => {
    for (const oid of directory.online()) {
      await epochs.renew(oid)
      directory.tell(oid, 'beat', { beat: await epochs.beat(oid) })
    }
  }
  const pulse = setInterval(() => {
    beat().catch((err: unknown) => log.error({ err }, 'the beat was not sent'))
  }, limits?.beatIntervalMs ?? epochLimits.beatIntervalMs)
  return { [Symbol.dispose]: () => clearInterval(pulse) }
}

function operatorOf(parts: Parts, { host, log }: { host: Host; log: Log }): Operator {
  const { trust, credentials, withdrawals, directory, epochs, grants } = parts
  const withdraw = async (what: Withdrawn, off: boolean): Promise<void> => {
    if (!(await withdrawals.set(what, off))) return
    for (const { oid } of credentials.all()) await epochs.bump(oid, noChange)
  }
  return {
    async publishCredential(credential) {
      const { oid } = await credentials.publish(credential)
      log.info({ oid }, 'a credential is published')
      for (const peer of host.peers()) if (!isAllowed(parts, peer)) await host.hangUp(peer)
      directory.changed()
    },
    async publishTrustList(trustList) {
      await trust.replace(trustList)
      directory.tellAll('trust', { trustList })
    },
    async suspend(oid, off = true) {
      await withdraw({ organization: oid }, off)
      const peer = credentials.organization(oid)?.peer
      if (off && peer !== undefined) await host.hangUp(peer)
    },
    revokeKey: (kid) => withdraw({ kid }, true),
    disableUser: (user) => withdraw({ user }, true),
    revokeGrant: (jti) => grants.revoke(jti),
  }
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
  checkKeys(trust, { signer, peer: peerIdOf(publicJwk(key)), now: clock() })
  return { key, signer, trust }
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
