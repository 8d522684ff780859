import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Assertion } from '#protocol/assertion.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { credentialFacts } from '#protocol/credential.ts'
import { epochFacts } from '#protocol/epoch.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import {
  createFederation,
  now,
  nowSeconds,
  study,
  studyFacts,
} from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { verifyGrant } from '#protocol/grant.ts'
import { oidOf, StudyUid, ulid } from '#protocol/ids.ts'
import type { PeerIdString, UserId } from '#protocol/ids.ts'
import { readingLimits, streamLimits } from '#protocol/limits.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { silentLog } from '../log.ts'
import { createPeerGate } from './peer-gate.ts'
import { openReadingRate } from './reading-rate.ts'
import type { Member } from './members.ts'

const hour = 60 * 60 * 1000
const other = StudyUid.parse('1.2.643.5.1.13.13.12.2.42.1001.7.2')
const jti = (number: number): string => ulid(number, new Uint8Array(10))

/** What is kept of readings across restarts is `reading-rate.test.ts`'s matter. */
const forgetful = {
  async *list() {},
  write: () => Promise.resolve(),
}

/** A holder's gate over facts that a test may change, with everything else as it should be. */
async function createHolder() {
  const federation = await createFederation()
  const { holder, grantee, stranger, claims, sign, issuer } = federation
  const token = await sign.grant()
  const grant = await verifyGrant(token, {
    trust: claims.trustList(),
    now,
    holderKeyOf: federation.holderKeyOf,
  })
  const memberOf = async (party: Party): Promise<Member> => ({
    oid: party.oid,
    name: party.oid,
    peer: party.peerId,
    kid: party.kid,
    jwk: party.jwk,
    facts: await credentialFacts(claims.credential(party)),
    credential: await sign.credential(party),
    lineage: [],
    earlier: [],
    addresses: [],
    online: true,
    seenAt: 0,
  })
  const epoch = epochFacts(
    claims.epoch([[grant.grant.claims.jti, 1, grant.grant.digest, 'active']]),
    nowSeconds,
  )
  const world = {
    now,
    members: [await memberOf(grantee), await memberOf(stranger)],
    epoch: epoch as typeof epoch | undefined,
    grant: grant as typeof grant | undefined,
    studies: [study, other] as StudyUid[],
    withheld: false,
    auditFails: false,
    restrictions: [] as RestrictionRecord[],
    audit: [] as AuditEntry[],
  }
  const start = async () =>
    createPeerGate({
      rate: await openReadingRate(forgetful, world.now),
      federation: {
        memberByPeer: (peer) => world.members.find((member) => member.peer === peer),
        policy: () => claims.trustList().policy,
        selfKids: () => new Set([holder.kid]),
        epochFacts: () => world.epoch,
        heldGrant: (asked) => (asked === grant.grant.claims.jti ? world.grant : undefined),
        now: () => world.now,
      },
      archive: {
        facts: (asked) =>
          Promise.resolve(
            world.studies.includes(asked)
              ? { ...studyFacts(holder.oid), study: asked, withheld: world.withheld }
              : undefined,
          ),
      },
      audit: {
        append(entry) {
          if (world.auditFails) return Promise.reject(new Error('disk full'))
          world.audit.push(entry)
          return Promise.resolve()
        },
      },
      restrictions: { current: () => world.restrictions },
      self: holder.oid,
      log: silentLog,
    })
  return { ...federation, world, start, grant, issuer }
}
type Holder = Awaited<ReturnType<typeof createHolder>>

type Case = {
  name: string
  code: ErrorCode
  assertion?: Partial<Assertion>
  /** Signed by somebody else than the grantee. */
  by?: (holder: Holder) => Party
  peer?: (holder: Holder) => PeerIdString
  study?: StudyUid
  change?: (holder: Holder) => void
  /** The same token has been used before. */
  twice?: boolean
}

