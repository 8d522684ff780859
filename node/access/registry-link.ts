import type { EventName, EventParams } from '#protocol/control.ts'
import type { DeviceRecord } from '#protocol/device.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { IndexItem } from '#protocol/index-log.ts'
import type { PeerIdString } from '#protocol/ids.ts'
import { streamLimits } from '#protocol/limits.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import type { Connection, Host } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Federation } from './federation.ts'

/**
 * Keeps the one connection to the registry: dials until it stands, learns what has changed meanwhile (backfill), then
 * lives from events (stream). Everything that the registry says goes through the federation's checks; nothing here
 * stops local work when it is away.
 */
export type RegistryLink = AsyncDisposable & {
  /** To be called from the host's `onEvent` and `onDisconnect`. */
  onEvent<E extends EventName>(peer: PeerIdString, event: E, params: EventParams<E>): void
  onDisconnect(peer: PeerIdString): void
  /** Something in the followed logs is missing; asks again, soon. */
  refollow(): void
  /** Resolves when the link is up and everything has been learnt once. */
  ready(): Promise<void>
}

type Deps = {
  host: Pick<Host, 'connect' | 'connection' | 'peers' | 'hangUp'>
  /** Where the registry listens. */
  registry: readonly string[]
  federation: Federation
  publisher: { push(connection: Connection): Promise<void> }
  follower: {
    follow(connection: Connection): Promise<void>
    onItems(items: readonly IndexItem[]): void
    isHalted(): boolean
  }
  /** What the operator has registered and limited here. */
  orders: {
    devices(records: readonly DeviceRecord[]): Promise<void>
    restrictions(records: readonly RestrictionRecord[]): Promise<void>
  }
  /** What is done with each beat. */
  minutely?: (request: Connection['request']) => Promise<void>
  random: (bytes: number) => Uint8Array
  log: Log
  limits?: { reconnectDelayMs?: number; reconnectDelayMsMax?: number }
}

type State = {
  connection: Connection | undefined
  /** A link stands, and not everything has been learnt over it. */
  isLearning: boolean
  /** Ends the wait for the next attempt, or for the end of the connection. */
  wake: () => void
  refollowing: NodeJS.Timeout | undefined
  ready: PromiseWithResolvers<void>
}

export function createRegistryLink(deps: Deps): RegistryLink {
  const { federation, follower, log } = deps
  const stop = new AbortController()
  const state: State = {
    connection: undefined,
    isLearning: false,
    wake: () => undefined,
    refollowing: undefined,
    ready: Promise.withResolvers(),
  }
  const isRegistry = (peer: PeerIdString): boolean => peer === federation.registryPeer()
  const report = (what: string) => (error: unknown) => {
    log.warn({ code: codeOf(error) }, `the registry’s ${what} was not taken`)
  }
  const refollow = (): void => {
    if (stop.signal.aborted) return
    const delay = deps.limits?.reconnectDelayMs ?? streamLimits.reconnectDelayMs
    state.refollowing ??= setTimeout(() => {
      state.refollowing = undefined
      const { connection } = state
      // What is being asked already may be answered as it was before.
      if (state.isLearning) return refollow()
      if (connection === undefined) return
      follower.follow(connection).catch((error: unknown) => {
        report('answer to index.follow')(error)
        refollow()
      })
    }, delay)
  }
  const unsubscribe = federation.onChange((change) => {
    // Other grants show other entries; who has been switched off is not talked to any more.
    if (change === 'grants') refollow()
    if (change === 'directory' && follower.isHalted()) refollow()
    if (change !== 'registry') dropStrangers(deps)
  })
  const running = run(deps, state, stop.signal)

  return {
    onEvent(peer, event, params) {
      if (!isRegistry(peer)) return
      takeEvent(deps, event, params)?.catch(report(event))
    },
    onDisconnect(peer) {
      if (!isRegistry(peer)) return
      state.connection = undefined
      federation.intake.registry(undefined)
      state.wake()
    },
    refollow,
    ready: () => state.ready.promise,
    async [Symbol.asyncDispose]() {
      stop.abort()
      unsubscribe()
      clearTimeout(state.refollowing)
      state.wake()
      federation.intake.registry(undefined)
      // Requests that still wait for an answer end with the connection.
      await deps.host.hangUp(federation.registryPeer())
      await running
    },
  }
}

async function run(deps: Deps, state: State, stop: AbortSignal): Promise<void> {
  const { host, registry, federation, log, limits } = deps
  const delayMin = limits?.reconnectDelayMs ?? streamLimits.reconnectDelayMs
  const delayMax = limits?.reconnectDelayMsMax ?? streamLimits.reconnectDelayMsMax
  let delay = delayMin
  while (!stop.aborted) {
    const peer = federation.registryPeer()
    try {
      const connection = await host.connect(peer, registry, stop)
      state.isLearning = true
      await learn(deps, connection).finally(() => {
        state.isLearning = false
      })
      state.connection = connection
      log.info('connected to the registry')
      delay = delayMin
      state.ready.resolve()
      await untilGone(deps, state, connection)
    } catch (error) {
      if (stop.aborted) break
      log.info({ code: codeOf(error), delay }, 'no link to the registry')
      await host.hangUp(peer)
    }
    if (stop.aborted) break
    await pause(state, delay * jitter(deps.random))
    delay = Math.min(delay * 2, delayMax)
  }
}

