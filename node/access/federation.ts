import type { z } from 'zod'
import type {
  EventParams,
  GrantState,
  Member as DirectoryEntry,
  Result,
} from '#protocol/control.ts'
import { isCito, type EpochFacts } from '#protocol/epoch.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { GrantFacts } from '#protocol/grant.ts'
import type { Kid, OrganizationOid, PeerIdString, PrivateJwk, PublicJwk } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import { peerIdOf } from '#protocol/keys.ts'
import type { Policy, TrustList } from '#protocol/trust-list.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { openEpochs } from './epochs.ts'
import { statusOf, type FederationStatus } from './federation-status.ts'
import { GrantInput, openGrants, visibilityOf, withoutEnded } from './grants.ts'
import type { ReceivedGrant } from './grants.ts'
import { openMembers, type Member, type Members } from './members.ts'
import { createTurns } from '#protocol/turns.ts'
import { openOwnKeys } from './own-keys.ts'
import { highestOf, openTime, type Monotonic, type Time } from './time.ts'
import { openTransparency, type Transparency } from './transparency.ts'
import { openTrust } from './trust.ts'

export type { Member } from './members.ts'
export type { ReceivedGrant } from './grants.ts'

export type FederationChange = 'trust' | 'directory' | 'epoch' | 'grants' | 'registry'

/** What the link to the registry offers while it is up. */
export type RegistryAccess = Pick<Connection, 'request'> & {
  /** Fetches and accepts the newest epoch. */
  refresh(): Promise<void>
}

/**
 * What this node knows of the federation: the trust list, the members, its own grant set, the grants it received. All of
 * it is verified before it is kept, and kept so that reading under grants goes on while the registry is away.
 */
export type Federation = {
  readonly self: { oid: OrganizationOid; name: string; credential: string }
  trust(): TrustList
  policy(): Policy
  registryPeer(): PeerIdString
  members(): Member[]
  member(oid: OrganizationOid): Member | undefined
  memberByPeer(peer: PeerIdString): Member | undefined
  /** For the gate of the network: the registry, and members that nobody has switched off. */
  isAllowed(peer: PeerIdString): boolean
  keyOf(organization: OrganizationOid, kid: Kid): PublicJwk | undefined
  /** A key that is not revoked, if the organization spoke by it at that time. */
  keyAt: Members['keyAt']
  /** Thumbprints of the keys that this node signs, or signed, grants with. */
  selfKids(): ReadonlySet<Kid>
  /** Own keys before the present one, which grants to us may still name. */
  earlierKids(): ReadonlySet<Kid>
  epochFacts(): EpochFacts | undefined
  heldGrant(jti: string): GrantFacts | undefined
  /** Grants that this organization gave, and whether they are in force. */
  heldGrants(): ReceivedGrant[]
  receivedGrants(): ReceivedGrant[]
  /** Names the grants under which this holder's index is shown to us. */
  visibility(holder: OrganizationOid): string
  status(): FederationStatus
  /** The link to the registry while it is up. */
  registry(): RegistryAccess | undefined
  createGrant(input: z.input<typeof GrantInput>): Promise<{ jti: string }>
  /** Ends a grant that was given or received: here at once, everywhere when the registry hears of it. */
  revokeGrant(jti: string): Promise<void>
  /** The time that counts for everything that ends (`time.ts`). */
  now(): number
  /** Whether the registry has said the time since the start. */
  isTimeProven(): boolean
  /** To be called each minute. */
  tick(): Promise<void>
  onChange(listener: (change: FederationChange) => void): () => void
  /** The registry’s log as it was shown here. */
  readonly transparency: Transparency
  /** For the link to the registry. */
  readonly intake: Intake
}

