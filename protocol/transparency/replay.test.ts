import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntry, encodeEntry } from './entries.ts'
import type { LogEntry } from './entries.ts'
import { createLogWorld } from './log.fixture.ts'
import { emptyState, LogState, replay } from './replay.ts'

const world = await createLogWorld()
const { at, beginning, holder, grantee, sign, claims, authority, issuer, stranger } = world
const grant = await sign.grant()
const jti = claims.grantRequest().jti

async function play(entries: readonly LogEntry[], from = emptyState): Promise<LogState> {
  let state = from
  for (const entry of entries) state = await replay(state, entry, authority.kid)
  return state
}
const begun = await play(beginning)
const granted = await play([{ kind: 'grant', at, token: grant }], begun)

test('entries amount to who is in, what is granted, and what has ended', async () => {
  const state = await play(
    [
      { kind: 'suspension', at, org: grantee.oid, state: 'imposed' },
      { kind: 'suspension', at, org: grantee.oid, state: 'lifted' },
      { kind: 'grant-end', at, jti, by: 'holder' },
      { kind: 'key-revocation', at, kid: stranger.kid },
      { kind: 'audit-head', at, org: holder.oid, seq: 7, digest: 'ab'.repeat(32) as never },
      { kind: 'manifest', at, sha256: 'cd'.repeat(32) as never },
    ],
    granted,
  )
  assert.equal(state.size, 11)
  assert.equal(state.grants[jti]?.ended, 7)
  assert.equal(state.revoked[stranger.kid], 8)
  assert.deepEqual(state.suspended, {})
  assert.equal(state.heads[holder.oid]?.seq, 7)
  assert.deepEqual(LogState.parse(JSON.parse(JSON.stringify(state))), state)
})

const other = { kind: 'key-revocation', at, kid: holder.kid } as const
const cases: Record<string, () => Promise<[LogState, LogEntry]>> = {
  'an entry of an earlier time': async () => [begun, { ...other, at: at - 1 }],
  'a credential before any trust list': async () => [emptyState, beginning[1] as LogEntry],
  'a trust list of another root': async () => [
    emptyState,
    {
      kind: 'trust-list',
      at,
      token: await issuer.signer.sign('cami-trust+jwt', claims.trustList()),
    },
  ],
  'the same trust list twice': async () => [begun, beginning[0] as LogEntry],
  'a credential of a revoked key': async () => [
    await play([other], begun),
    { kind: 'credential', at, token: await sign.credential(holder, { name: 'Другое имя' }) },
  ],
  'a key of another organization': async () => [
    begun,
    { kind: 'credential', at, token: await sign.credential(holder, { sub: stranger.urn }) },
  ],
  'an older credential': async () => [
    begun,
    { kind: 'credential', at, token: await sign.credential(holder, { iat: at - 2 * 86_400 }) },
  ],
  'a grant that the registry made up': async () => {
    const req = await stranger.signer.sign('cami-grant-req+jwt', claims.grantRequest())
    const token = await issuer.signer.sign('cami-grant+jwt', claims.grant(req))
    return [begun, { kind: 'grant', at, token }]
  },
  'a grant signed with a revoked key': async () => [
    await play([other], begun),
    { kind: 'grant', at, token: grant },
  ],
  'a grant to a key that is not the grantee’s': async () => [
    begun,
    { kind: 'grant', at, token: await sign.grant({}, { sub_kid: [stranger.kid] }) },
  ],
  'a grant that lasts too long': async () => {
    const exp = at + 500 * 86_400
    return [begun, { kind: 'grant', at, token: await sign.grant({ exp }, { exp }) }]
  },
  'a grant of the same version': async () => [granted, { kind: 'grant', at, token: grant }],
  'the end of an unknown grant': async () => [begun, { kind: 'grant-end', at, jti, by: 'holder' }],
  'a grant that has not run out': async () => [
    granted,
    { kind: 'grant-end', at, jti, by: 'expiry' },
  ],
  'lifting what was not imposed': async () => [
    begun,
    { kind: 'suspension', at, org: grantee.oid, state: 'lifted' },
  ],
  'a key revoked twice': async () => [await play([other], begun), other],
  'an audit that went backwards': async () => {
    const head = {
      kind: 'audit-head',
      at,
      org: holder.oid,
      seq: 7,
      digest: 'ab'.repeat(32),
    } as const
    return [await play([head as LogEntry], begun), { ...head, seq: 6 } as LogEntry]
  },
}
const { successor } = world
const change = { kind: 'rekey', at, token: await sign.rekey() } as const
const nextKey = { peer_id: successor.peerId, cnf: { jwk: successor.jwk }, iat: at }
const followed = async (over = {}) =>
  ({
    kind: 'credential',
    at,
    token: await sign.credential(grantee, { ...nextKey, prev_kid: grantee.kid, ...over }),
  }) as const