const cases: Case[] = [
  {
    name: 'forged: signed by another key under the grantee’s name',
    by: ({ stranger, grantee }) => ({
      ...stranger,
      signer: {
        ...stranger.signer,
        kid: grantee.kid,
        sign: async (typ, body) => {
          const [header = '', payload = ''] = (await grantee.signer.sign(typ, body)).split('.')
          const [, , signature = ''] = (await stranger.signer.sign(typ, body)).split('.')
          return `${header}.${payload}.${signature}`
        },
      },
    }),
    code: 'token_bad_signature',
  },
  {
    name: 'another’s: the grantee’s assertion from the stranger’s node',
    peer: ({ stranger }) => stranger.peerId,
    code: 'token_unknown_key',
  },
  {
    name: 'another’s: the stranger speaks for the grantee’s user',
    by: ({ stranger }) => stranger,
    peer: ({ stranger }) => stranger.peerId,
    code: 'peer_mismatch',
  },
  { name: 'replayed', twice: true, code: 'token_replayed' },
  {
    name: 'expired',
    assertion: { iat: nowSeconds - 400, exp: nowSeconds - 100, auth_time: nowSeconds - 500 },
    code: 'token_expired',
  },
  {
    name: 'made before this node was started',
    assertion: { iat: nowSeconds - 10, exp: nowSeconds + 200 },
    code: 'token_replayed',
  },
  {
    name: 'from the future',
    assertion: { iat: nowSeconds + 3600, exp: nowSeconds + 3700 },
    code: 'token_not_yet_valid',
  },
  { name: 'living too long', assertion: { exp: nowSeconds + 3600 }, code: 'token_malformed' },
  {
    name: 'for another holder',
    assertion: { aud: 'oid:1.2.643.5.1.13.13.12.2.42.1003' as Assertion['aud'] },
    code: 'token_wrong_audience',
  },
  { name: 'for another study than the one asked', study: other, code: 'study_mismatch' },
  {
    name: 'for a study that is not held here',
    study: StudyUid.parse('1.2.3'),
    assertion: { res: StudyUid.parse('1.2.3') },
    code: 'study_not_held',
  },
  {
    name: 'for a study in quarantine',
    change: ({ world }) => {
      world.withheld = true
    },
    code: 'study_withheld',
  },
  {
    name: 'another user of the grantee',
    assertion: { sub: `1.2.643.5.1.13.13.12.2.42.1002#${jti(77)}` as UserId },
    code: 'user_not_named',
  },
  { name: 'an unknown grant', assertion: { grant: jti(5) }, code: 'grant_absent' },
  {
    name: 'a revoked grant',
    change: ({ world, grant }) => {
      const grants = new Map([
        [grant.grant.claims.jti, { ver: 1, digest: grant.grant.digest, active: false }],
      ])
      if (world.epoch !== undefined) world.epoch = { ...world.epoch, grants }
    },
    code: 'grant_inactive',
  },
  {
    name: 'a stale epoch',
    change: ({ world }) => {
      if (world.epoch !== undefined) world.epoch = { ...world.epoch, freshAt: now - 25 * hour }
    },
    code: 'epoch_stale',
  },
  {
    name: 'no epoch at all',
    change: ({ world }) => {
      world.epoch = undefined
    },
    code: 'epoch_absent',
  },
  {
    name: 'a suspended organization',
    change: ({ world, grantee }) => {
      if (world.epoch !== undefined) {
        world.epoch = { ...world.epoch, organizationsOff: new Set([oidOf(grantee.urn)]) }
      }
    },
    code: 'peer_suspended',
  },
  {
    name: 'a peer that is no member',
    change: ({ world }) => {
      world.members = []
    },
    code: 'peer_unknown',
  },
  {
    name: 'no second factor where the policy asks',
    assertion: { amr: ['pwd'] },
    code: 'second_factor_required',
  },
  {
    name: 'an operation that was not granted',
    assertion: { op: 'report' },
    code: 'operation_not_granted',
  },
]

describe('requests that must not pass', () => {
  for (const one of cases) {
    test(one.name, async () => {
      const holder = await createHolder()
      const { grantee, claims, world } = holder
      one.change?.(holder)
      const gate = await holder.start()
      const signer = one.by?.(holder).signer ?? grantee.signer
      const token = await signer.sign('cami-access+jwt', claims.assertion(one.assertion))
      const peer = one.peer?.(holder) ?? grantee.peerId
      if (one.twice === true) await gate.admit(peer, token, study)
      world.audit = []
      await assert.rejects(gate.admit(peer, token, one.study ?? study), { code: 'forbidden' })
      const [entry, ...more] = world.audit
      assert.equal(more.length, 0)
      assert.equal(entry?.event, 'begin-transferring')
      assert.equal(entry.outcome, 'denied')
      assert.equal(entry.code, one.code)
      assert.equal(entry.study, one.study ?? study)
    })
  }

  test('nonsense instead of a token', async () => {
    const holder = await createHolder()
    const gate = await holder.start()
    for (const token of ['', 'x', 'a.b.c', 'x'.repeat(5000)]) {
      await assert.rejects(gate.admit(holder.grantee.peerId, token, study), { code: 'forbidden' })
    }
    assert.equal(holder.world.audit.length, 4)
  })
})