export type Intake = {
  registry(access: RegistryAccess | undefined): void
  /** The registry’s log; an epoch that waited for its witnesses is asked for again. */
  log(checkpoints: EventParams<'log'>): Promise<void>
  /** What the registry says of the time, before anything is judged by it. */
  time(beat: string): Promise<void>
  trust(token: string): Promise<void>
  directory(members: readonly DirectoryEntry[]): Promise<void>
  epoch(params: EventParams<'epoch'> | Result<'epoch.get'>): Promise<void>
  beat(token: string): Promise<void>
  grants(states: readonly GrantState[]): Promise<void>
  /** Tells the registry of grants that were ended here while it was away. */
  report(): Promise<void>
}

export type FederationOptions = {
  self: { oid: OrganizationOid; name: string }
  signer: Signer
  /** This organization's own compact credential. */
  credential: string
  /** The compact trust list of the configuration; a later one may have come from the registry since. */
  trustList: string
  authority: Kid
  records: Pick<Records, 'get' | 'find' | 'put' | 'write' | 'list'>
  /** Where the file with the highest epoch number stands. */
  dir: string
  clock: () => number
  /** By which a clock that stands still, or is set back, is found out; the clock itself when there is none. */
  monotonic?: Monotonic
  random: (bytes: number) => Uint8Array
  /** With which this node witnesses the transparency log. */
  witnessKey?: PrivateJwk
  /** Whether this node had the log say this of its audit. */
  hasSubmitted?: (seq: number, digest: string) => boolean
  /** Whether this node let an assertion of this digest in without a grant. */
  hasOpened?: (digest: string) => boolean
  log: Log
  audit?: { append(entry: AuditEntry): Promise<unknown> }
}

export async function openFederation(options: FederationOptions): Promise<Federation> {
  const { signer, records, clock, log, random } = options
  const self = options.self.oid
  const lent: { trust?: () => TrustList } = {}
  const time = await openTime({
    self,
    clock,
    monotonic: options.monotonic ?? highestOf(clock),
    dir: options.dir,
    log,
    trust() {
      if (lent.trust === undefined) throw new ProtocolError('internal', 'no trust list yet')
      return lent.trust()
    },
    onAlarm: (code, detail) =>
      auditRegistry(options, { event: 'security-alert', outcome: 'failure', code, detail }),
  })
  const { now } = time
  const trust = await openTrust({ ...options, now })
  lent.trust = trust.list
  const common = { self, trust: trust.list, now, records, log }
  const ownKeys = await openOwnKeys(records, signer)
  const members = await openMembers(common)
  const opened: { grants?: State['grants'] } = {}
  const transparency = await openTransparency({
    ...options,
    trust: trust.list,
    now,
    own: {
      self,
      credential: options.credential,
      hasGiven: (jti) => opened.grants?.hasGiven(jti) === true,
      hasEnded: (jti) => opened.grants?.ended().has(jti) === true,
      hasSubmitted: options.hasSubmitted ?? (() => false),
      hasOpened: options.hasOpened ?? (() => false),
    },
    onAlarm: (what) =>
      auditRegistry(options, { event: 'security-alert', outcome: 'failure', ...what }),
  })
  const epochs = await openEpochs({
    ...common,
    checkLog: { epoch: transparency.checkEpoch, beat: transparency.checkWitnessed },
    dir: options.dir,
    onEvidence: () =>
      auditRegistry(options, {
        event: 'security-alert',
        outcome: 'failure',
        code: 'epoch_equivocation',
      }),
  })
  time.raise(epochs.lastIssued())
  const kidsOff = (): ReadonlySet<Kid> =>
    factsOf({ epochs, transparency, time })?.kidsOff ?? new Set()
  const grants = await openGrants({
    ...common,
    signer,
    random,
    ownKeyOf: (kid, oid) => (oid === self && !kidsOff().has(kid) ? ownKeys.get(kid) : undefined),
    memberKeyOf: (kid, oid) => members.keyOf(oid, kid),
  })
  opened.grants = grants
  const known = { options, trust, members, epochs, grants, transparency }
  const state: State = { ...known, now, time, ownKeys, kidsOff }
  return compose(state)
}