test('a key changes by the word of both keys, then by a credential that names the one before', async () => {
  const state = await play([change, await followed()], begun)
  assert.equal(state.credentials[grantee.oid]?.kid, successor.kid)
  assert.deepEqual(state.follows[successor.kid]?.prev, grantee.kid)
  assert.deepEqual(LogState.parse(JSON.parse(JSON.stringify(state))), state)
  const { follows: _, lost: __, ...before } = state
  assert.deepEqual(LogState.parse(before), { ...before, follows: {}, lost: {} })
})

test('after a theft a new key waits for a day that everybody can see', async () => {
  const theft = { kind: 'key-revocation', at, kid: grantee.kid } as const
  const lost = await play([theft], begun)
  const anew = async (later: number) =>
    ({
      kind: 'credential',
      at: at + later,
      token: await sign.credential(grantee, { ...nextKey, iat: at }),
    }) as const
  await assert.rejects(play([await anew(86_399)], lost), { code: 'conflict' })
  const state = await play([await anew(86_400)], lost)
  assert.equal(state.credentials[grantee.oid]?.kid, successor.kid)
  assert.deepEqual(state.lost, {})
  // Grants pin the key that was stolen; the holder has to name the new one.
  const late = { kind: 'grant', at: at + 86_400, token: grant } as const
  await assert.rejects(play([late], state), { code: 'conflict' })
  const renewed = await sign.grant({}, { sub_kid: [successor.kid] })
  await play([{ ...late, token: renewed }], state)
})

Object.assign(cases, {
  'a key that names one before it, which has not said so': async () => [begun, await followed()],
  'a change of key by another organization': async () => [
    begun,
    { ...change, token: await sign.rekey({}, { old: stranger }) },
  ],
  'a change of key by a revoked key': async () => [
    await play([{ kind: 'key-revocation', at, kid: grantee.kid }], begun),
    change,
  ],
  'a change whose first key is revoked before the second is named': async () => [
    await play([change, { kind: 'key-revocation', at, kid: grantee.kid }], begun),
    await followed(),
  ],
  'a change to a key of somebody else': async () => [
    begun,
    { ...change, token: await sign.rekey({}, { next: holder }) },
  ],
  'a change of key twice': async () => [await play([change], begun), change],
} satisfies typeof cases)
for (const [name, make] of Object.entries(cases)) {
  test(`refused: ${name}`, async () => {
    const [state, entry] = await make()
    await assert.rejects(replay(state, entry, authority.kid), { name: 'ProtocolError' })
  })
}

test('a leaf has one spelling', () => {
  const entry: LogEntry = { kind: 'key-revocation', at, kid: holder.kid }
  const bytes = encodeEntry(entry)
  assert.deepEqual(decodeEntry(bytes), entry)
  const text = new TextDecoder().decode(bytes)
  for (const wrong of [` ${text}`, text.replace('{', '{"x":1,'), '{}', '[]', '']) {
    assert.throws(() => decodeEntry(new TextEncoder().encode(wrong)), { code: 'log_malformed' })
  }
})
