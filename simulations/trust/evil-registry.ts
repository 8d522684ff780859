import { beatKind, epochKind, type Epoch } from '#protocol/epoch.ts'
import type { EventName, EventParams, GrantState, Member } from '#protocol/control.ts'
import { PROTOCOL_VERSION } from '#protocol/control.ts'
import { toHex } from '#protocol/bytes.ts'
import { REGISTRY, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, PeerIdString, PrivateJwk, Sha256 } from '#protocol/ids.ts'
import { decodeToken, tokenDigest, type Signer } from '#protocol/jws.ts'
import { cosign, parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import { encodeEntry, type LogEntry } from '#protocol/transparency/entries.ts'
import { formatNote, parseNote } from '#protocol/transparency/note.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Host } from '#protocol/transport/transport.ts'

/**
 * A registry in wrong hands: it has the registry's own keys (connection, issuer, log) and says to each node whatever
 * it is told to say. What it does not have is anybody else's key.
 */
export type View = {
  trustList: string
  members: Member[]
  /** The compact epoch, and the grants that go with it. */
  epoch: string
  grants: string[]
  received: GrantState[]
  entries: LogEntry[]
  /** Witnesses whose signatures of this log it can show. */
  witnesses: { name: string; key: PrivateJwk }[]
}

export type EvilRegistry = AsyncDisposable & {
  readonly host: Host
  readonly peerId: PeerIdString
  addresses(): string[]
  /** What it says to this organization from now on. */
  show(oid: OrganizationOid, view: View): void
  viewOf(oid: OrganizationOid): View
  /** Tells it now, without being asked. */
  tell<E extends EventName>(oid: OrganizationOid, event: E, params: EventParams<E>): void
  /** An epoch for a holder, at the end of the log of that view. */
  epoch(holder: OrganizationOid, over: Partial<Epoch>): Promise<string>
  beat(oid: OrganizationOid): Promise<string>
  checkpoints(view: View): Promise<EventParams<'log'>>
}

export async function createEvilRegistry(given: {
  key: PrivateJwk
  issuer: Signer
  noteOf: (entries: readonly LogEntry[]) => Promise<string>
  listen: readonly string[]
  peerOf: (peer: PeerIdString) => OrganizationOid | undefined
  clock: () => number
}): Promise<EvilRegistry> {
  const { issuer, clock } = given
  const views = new Map<OrganizationOid, View>()
  const peers = new Map<OrganizationOid, PeerIdString>()
  const viewOf = (oid: OrganizationOid): View => {
    const view = views.get(oid)
    if (view === undefined) throw new Error('nothing to say to it')
    return view
  }
  const checkpoints = async ({ entries, witnesses }: View): Promise<EventParams<'log'>> => {
    const newest = await given.noteOf(entries)
    const parsed = parseNote(newest)
    const seconds = Math.floor(clock() / 1000)
    const more = witnesses.map((witness) => cosign(parsed.text, witness, seconds))
    const witnessed = formatNote({ ...parsed, signatures: [...parsed.signatures, ...more] })
    return witnesses.length === 0 ? { newest } : { newest, witnessed }
  }
  const beat = (oid: OrganizationOid) => beatOf(viewOf(oid), { issuer, clock })
  const asker = (peer: PeerIdString): OrganizationOid => {
    const oid = given.peerOf(peer)
    if (oid === undefined) throw new Error('a stranger')
    peers.set(oid, peer)
    return oid
  }
  const host = await createHost({
    key: given.key,
    listen: given.listen,
    isAllowed: (peer) => given.peerOf(peer) !== undefined,
    clock,
    handlers: createHandlers({ asker, viewOf, beat, checkpoints }),
  })
  return {
    host,
    peerId: host.peerId,
    addresses: () => host.addresses(),
    show: (oid, view) => void views.set(oid, view),
    viewOf,
    tell(oid, event, params) {
      const peer = peers.get(oid)
      if (peer !== undefined) host.connection(peer)?.send(event, params)
    },
    epoch: async (holder, over) => {
      const note = await given.noteOf(viewOf(holder).entries)
      return await signEpoch({ note, holder, issuer, clock }, over)
    },
    beat,
    checkpoints,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}

async function beatOf(
  { epoch: token }: View,
  { issuer, clock }: { issuer: Signer; clock: () => number },
): Promise<string> {
  const { epoch, aud } = decodeToken(token, epochKind).claims
  const sha256 = await tokenDigest(token)
  const iat = Math.floor(clock() / 1000)
  return await issuer.sign(beatKind.typ, { iss: REGISTRY, aud, epoch, sha256, iat })
}

/** At the end of the log of this note. */
async function signEpoch(
  given: { note: string; holder: OrganizationOid; issuer: Signer; clock: () => number },
  over: Partial<Epoch>,
): Promise<string> {
  const { size, root } = parseCheckpoint(parseNote(given.note).text)
  const iat = Math.floor(given.clock() / 1000)
  return await given.issuer.sign(epochKind.typ, {
    iss: REGISTRY,
    aud: urnOf(given.holder),
    epoch: 1,
    grants: [],
    users_off: [],
    mo_off: [],
    kid_off: [],
    log: { size, root: toHex(root) as Sha256 },
    iat,
    exp: iat + 24 * 3600,
    ...over,
  })
}

function createHandlers({
  asker,
  viewOf,
  beat,
  checkpoints,
}: Pick<EvilRegistry, 'viewOf' | 'beat' | 'checkpoints'> & {
  asker: (peer: PeerIdString) => OrganizationOid
}): Parameters<typeof createHost>[0]['handlers'] {
  const view = (peer: PeerIdString): View => viewOf(asker(peer))
  const nothing = { seq: 0, digest: '0'.repeat(64) as Sha256 }
  return {
    hello: async () => ({ version: PROTOCOL_VERSION }),
    'trust.get': async (_, { peer }) => ({ trustList: view(peer).trustList }),
    'directory.get': async (_, { peer }) => ({ members: view(peer).members }),
    async 'epoch.get'(_, { peer }) {
      const { epoch, grants } = view(peer)
      return { epoch, grants, beat: await beat(asker(peer)) }
    },
    'grant.list': async (_, { peer }) => ({ grants: view(peer).received }),
    // It takes note of what nodes end, and does nothing about it.
    'grant.revoke': async () => ({}),
    'user.report': async () => ({}),
    'devices.get': async () => ({ devices: [] }),
    'restrictions.get': async () => ({ restrictions: [] }),
    'access-requests.get': async () => ({ requests: [] }),
    'index.head': async () => nothing,
    'index.push': async ({ entries }) => ({ seq: entries.length }),
    'index.follow': async () => ({}),
    'log.checkpoint': async (_, { peer }) => checkpoints(view(peer)),
    'log.entries': async ({ from }, { peer }) => ({
      entries: view(peer)
        .entries.slice(from)
        .map((entry) => new TextDecoder().decode(encodeEntry(entry))),
    }),
    'log.cosign': async () => ({}),
    'log.submit': async () => ({}),
  }
}