type State = {
  options: FederationOptions
  transparency: Transparency
  trust: Awaited<ReturnType<typeof openTrust>>
  members: Awaited<ReturnType<typeof openMembers>>
  epochs: Awaited<ReturnType<typeof openEpochs>>
  grants: Awaited<ReturnType<typeof openGrants>>
  now: () => number
  time: Time
  ownKeys: ReadonlyMap<Kid, PublicJwk>
  kidsOff: () => ReadonlySet<Kid>
}

function compose(state: State): Federation {
  const { options, trust, members, grants, now } = state
  const listeners = new Set<(change: FederationChange) => void>()
  const changed = (change: FederationChange): void => {
    for (const listener of listeners) listener(change)
  }
  const link: Link = { since: options.clock() }
  const epochFacts = (): EpochFacts | undefined => withoutEnded(factsOf(state), grants.ended())
  const heldGrants = (): ReceivedGrant[] => {
    const listed = epochFacts()?.grants
    return grants.allHeld().map((facts) => {
      const { jti } = facts.grant.claims
      return { facts, active: listed?.get(jti)?.active === true }
    })
  }
  return {
    self: { ...options.self, credential: options.credential },
    trust: trust.list,
    policy: () => trust.list().policy,
    registryPeer: () => peerIdOf(trust.list().registry.jwk),
    members: () => members.all(),
    member: (oid) => members.get(oid),
    memberByPeer: (peer) => members.byPeer(peer),
    isAllowed: (peer) => isAllowed(state, peer),
    keyOf: (oid, kid) => members.keyOf(oid, kid),
    keyAt: (oid, kid, at) => (state.kidsOff().has(kid) ? undefined : members.keyAt(oid, kid, at)),
    selfKids: () => new Set([...state.ownKeys.keys()].filter((kid) => !state.kidsOff().has(kid))),
    earlierKids: () => earlierKids(state),
    epochFacts,
    heldGrant: (jti) => grants.held(jti),
    heldGrants,
    receivedGrants: () => grants.received(),
    visibility: (holder) => visibilityOf(grants.received(), holder, now()),
    status() {
      const registry = { reachable: link.access !== undefined, since: link.since }
      return statusOf(state, registry, options.clock())
    },
    registry: () => link.access,
    createGrant: (input) => createGrant(state, link, GrantInput.parse(input)),
    async revokeGrant(jti) {
      const isKnown = [...heldGrants(), ...grants.received()].some(
        ({ facts }) => facts.grant.claims.jti === jti,
      )
      if (!isKnown) throw new ProtocolError('not_found', 'no such grant')
      await grants.end(jti)
      changed('grants')
      await report(state, link).catch((error: unknown) =>
        options.log.info({ code: codeOf(error) }, 'the registry will hear of an ended grant later'),
      )
    },
    now,
    isTimeProven: state.time.isProven,
    tick: state.time.tick,
    transparency: state.transparency,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    intake: createIntake(state, link, { changed, epochFacts }),
  }
}

function earlierKids({ options, ownKeys, kidsOff }: State): ReadonlySet<Kid> {
  const off = kidsOff()
  const present = options.signer.kid
  return new Set([...ownKeys.keys()].filter((kid) => kid !== present && !off.has(kid)))
}

type Link = { access?: RegistryAccess; since: number }

