import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Assertion } from '#protocol/assertion.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { AccessRow } from '#protocol/control.ts'
import { createFederation, now as start, study } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { ulid } from '#protocol/ids.ts'
import type { OrganizationOid, Sha256, StudyUid } from '#protocol/ids.ts'
import { reconciliationLimits } from '#protocol/limits.ts'
import type { Connection, RequestContext } from '#protocol/transport/transport.ts'
import { silentLog } from '../log.ts'
import { openRecords } from '../store/records.ts'
import { createAccounting, type Accounting } from './accounting.ts'
import type { Federation } from './federation.ts'
import { compareAccesses, type Reconciliation } from './reconciliation.ts'

const hour = 3_600_000
const { toleranceBytes } = reconciliationLimits
type Side = AsyncDisposable & {
  accounting: Accounting
  reconciliation: Reconciliation
  world: { now: number; isProven: boolean; audit: AuditEntry[]; other: Side | undefined }
  state: { isOnline: boolean; isConnected: boolean; forget: Set<string> }
}

/** One organization's accounts, on a folder of its own; the other is asked as over a connection. */
async function openSide(
  region: Awaited<ReturnType<typeof createFederation>>,
  self: Party,
): Promise<Side> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-accounting-'))
  const records = await openRecords(path.join(dir, 'records'))
  const world: Side['world'] = { now: start, isProven: true, audit: [], other: undefined }
  const state = { isOnline: true, isConnected: true, forget: new Set<string>() }
  const parties = [region.holder, region.grantee]
  const federation = {
    self: { oid: self.oid, name: '', credential: '' },
    members: () => parties.map(({ oid }) => ({ oid, online: state.isOnline })),
    memberByPeer: (peer: string) => parties.find(({ peerId }) => peerId === peer),
    keyOf: (oid: OrganizationOid, kid: string) =>
      parties.find((one) => one.oid === oid && one.kid === kid)?.jwk,
    now: () => world.now,
    isTimeProven: () => world.isProven,
  } as unknown as Federation
  const audit = {
    append(entry: AuditEntry) {
      world.audit.push(entry)
      return Promise.resolve()
    },
  }
  const accounting = createAccounting({
    federation,
    signer: self.signer,
    records,
    audit,
    log: silentLog,
    connection: () =>
      state.isConnected
        ? ({
            send: (event: 'receipt', params: never) =>
              world.other?.accounting.onEvent(self.peerId, event, params),
          } as unknown as Connection)
        : undefined,
  })
  const request = async (_: string, params: never): Promise<unknown> => {
    const get = world.other?.accounting.receipts.handlers['accesses.get']
    const answer = await get?.(params, { peer: self.peerId } as RequestContext)
    const hidden = world.other?.state.forget
    return { accesses: answer?.accesses.filter(({ req }) => hidden?.has(req) !== true) }
  }
  const reconciliation = await accounting.compare(async () => ({ request }) as never)
  return {
    accounting,
    reconciliation,
    world,
    state,
    async [Symbol.asyncDispose]() {
      await reconciliation[Symbol.asyncDispose]()
      await records[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
}

async function openBoth() {
  const region = await createFederation()
  const holder = await openSide(region, region.holder)
  const grantee = await openSide(region, region.grantee)
  holder.world.other = grantee
  grantee.world.other = holder
  let count = 0
  const claimsOf = (over: Partial<Assertion> = {}): Assertion => {
    const iat = Math.floor(holder.world.now / 1000)
    const jti = ulid(holder.world.now, new Uint8Array(10).fill(++count))
    return region.claims.assertion({ jti, iat, exp: iat + 300, auth_time: iat - 60, ...over })
  }
  const { peerId } = region.grantee
  /** An access as both sides see it, or as only one does. */
  const access = async (
    bytes: number,
    {
      isAsked = true,
      isServed = true,
      got = bytes,
      ...over
    }: Partial<Assertion> & {
      isAsked?: boolean
      isServed?: boolean
      got?: number
    } = {},
  ): Promise<string> => {
    const claims = claimsOf(over)
    const { signer } = region.grantee
    if (isAsked) await grantee.accounting.onAsked(claims)
    const { receipts } = holder.accounting
    if (isServed) {
      await receipts.admitted(claims)
      const manifest = 'ab'.repeat(32) as Sha256
      await receipts.ended(claims, peerId, { instances: 1, bytes, outcome: 'success', manifest })
    }
    const token = await signer.sign('cami-access+jwt', claims)
    if (isAsked) await grantee.accounting.receipts.received(token, got)
    return claims.jti
  }
  return {
    holder,
    grantee,
    access,
    at(now: number) {
      holder.world.now = now
      grantee.world.now = now
    },
    async run() {
      await holder.reconciliation.run()
      await grantee.reconciliation.run()
    },
    async [Symbol.asyncDispose]() {
      await holder[Symbol.asyncDispose]()
      await grantee[Symbol.asyncDispose]()
    },
  }
}

const alerts = ({ world }: Side) =>
  world.audit.map(({ code, detail, assertion }) => [code, detail?.split(': ')[1], assertion])
const rowsOf = async (side: Side, role: 'holder' | 'grantee', peer: string): Promise<AccessRow[]> =>
  (
    await side.accounting.receipts.handlers['accesses.get'](
      { day: new Date(start).toISOString().slice(0, 10), side: role },
      { peer } as RequestContext,
    )
  ).accesses

test('the grantee keeps the holder’s signed receipt of what it asked for, and no other', async () => {
  await using both = await openBoth()
  const region = await createFederation()
  const { peerId } = region.holder
  const jti = await both.access(1000)
  let [row] = await rowsOf(both.grantee, 'grantee', peerId)
  assert.equal(row?.req, jti)
  // It comes as an event, after the access.
  for (let i = 0; i < 3000 && row?.receipt === undefined; i++) {
    await setTimeout(10)
    row = (await rowsOf(both.grantee, 'grantee', peerId))[0]
  }
  const [given] = await rowsOf(both.holder, 'holder', region.grantee.peerId)
  assert.ok(given?.receipt !== undefined && given.receipt === row?.receipt)
  const { receipts } = both.grantee.accounting
  const take = async (over: object, party = region.holder) =>
    receipts.take(region.holder.oid, {
      receipt: await party.signer.sign('cami-receipt+jwt', {
        ...region.claims.receipt(),
        req: jti,
        asked: Math.floor(start / 1000),
        ...over,
      }),
    })
  await assert.rejects(take({ req: ulid(start, new Uint8Array(10)) }), { code: 'audit_mismatch' })
  await assert.rejects(take({ study: '1.2.9' as StudyUid }), { code: 'audit_mismatch' })
  await assert.rejects(take({ aud: region.stranger.urn }), { code: 'token_wrong_audience' })
  await assert.rejects(take({}, region.stranger), { code: 'token_unknown_key' })
  // A second story of the same access does not replace the first.
  await take({ study, bytes: 5 })
  const [after] = await rowsOf(both.grantee, 'grantee', peerId)
  assert.equal(after?.receipt, given.receipt)
})

test('days that agree are compared once, when nothing of them can still run', async () => {
  await using both = await openBoth()
  both.holder.state.isConnected = false
  for (let i = 0; i < reconciliationLimits.pageRows + 5; i++) await both.access(1000)
  both.at(start + 12 * hour)
  await both.run()
  const early = await both.holder.reconciliation.list(9)
  const day = new Date(start).toISOString().slice(0, 10)
  assert.ok(early.every((one) => one.day < day))
  both.at(start + 48 * hour)
  await both.run()
  const count = reconciliationLimits.pageRows + 5
  for (const [side, served, fetched] of [
    [both.holder, count, 0],
    [both.grantee, 0, count],
  ] as const) {
    const result = (await side.reconciliation.list(99)).find((one) => one.day === day)
    assert.deepEqual([result?.state, result?.served, result?.fetched], ['agreed', served, fetched])
    assert.deepEqual(side.world.audit, [])
    assert.equal(side.reconciliation.mismatched(), 0)
  }
  // Receipts that could not be sent were asked for.
  const region = await createFederation()
  const rows = await rowsOf(both.grantee, 'grantee', region.holder.peerId)
  assert.ok(rows.every(({ receipt }) => receipt !== undefined))
})

test('an access that only one side knows, or knows differently, alarms both administrators', async () => {
  await using both = await openBoth()
  await both.access(1000)
  const stolen = await both.access(1000, { isAsked: false })
  const erased = await both.access(1000)
  both.holder.state.forget.add(erased)
  const lost = await both.access(1000, { isServed: false })
  const short = await both.access(2 * toleranceBytes, { got: 10 })
  const cut = await both.access(2 * toleranceBytes, { got: toleranceBytes + 10 })
  both.at(start + 48 * hour)
  await both.run()
  const seen = (side: Side) => new Map(alerts(side).map(([, what, jti]) => [jti, what]))
  for (const side of [both.holder, both.grantee]) {
    assert.equal(seen(side).get(stolen), 'not-asked')
    assert.equal(seen(side).get(lost), 'not-recorded')
    assert.equal(seen(side).get(short), 'bytes')
    assert.equal(seen(side).has(cut), false)
    assert.ok(side.world.audit.every(({ code }) => code === 'audit_mismatch'))
    assert.equal(side.reconciliation.mismatched(), 1)
  }
  // What the holder's audit has lost, the grantee's shows; the holder's own rows are still whole here.
  assert.equal(seen(both.grantee).get(erased), 'not-recorded')
  const count = both.holder.world.audit.length
  await both.run()
  assert.equal(both.holder.world.audit.length, count)
})

test('a day without an account of the other side is tried again, and alarms after a week', async () => {
  await using both = await openBoth()
  await both.access(1000)
  both.grantee.state.isOnline = false
  both.holder.state.isOnline = false
  const day = new Date(start).toISOString().slice(0, 10)
  const ofDay = async () =>
    (await both.holder.reconciliation.list(99)).find((one) => one.day === day)
  both.at(start + 48 * hour)
  await both.run()
  assert.equal(await ofDay(), undefined)
  both.at(Date.parse(day) + reconciliationLimits.daysMax * 24 * hour + 13 * hour)
  await both.run()
  assert.equal((await ofDay())?.state, 'unanswered')
  assert.deepEqual(
    alerts(both.holder).map(([code]) => code),
    ['audit_mismatch'],
  )
})

test('what is older than it is kept is let go', async () => {
  await using both = await openBoth()
  await both.access(1000)
  both.at(start + (reconciliationLimits.keptDays + 2) * 24 * hour)
  await both.run()
  const region = await createFederation()
  assert.deepEqual(await rowsOf(both.holder, 'holder', region.grantee.peerId), [])
})

test('by a clock that the registry has not confirmed nothing is let go, and no day is compared', async () => {
  await using both = await openBoth()
  const region = await createFederation()
  const stolen = await both.access(1000, { isAsked: false })
  for (const { world } of [both.holder, both.grantee]) world.isProven = false
  // In years all rows are old; in some days this day would be compared before it has passed.
  for (const days of [1, 4000]) {
    both.at(start + days * 24 * hour)
    await both.run()
  }
  assert.equal((await rowsOf(both.holder, 'holder', region.grantee.peerId)).length, 1)
  assert.deepEqual(await both.holder.reconciliation.list(99), [])
  for (const { world } of [both.holder, both.grantee]) world.isProven = true
  both.at(start + 48 * hour)
  await both.run()
  assert.ok(alerts(both.holder).some(([, what, jti]) => what === 'not-asked' && jti === stolen))
})

test('a transfer whose end only one side saw is a mismatch when bytes went', () => {
  const row = { req: ulid(1, new Uint8Array(10)), study, user: 'a#b' } as unknown as AccessRow
  const ended = { ...row, bytes: 2 * toleranceBytes, outcome: 'success' } as const
  assert.deepEqual(
    [compareAccesses([ended], [row]), compareAccesses([row], [ended])].map(
      (found) => found[0]?.kind,
    ),
    ['unfinished', 'unfinished'],
  )
  assert.deepEqual(compareAccesses([row], [row]), [])
  const other = { ...row, study: '1.2.9' as StudyUid }
  assert.equal(compareAccesses([row], [other])[0]?.kind, 'another-study')
})