test('a correct request is admitted; its record names user, study, grant and assertion', async () => {
  const holder = await createHolder()
  const { sign, grantee, user, world, claims } = holder
  const gate = await holder.start()
  const admission = await gate.admit(grantee.peerId, await sign.assertion(), study)
  assert.equal(admission.grant.study, study)
  assert.equal(admission.grant.user, user)
  const { jti, grant } = claims.assertion()
  assert.deepEqual(world.audit, [
    {
      event: 'begin-transferring',
      outcome: 'success',
      organization: grantee.oid,
      user,
      role: 'radiologist',
      source: `ws-17 ${grantee.peerId}`,
      holder: holder.holder.oid,
      study,
      grant,
      assertion: jti,
    },
  ])
  await admission.recheck()
  await admission.finish({ instances: 3, bytes: 1000, outcome: 'success' })
  const last = world.audit.at(-1)
  assert.deepEqual(
    [last?.event, last?.outcome, last?.instances, last?.bytes],
    ['instances-transferred', 'success', 3, 1000],
  )
})

test('when the audit cannot be written nobody is admitted, and the peer cannot tell why', async () => {
  const holder = await createHolder()
  holder.world.auditFails = true
  const token = await holder.sign.assertion()
  const gate = await holder.start()
  await assert.rejects(gate.admit(holder.grantee.peerId, token, study), { code: 'forbidden' })
})

test('what ends while bytes flow is seen at the next check, and the end of the assertion is not such a thing', async () => {
  const holder = await createHolder()
  const { world, grantee, sign } = holder
  const gate = await holder.start()
  const admission = await gate.admit(grantee.peerId, await sign.assertion(), study)
  world.now = now + hour
  await admission.recheck()
  const { epoch } = world
  assert.ok(epoch)
  world.epoch = { ...epoch, usersOff: new Set([holder.user]) }
  await assert.rejects(admission.recheck(), { code: 'forbidden' })
  world.epoch = epoch
  await admission.recheck()
  world.members = []
  await assert.rejects(admission.recheck(), { code: 'forbidden' })
  await admission.finish({ instances: 1, bytes: 10, outcome: 'failure' })
  const last = world.audit.at(-1)
  assert.deepEqual([last?.outcome, last?.code], ['denied', 'peer_unknown'])
})

test('a holder that the operator has limited shows nothing to anybody, and goes on with its own work', async () => {
  const holder = await createHolder()
  const { world, grantee, sign } = holder
  const gate = await holder.start()
  const limited = {
    number: 'О-1/2026',
    level: 'no_consult',
    clause: '8.2.3',
    reason: 'пароли записаны на мониторе',
    remedy: 'сменить пароли',
    start: '2026-11-25',
  } as const
  const ask = async () => await gate.admit(grantee.peerId, await sign.assertion(), study)
  const admission = await ask()
  world.restrictions = [{ ...limited, scope: 'proxy' }]
  await admission.recheck()
  world.restrictions = [{ ...limited, scope: 'cami' }]
  await assert.rejects(admission.recheck(), { code: 'forbidden' })
  await assert.rejects(ask(), { code: 'forbidden' })
  assert.equal(world.audit.at(-1)?.code, 'organization_restricted')
  world.restrictions = []
  await admission.recheck()
})

test('a user may open so many studies an hour; the same study again is not another one', async () => {
  const holder = await createHolder()
  const { world, grantee, claims } = holder
  const gate = await holder.start()
  let number = 0
  const open = async (at: number): Promise<unknown> => {
    const res = StudyUid.parse(`1.2.3.${at}`)
    number += 1
    const iat = Math.floor(world.now / 1000)
    const over = { res, jti: jti(number), iat, exp: iat + 100 }
    const token = await grantee.signer.sign('cami-access+jwt', claims.assertion(over))
    return await gate.admit(grantee.peerId, token, res)
  }
  const limit = readingLimits.studiesPerUserHour
  world.studies = Array.from({ length: limit + 2 }, (_, at) => StudyUid.parse(`1.2.3.${at}`))
  for (let at = 0; at < limit; at++) await open(at)
  await open(0)
  await assert.rejects(open(limit), { code: 'rate_limited' })
  assert.equal(world.audit.at(-1)?.code, 'rate_limited')
  world.now += hour
  await open(limit)
})

test('a peer that is refused without end fills neither the audit nor the memory', async () => {
  const holder = await createHolder()
  const gate = await holder.start()
  const { peerId } = holder.grantee
  for (let i = 0; i < streamLimits.denialsPerWindow + 50; i++) {
    await assert.rejects(gate.admit(peerId, 'nonsense', study), { code: 'forbidden' })
  }
  assert.equal(holder.world.audit.length, streamLimits.denialsPerWindow)
  holder.world.now += streamLimits.denialWindowMs
  await assert.rejects(gate.admit(peerId, 'nonsense', study), { code: 'forbidden' })
  assert.equal(holder.world.audit.length, streamLimits.denialsPerWindow + 1)
  holder.world.now -= 400 * 24 * hour
  await assert.rejects(gate.admit(peerId, 'nonsense', study), { code: 'forbidden' })
  assert.equal(holder.world.audit.length, streamLimits.denialsPerWindow + 2, 'a mended time')
})