function createIntake(
  state: State,
  link: Link,
  {
    changed,
    epochFacts,
  }: Pick<Federation, 'epochFacts'> & { changed: (c: FederationChange) => void },
): Intake {
  const { options, trust, members, epochs, grants, time } = state
  // What the registry says is taken in the order in which it was said.
  const inTurn = createTurns()
  return {
    registry(access) {
      if ((link.access === undefined) !== (access === undefined)) link.since = options.clock()
      if (access === undefined) delete link.access
      else link.access = access
      changed('registry')
    },
    time: (beat) => inTurn(() => time.hear(beat)),
    trust: (token) =>
      inTurn(async () => {
        if (await trust.accept(token)) changed('trust')
      }),
    directory: (entries) =>
      inTurn(async () => {
        await members.replace(entries)
        changed('directory')
      }),
    epoch: (params) =>
      inTurn(async () => {
        if ('beat' in params) await time.hear(params.beat)
        const before = epochs.facts()?.epoch
        await epochs.accept(params.epoch)
        if ('beat' in params) await epochs.beat(params.beat)
        time.raise(epochs.lastIssued())
        await grants.takeHeld(params.grants, epochFacts())
        const { epoch } = epochs.facts() ?? {}
        const detail = `epoch ${epoch ?? 0}`
        if (epoch !== before) {
          await auditRegistry(options, { event: 'epoch-accepted', outcome: 'success', detail })
        }
        changed('epoch')
      }),
    beat: (token) =>
      inTurn(async () => {
        await time.hear(token)
        const result = await epochs.beat(token)
        time.raise(epochs.lastIssued())
        // Not waited for: the answer is taken in its own turn.
        if (result === 'behind') void link.access?.refresh().catch(() => undefined)
      }),
    grants: (states) =>
      inTurn(async () => {
        if (await grants.takeReceived(states)) changed('grants')
      }),
    report: () => report(state, link),
    async log(checkpoints) {
      if (trust.list().log === undefined) return
      const isWitnessedNow = await state.transparency.take(checkpoints)
      changed('epoch')
      if (isWitnessedNow) await link.access?.refresh()
    },
  }
}

async function createGrant(state: State, link: Link, input: GrantInput): Promise<{ jti: string }> {
  const { members, grants } = state
  const grantee = members.get(input.grantee)
  if (grantee === undefined) throw new ProtocolError('peer_unknown', 'no such organization')
  if (link.access === undefined) throw new ProtocolError('unavailable', 'no link to the registry')
  const { jti, request } = await grants.sign(input, grantee)
  await link.access.request('grant.submit', { request })
  // The set that lists it comes as an event, too; whoever created the grant may rely on it now.
  await link.access.refresh()
  return { jti }
}

/** One that is not taken keeps the registry from hearing of no other; it is said again with the next beat. */
async function report({ grants }: State, { access }: Link): Promise<void> {
  let failure: unknown
  for (const jti of grants.unreported()) {
    if (access === undefined) throw new ProtocolError('unavailable', 'no link to the registry')
    try {
      await access.request('grant.revoke', { jti })
    } catch (error) {
      if (codeOf(error) !== 'not_found') {
        failure = error
        continue
      }
    }
    await grants.reported(jti)
  }
  if (failure !== undefined) throw failure
}

/** The newest set of grants, without what the log says is over. */
function factsOf(state: Pick<State, 'epochs' | 'transparency' | 'time'>): EpochFacts | undefined {
  const facts = state.epochs.facts()
  const known = facts && state.transparency.restrict(facts)
  // By a clock that has gone back nothing is fresh.
  return known === undefined || state.time.isTrusted() ? known : { ...known, freshAt: 0 }
}

function isAllowed(state: State, peer: PeerIdString): boolean {
  const { trust, members } = state
  if (peer === peerIdOf(trust.list().registry.jwk)) return true
  const member = members.byPeer(peer)
  if (member === undefined) return false
  const facts = factsOf(state)
  if (facts === undefined) return true
  // One that is suspended is let in for the study that the operator has left open; what it reads is decided for itself.
  const isOpen = isCito(facts, state.now(), { organization: member.oid })
  const isOff = facts.organizationsOff.has(member.oid) && !isOpen
  return !isOff && !facts.kidsOff.has(member.kid)
}

type Audited = Pick<AuditEntry, 'event' | 'outcome' | 'detail' | 'code'>

/** What the registry did, not a person. */
async function auditRegistry({ audit, self }: FederationOptions, what: Audited): Promise<void> {
  const { oid } = self
  const who = { organization: oid, user: 'registry', role: 'registry', source: 'registry' }
  await audit?.append({ ...who, ...what, holder: oid })
}
