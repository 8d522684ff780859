import { verifyAssertion } from '#protocol/assertion.ts'
import { authorizePeer, type PeerFacts } from '#protocol/authorize.ts'
import { credentialFacts } from '#protocol/credential.ts'
import { createFederation, now, studyFacts } from '#protocol/federation.fixture.ts'
import { verifyGrant } from '#protocol/grant.ts'
import { emptyState, replay, type LogState } from '#protocol/transparency/replay.ts'
import { createTileWriter } from '#protocol/transparency/tiles.ts'
import { encodeEntry } from '#protocol/transparency/entries.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { Bench } from './bench-run.ts'

const quickLevels = [1, 1000, 10_000]
const fullLevels = [1, 1000, 10_000, 100_000, 1_000_000]

/** What a decision and a log entry cost on one core, as grants and entries grow. */
export const trust: Bench = async ({ quick, report }) => {
  const levels = quick ? quickLevels : fullLevels
  const figure = (name: string, ours: number): void =>
    report({ case: name, unit: '/s', better: 'higher', ours })
  for (const level of levels) {
    const { facts, decide } = await holderWith(level)
    figure(`${level} grants: decision with its token`, await rateOf(decide, quick ? 200 : 2000))
    figure(
      `${level} grants: check while streaming`,
      await rateOf(async () => authorizePeer(facts), 20_000),
    )
  }
  for (const level of levels) figure(`${level} entries: log append`, await appendsAfter(level))
}

async function rateOf(work: () => Promise<unknown>, times: number): Promise<number> {
  const begun = process.cpuUsage()
  for (let done = 0; done < times; done++) await work()
  const { user, system } = process.cpuUsage(begun)
  return times / ((user + system) / 1e6)
}

/** A holder's facts, with so many grants in its set. */
async function holderWith(grants: number) {
  const federation = await createFederation()
  const { sign, claims, holder, grantee, holderKeyOf } = federation
  const trustList = claims.trustList()
  const grant = await verifyGrant(await sign.grant(), { trust: trustList, now, holderKeyOf })
  const row = { ver: 1, digest: grant.grant.digest, active: true }
  const listed = new Map([[grant.grant.claims.jti, row]])
  for (let at = 1; at < grants; at++) listed.set(`01KB${String(at).padStart(22, '0')}`, row)
  const token = await sign.assertion()
  const expected = { jwk: grantee.jwk, kid: grantee.kid, audience: holder.urn, now }
  const none = new Set<never>()
  const facts: PeerFacts = {
    now,
    self: holder.oid,
    selfKids: new Set([holder.kid]),
    policy: trustList.policy,
    remotePeer: grantee.peerId,
    operation: 'view',
    restricted: false,
    assertion: await verifyAssertion(token, expected),
    replayed: false,
    credential: await credentialFacts(claims.credential(grantee)),
    epoch: {
      epoch: 1,
      freshAt: now,
      grants: listed,
      usersOff: none,
      organizationsOff: none,
      kidsOff: none,
    },
    grant,
    study: studyFacts(holder.oid),
    rateExceeded: false,
  }
  const decide = async () => {
    const assertion = await verifyAssertion(token, expected)
    const decision = authorizePeer({ ...facts, assertion })
    if (!decision.ok) throw new Error(decision.code)
  }
  return { facts, decide }
}

/** Entries a second (hash, tiles and rules, without the disk), after so many. */
async function appendsAfter(entries: number): Promise<number> {
  const writer = createTileWriter(0, [])
  const state: { now: LogState } = { now: emptyState }
  const append = async (): Promise<void> => {
    const entry = {
      kind: 'manifest',
      at: 1_795_000_000,
      sha256: 'ab'.repeat(32) as Sha256,
    } as const
    state.now = await replay(state.now, entry, '' as never)
    writer.append(encodeEntry(entry))
  }
  for (let at = 0; at < entries; at++) {
    await append()
    if (at % 256 === 255) writer.take()
  }
  return await rateOf(append, 20_000)
}