/** What has changed since the last link, in the order in which one thing makes the next believable. */
async function learn(
  { host, federation, publisher, follower, orders, log }: Deps,
  connection: Connection,
): Promise<void> {
  const { intake } = federation
  const refresh = async (): Promise<void> => {
    await intake.epoch(await connection.request('epoch.get', {}))
  }
  const tolerate = async (what: string, work: Promise<void>): Promise<boolean> => {
    // One message that is not believed must not keep the rest from being learnt; a broken link must.
    try {
      await work
      return true
    } catch (error) {
      if (host.connection(connection.peer) === undefined) throw error
      log.warn({ code: codeOf(error) }, `the registry’s ${what} was not taken`)
      return false
    }
  }
  // First: a suspended organization is let in for this alone.
  await tolerate('list of restrictions', takeRestrictions(connection, orders))
  // A wrong clock would judge all that follows wrongly.
  const { beat } = await connection.request('epoch.get', {})
  await tolerate('time', intake.time(beat))
  const { trustList } = await connection.request('trust.get', {})
  await tolerate('trust list', intake.trust(trustList))
  const { members } = await connection.request('directory.get', {})
  await tolerate('directory', intake.directory(members))
  await tolerate('transparency log', federation.transparency.attach(connection))
  const isEpochTaken = await tolerate('epoch', refresh())
  const { grants } = await connection.request('grant.list', {})
  await tolerate('list of grants', intake.grants(grants))
  await tolerate('list of devices', takeDevices(connection, orders))
  intake.registry({ request: connection.request.bind(connection), refresh })
  // What it lacked, such as a witness of the log, may have come before there was anybody to ask for it again.
  if (!isEpochTaken) await tolerate('epoch', refresh())
  await tolerate('answer about ended grants', intake.report())
  publisher.push(connection).catch((error: unknown) => {
    log.warn({ code: codeOf(error) }, 'the index was not pushed')
  })
  await follower.follow(connection)
}

async function takeRestrictions(connection: Connection, orders: Deps['orders']): Promise<void> {
  const { restrictions } = await connection.request('restrictions.get', {})
  await orders.restrictions(restrictions)
}

async function takeDevices(connection: Connection, orders: Deps['orders']): Promise<void> {
  const { devices } = await connection.request('devices.get', {})
  await orders.devices(devices)
}

type Said = { [E in EventName]: { event: E; params: EventParams<E> } }[EventName]

function takeEvent<E extends EventName>(
  deps: Deps,
  event: E,
  params: EventParams<E>,
): Promise<void> | undefined {
  const { federation, follower, orders } = deps
  const { intake } = federation
  // The transport has checked the parameters against the event's schema.
  const said = { event, params } as Said
  switch (said.event) {
    case 'epoch':
      return intake.epoch(said.params)
    case 'beat':
      return takeBeat(deps, said.params.beat)
    case 'trust':
      return intake.trust(said.params.trustList)
    case 'directory':
      return intake.directory(said.params.members)
    case 'grants':
      return intake.grants(said.params.grants)
    case 'devices':
      return orders.devices(said.params.devices)
    case 'restrictions':
      return orders.restrictions(said.params.restrictions)
    case 'log':
      return intake.log(said.params)
    case 'index':
      follower.onItems(said.params.items)
      return undefined
    case 'receipt':
      // The registry holds no studies.
      return undefined
    default:
      throw new ProtocolError('unsupported', 'no such event')
  }
}

/** With each beat the log is looked at, too, and what this node has to say in it is said. */
async function takeBeat({ federation, minutely, log }: Deps, beat: string): Promise<void> {
  // One that fails, and may fail with every beat (a frozen log), must not keep the rest from being done.
  const attempt = async (what: string, work: Promise<void> | undefined): Promise<void> => {
    await work?.catch((error: unknown) => log.warn({ code: codeOf(error) }, what))
  }
  const { transparency, intake } = federation
  await attempt('the transparency log was not followed', transparency.beat())
  await attempt('the registry’s beat was not taken', intake.beat(beat))
  await attempt('the registry will hear of an ended grant later', intake.report())
  const access = federation.registry()
  if (access === undefined) return
  await attempt('the registry will hear later what happened here', minutely?.(access.request))
}

function dropStrangers({ host, federation, log }: Deps): void {
  for (const peer of host.peers()) {
    if (federation.isAllowed(peer)) continue
    log.info({ peer }, 'a connection is ended: not a member any more')
    void host.hangUp(peer)
  }
}

async function untilGone({ host }: Deps, state: State, connection: Connection): Promise<void> {
  while (state.connection === connection) {
    const gone = new Promise<void>((resolve) => {
      state.wake = resolve
    })
    if (host.connection(connection.peer) === undefined) return
    await gone
  }
}

async function pause(state: State, ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    state.wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

/** Between half and all of it, so that a restarted registry does not meet everybody in one moment. */
function jitter(random: (bytes: number) => Uint8Array): number {
  return 0.5 + (random(1)[0] ?? 0) / 512
}
