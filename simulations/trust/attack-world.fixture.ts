import { PROTOCOL_VERSION } from '#protocol/control.ts'
import { nowSeconds, partyOf } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import type { GrantRequest } from '#protocol/grant.ts'
import type { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Epoch } from '#protocol/epoch.ts'
import type { LogEntry } from '#protocol/transparency/entries.ts'
import { noteOf } from '#protocol/transparency/log.fixture.ts'
import { createHost } from '#protocol/transport/host.ts'
import { ingestAll } from '../bench/archive-load.ts'
import { createStudySet } from '../bench/study-set.ts'
import { createEvilRegistry, type EvilRegistry, type View } from './evil-registry.ts'
import { createLab, minute, until } from './lab.fixture.ts'
import { ask, type Member } from './member.fixture.ts'

/**
 * A holder with one study and one grant, its reader, a third organization, and a registry that obeys the attacker. The
 * holder's node is real, with its own folder, and everybody comes to it over the network.
 */
export type AttackWorld = Awaited<ReturnType<typeof createAttackWorld>>

const wide: Pick<GrantRequest, 'scope'> = {
  scope: { mode: 'all', devices: ['*'], mod: ['*'], from: null, to: null },
}

export async function createAttackWorld(seed: number) {
  await using stack = new AsyncDisposableStack()
  const lab = stack.use(
    await createLab({
      seed,
      members: ({ holder, grantee, stranger }) => [holder, grantee, stranger],
    }),
  )
  const { holder, grantee, stranger, claims, clock } = lab
  const thief = await partyOf(99, 2099)
  const fresh = await partyOf(98, 1002)
  const { evil, grant, listing, first } = await openEvil(lab, stack)
  const node = { holder: await lab.startMember(holder), isCutOff: false }
  stack.defer(() => node.holder[Symbol.asyncDispose]())
  const set = createStudySet(1)
  await ingestAll(
    node.holder.archive,
    set.studies.flatMap((one) => [...set.instances(one, 0, 1)]),
  )
  const study = set.studies[0]?.study as StudyUid
  await node.holder.link(evil).ready()
  const change = (over: Partial<View>, to: OrganizationOid = holder.oid): void =>
    evil.show(to, { ...evil.viewOf(to), ...over })
  const owned = stack.move()
  const asker = createAsker(lab, owned)
  return {
    ...lab,
    thief,
    /** A key of the grantee that nobody has used yet. */
    fresh,
    evil,
    study,
    grant,
    jti: claims.grantRequest().jti,
    listing,
    first,
    wide,
    holderNode: () => node.holder,
    change,
    /** The next epoch for the holder, listed and told. */
    async tellEpoch(over: Partial<Epoch>, grants: string[] = [grant]) {
      const epoch = await evil.epoch(holder.oid, over)
      change({ epoch, grants })
      evil.tell(holder.oid, 'epoch', { epoch, grants })
      return epoch
    },
    /** A minute, and what an honest registry would say in it. */
    async beat(nodes: readonly Member[] = [node.holder]) {
      clock.now += minute
      for (const one of nodes) await beatOne(evil, one)
    },
    ...restarts(lab, evil, node),
    hostOf: asker,
    /** What the holder answers to this asker; by default the named user of the grantee's node. */
    ask: async (by: Asker = {}) => {
      const { party = grantee, user = lab.user, grant: number = listing[0] } = by
      const from = { ...(await asker(by.key ?? party)), party, user }
      const at = node.holder.host
      const question = { from, at, holder, study: by.study ?? study, grant: number }
      return await ask(lab, { ...question, ...(by.over && { over: by.over }) })
    },
    third: async () => {
      const member = owned.use(await lab.startMember(stranger))
      await member.link(evil).ready()
      return member
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The holder's node ends and begins again, on the same folder. */
function restarts(lab: LabOf, evil: EvilRegistry, node: { holder: Member; isCutOff: boolean }) {
  const stopHolder = () => node.holder[Symbol.asyncDispose]()
  const startHolder = async (): Promise<void> => {
    node.holder = await lab.startMember(lab.holder)
    if (node.isCutOff) return
    // With a registry that is not believed there may be no link; what there is has been learnt by then.
    const ready = node.holder.link(evil).ready()
    await Promise.race([ready, until('a link', () => node.holder.federation.registry())])
  }
  const restartHolder = async (): Promise<void> => {
    await stopHolder()
    await startHolder()
  }
  /** The registry is out of its reach from now on, after a restart too: a fresh word would rightly open again. */
  const cutOffHolder = async (): Promise<void> => {
    node.isCutOff = true
    await node.holder.unlink()
  }
  return { stopHolder, startHolder, restartHolder, cutOffHolder }
}

/** The registry with its honest beginning: three organizations, one grant, one epoch. */
async function openEvil(lab: LabOf, stack: AsyncDisposableStack) {
  const { holder, sign, clock } = lab
  const evil = stack.use(
    await createEvilRegistry({
      key: lab.registry.key,
      issuer: lab.issuer.signer,
      noteOf: (entries) => noteOf(entries),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      peerOf: (peer) => lab.members.find(({ peerId }) => peerId === peer)?.oid,
      clock: () => clock.now,
    }),
  )
  const grant = await sign.grant({}, wide)
  const view = await honestView(lab, grant)
  for (const { oid } of lab.members) evil.show(oid, { ...view })
  const listing = await listingOf(grant)
  const first = await evil.epoch(holder.oid, { grants: [listing] })
  for (const { oid } of lab.members) {
    const isHolder = oid === holder.oid
    const epoch = isHolder ? first : await evil.epoch(oid, {})
    evil.show(oid, { ...view, epoch, grants: isHolder ? [grant] : [] })
  }
  return { evil, grant, listing, first }
}

async function beatOne(evil: EvilRegistry, { federation, gossip, party }: Member): Promise<void> {
  await federation.tick()
  const beat = await evil.beat(party.oid)
  await federation.transparency.beat().catch(() => undefined)
  await federation.intake.beat(beat).catch(() => undefined)
  await gossip.ask()
}

export type Asker = {
  /** Who signs. */
  party?: Party
  /** Whose connection it is; the signer's own when left out. */
  key?: Party
  user?: UserId
  grant?: string
  study?: StudyUid
  over?: Parameters<typeof ask>[1]['over']
}

type LabOf = Awaited<ReturnType<typeof createLab>>

async function honestView(lab: LabOf, grant: string): Promise<View> {
  const { members, sign, trustList, witnessKey } = lab
  const at = nowSeconds
  const credentials = await Promise.all(members.map((party) => sign.credential(party)))
  const entries: LogEntry[] = [
    { kind: 'trust-list', at, token: trustList },
    ...credentials.map((token): LogEntry => ({ kind: 'credential', at, token })),
    { kind: 'grant', at, token: grant },
  ]
  return {
    trustList,
    members: credentials.map((credential) => ({ credential, addresses: [], online: true })),
    epoch: '',
    grants: [],
    received: [],
    entries,
    // Until the attack begins the witnesses have no reason not to sign.
    witnesses: members.map((party) => ({ name: `oid/${party.oid}`, key: witnessKey(party) })),
  }
}

export async function listingOf(
  grant: string,
  state: 'active' | 'revoked' = 'active',
): Promise<Epoch['grants'][number]> {
  const { jti, ver } = JSON.parse(
    Buffer.from(grant.split('.')[1] ?? '', 'base64url').toString(),
  ) as GrantRequest
  return [jti, ver, await tokenDigest(grant), state]
}

/** Bare hosts, one for each key, that greet with the credential which that key has a right to. */
function createAsker(lab: LabOf, stack: AsyncDisposableStack) {
  const hosts = new Map<string, Awaited<ReturnType<typeof createHost>>>()
  return async (party: Party) => {
    const known = hosts.get(party.kid)
    if (known !== undefined) return { host: known }
    const credential = await lab.sign.credential(party)
    const host = await createHost({
      key: party.key,
      listen: [],
      isAllowed: () => true,
      handlers: {},
      hello: () => ({ version: PROTOCOL_VERSION, credential, addresses: [] }),
      clock: () => lab.clock.now,
    })
    stack.defer(() => host[Symbol.asyncDispose]())
    hosts.set(party.kid, host)
    return { host }
  }
}
