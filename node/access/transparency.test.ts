import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { toHex } from '#protocol/bytes.ts'
import type { Epoch, EpochFacts } from '#protocol/epoch.ts'
import { codeOf } from '#protocol/errors.ts'
import { listed, now } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { countWitnesses, parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import type { LogEntry } from '#protocol/transparency/entries.ts'
import { createLogRegistry, createLogWorld, noteOf } from '#protocol/transparency/log.fixture.ts'
import { parseNote, parseVerifierKey } from '#protocol/transparency/note.ts'
import { trustListKind } from '#protocol/trust-list.ts'
import { decodeToken } from '#protocol/jws.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { createGossip } from './transparency-gossip.ts'
import { openTransparency } from './transparency.ts'

const world = await createLogWorld()
const { at, beginning, holder, grantee, stranger, sign, claims, authority } = world
const trust = decodeToken(world.trustList, trustListKind).claims
const grant = await sign.grant()
const jti = claims.grantRequest().jti
const granted: LogEntry[] = [...beginning, { kind: 'grant', at, token: grant }]
const ended: LogEntry = { kind: 'grant-end', at, jti, by: 'operator' }
const harmless: LogEntry = { kind: 'suspension', at, org: stranger.oid, state: 'imposed' }

const noFacts: EpochFacts = {
  epoch: 1,
  freshAt: now,
  grants: new Map(),
  usersOff: new Set(),
  organizationsOff: new Set(),
  kidsOff: new Set(),
}

/** A node's reading of the log, on a folder that survives it. */
async function createReader(party: Party = holder) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-log-'))
  const alarms: { code: string; detail: string }[] = []
  const clock = { now }
  const open = async (records = path.join(dir, 'records')) => {
    const kept = await openRecords(records)
    const transparency = await openTransparency({
      trust: () => trust,
      authority: authority.kid,
      records: kept,
      dir,
      now: () => clock.now,
      witnessKey: world.witnessKey(party),
      own: {
        self: party.oid,
        credential: await sign.credential(party),
        hasGiven: () => true,
        hasEnded: () => false,
        hasSubmitted: () => false,
        hasOpened: () => false,
      },
      onAlarm: async (alarm) => void alarms.push(alarm),
      log: silentLog,
    })
    return { ...transparency, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() }
  }
  return {
    dir,
    alarms,
    clock,
    open,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}

async function epochAt(entries: readonly LogEntry[], over: Partial<Epoch> = {}): Promise<Epoch> {
  const { size, root } = parseCheckpoint(parseNote(await noteOf(entries)).text)
  return claims.epoch([await listed(grant)], {
    log: { size, root: toHex(root) as Sha256 },
    ...over,
  })
}

test('a node keeps what it has seen before it cosigns, and goes on from there after a restart', async () => {
  await using place = await createReader()
  const registry = createLogRegistry(world, [...granted])
  {
    await using reader = await place.open()
    await reader.attach(registry)
    assert.deepEqual(reader.status(), {
      policy: 'required',
      size: 5,
      witnessing: 'fresh',
      isWitness: true,
      isFrozen: false,
      alarms: 0,
    })
  }
  const [note = ''] = registry.cosignatures
  const witnesses = (trust.log?.witnesses ?? []).map(parseVerifierKey)
  assert.equal(countWitnesses(parseNote(note), witnesses, now / 1000), 1)
  registry.entries.push(harmless)
  await using again = await place.open()
  assert.equal(again.status().size, 5)
  const asked: number[] = []
  await again.attach({
    request: (method, params) => {
      if (method === 'log.entries') asked.push((params as { from: number }).from)
      return registry.request(method, params)
    },
  })
  assert.deepEqual([again.status().size, asked], [6, [5]])
  assert.deepEqual(place.alarms, [])
})

test('a log that went back is refused, whatever copy of the records stands here', async () => {
  await using place = await createReader()
  const registry = createLogRegistry(world, [...granted, harmless])
  {
    await using reader = await place.open()
    await reader.attach(registry)
    registry.entries.pop()
    await assert.rejects(reader.beat(), { code: 'log_inconsistent' })
    assert.deepEqual([reader.status().size, place.alarms.length], [6, 1])
  }
  // The records are of an old copy, the file beside them is not.
  await using restored = await place.open(path.join(place.dir, 'old'))
  const before = registry.cosignatures.length
  await restored.attach(registry)
  assert.deepEqual([restored.status().size, registry.cosignatures.length], [5, before])
  const otherPast = createLogRegistry(world, [...granted, ended])
  await assert.rejects(restored.attach(otherPast), { code: 'log_inconsistent' })
  assert.equal(restored.status().isFrozen, true)
})

test('a grant without its holder’s signature is not witnessed', async () => {
  await using place = await createReader(grantee)
  const registry = createLogRegistry(world, [...beginning])
  await using reader = await place.open()
  await reader.attach(registry)
  const req = await stranger.signer.sign('cami-grant-req+jwt', claims.grantRequest())
  const token = await world.issuer.signer.sign('cami-grant+jwt', claims.grant(req))
  registry.entries.push({ kind: 'grant', at, token })
  for (let beat = 0; beat < 2; beat++) {
    await assert.rejects(reader.beat(), { code: 'log_malformed' })
  }
  assert.equal(registry.cosignatures.length, 1)
  assert.deepEqual(
    place.alarms.map(({ code }) => code),
    ['log_malformed'],
  )
})

test('two nodes that were shown two histories both raise an alarm within two beats', async () => {
  await using one = await createReader(holder)
  await using two = await createReader(grantee)
  await using first = await one.open()
  await using second = await two.open()
  const revoked = createLogRegistry(world, [...granted, ended])
  const hidden = createLogRegistry(world, [...granted, harmless])
  await first.attach(revoked)
  await second.attach(hidden)
  const alarmsBefore = [one.alarms.length, two.alarms.length]
  const gossips = [first, second].map((transparency, index, both) => {
    const others = [{ oid: index === 0 ? grantee.oid : holder.oid, online: true }] as never[]
    const connect = async () => ({
      request: async (_: string, params: { checkpoint: string }) => {
        const checkpoint = await both[1 - index]?.compare(params.checkpoint).catch(() => undefined)
        return checkpoint === undefined ? {} : { checkpoint }
      },
    })
    const federation = {
      self: { oid: index === 0 ? holder.oid : grantee.oid, name: '', credential: '' },
      members: () => others,
      memberByPeer: () => undefined,
      transparency,
    }
    const random = (bytes: number) => new Uint8Array(bytes)
    return createGossip({ federation, connect: connect as never, random, log: silentLog })
  })
  // The histories go on in unequal steps.
  hidden.entries.push({ kind: 'manifest', at, sha256: 'ab'.repeat(32) as Sha256 })
  for (let beat = 0; beat < 2; beat++) {
    for (const { clock } of [one, two]) clock.now += 60_000
    await Promise.allSettled([first.beat(), second.beat()])
    for (const gossip of gossips) await gossip.ask()
  }
  assert.ok(one.alarms.length > (alarmsBefore[0] ?? 0), 'the one that is shorter')
  assert.ok(two.alarms.length > (alarmsBefore[1] ?? 0), 'the one that is longer')
  assert.equal(second.status().isFrozen, true)
})

test('what the log has ended is over, and an epoch that hides it raises an alarm', async () => {
  await using place = await createReader(grantee)
  await using reader = await place.open()
  const entries = [...granted, ended]
  await reader.attach(createLogRegistry(world, entries))
  await reader.checkEpoch(await epochAt(entries))
  assert.match(place.alarms[0]?.detail ?? '', /hides the end of grant/)
  const digest = 'ab'.repeat(32) as Sha256
  const facts = { ...noFacts, grants: new Map([[jti, { ver: 1, digest, active: true }]]) }
  assert.equal(reader.restrict(facts).freshAt, now)
  assert.equal(reader.restrict(facts).grants.get(jti)?.active, false)
})

test('an epoch needs a place in the log, the same history, and witnesses who have spoken of late', async () => {
  await using place = await createReader()
  await using reader = await place.open()
  const registry = createLogRegistry(world, [...granted])
  await reader.attach(registry)
  const attempts: Record<string, Promise<Epoch>> = {
    ok: epochAt(granted),
    log_gap: epochAt([...granted, harmless]),
    log_inconsistent: epochAt([...beginning, harmless]),
  }
  for (const [code, epoch] of Object.entries(attempts)) {
    const found = await reader.checkEpoch(await epoch).then(() => 'ok', codeOf)
    assert.equal(found, code)
  }
  const without = claims.epoch([])
  await assert.rejects(reader.checkEpoch(without), { code: 'log_inconsistent' })
  place.clock.now = now + 2 * 3600_000
  assert.equal(reader.status().witnessing, 'degraded')
  reader.checkWitnessed()
  place.clock.now = now + 25 * 3600_000
  assert.throws(() => reader.checkWitnessed(), { code: 'log_unwitnessed' })
  assert.equal(reader.restrict({ ...noFacts, freshAt: place.clock.now }).freshAt, 0)
})

test('a cosignature from the future does not witness anything before its time', async () => {
  await using place = await createReader()
  await using reader = await place.open()
  place.clock.now = now - transparencyLimits.aheadMs
  await reader.attach(createLogRegistry(world, [...granted]))
  assert.equal(reader.status().witnessing, 'fresh')
  place.clock.now -= 1000
  assert.equal(reader.status().witnessing, 'none')
})

test('entries that speak for this organization without its knowledge raise an alarm, its own do not', async () => {
  await using place = await createReader()
  await using reader = await place.open()
  const registry = createLogRegistry(world, [...granted])
  await reader.attach(registry)
  registry.entries.push(
    { kind: 'audit-head', at, org: holder.oid, seq: 5, digest: 'ab'.repeat(32) as Sha256 },
    { kind: 'suspension', at, org: holder.oid, state: 'imposed' },
    harmless,
    ended,
  )
  await reader.beat()
  assert.deepEqual(
    place.alarms.map(({ detail }) => detail.split(': ').at(-1)),
    ['audit-head', 'suspension', 'grant-end'],
  )
})

test('a clock that is set back does not put a cosignature off', async () => {
  await using place = await createReader()
  await using reader = await place.open()
  const registry = createLogRegistry(world, [...granted])
  place.clock.now = now + 48 * 3600_000
  await reader.attach(registry)
  place.clock.now = now
  await reader.beat()
  assert.equal(registry.cosignatures.length, 2)
})

test('a clock that is set back does not put off the complaint of a log that is withheld', async () => {
  await using place = await createReader()
  await using reader = await place.open()
  await reader.attach(createLogRegistry(world, [...granted]))
  place.clock.now = now + 48 * 3600_000
  await reader.compare(await noteOf([...granted, harmless]))
  place.clock.now = now
  // What it has waited for is no more known: it waits once more, and no longer.
  await reader.beat()
  assert.deepEqual(place.alarms, [])
  place.clock.now += 60_000
  await reader.beat()
  assert.deepEqual(
    place.alarms.map(({ code }) => code),
    ['log_gap'],
  )
})
