import type { EventParams } from '#protocol/control.ts'
import { epochKind } from '#protocol/epoch.ts'
import type { Beat, Epoch } from '#protocol/epoch.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { REGISTRY, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, Sha256 } from '#protocol/ids.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { isListed, readGrants, removalOf } from './grant-rows.ts'
import type { GrantRow } from './grant-rows.ts'
import type { Store, Write } from './store/store.ts'
import type { Journal, LogHead, NewEntry } from './transparency/journal.ts'
import type { Trust } from './trust.ts'
import { createTurns } from '#protocol/turns.ts'
import { secondsOf, toleranceMs } from '#protocol/times.ts'
import type { Withdrawals } from './withdrawals.ts'

/**
 * The grant-set epochs: for each holder the full, signed set of grants of one moment. A holder serves nobody on a
 * set that is older than the policy allows, so the newest one is confirmed by a beat every minute.
 */
export type Epochs = {
  /** The newest epoch of a holder and the active grants in it. */
  current(holder: OrganizationOid): Promise<EventParams<'epoch'>>
  beat(holder: OrganizationOid): Promise<string>
  /** Makes the next epoch, in one write with the change that calls for it, and pushes it to the holder. */
  bump(holder: OrganizationOid, change: Change): Promise<void>
  /** Renews an epoch that would run out, that is of the future, or that does not say who is out as the configuration now has it. */
  renew(holder: OrganizationOid): Promise<void>
}
/** Runs in the holder's turn: reads what stands and says what to write and whose grant tokens the holder must get. */
export type Change = () => Promise<{
  writes: Write[]
  changed: GrantRow[]
  /** For the transparency log. */
  entries?: NewEntry[]
}>
export const noChange: Change = () => Promise.resolve({ writes: [], changed: [] })

type Issued = { token: string; claims: Epoch; digest: Sha256 }

const keptEpochs = 16

type Deps = {
  store: Store
  journal: Journal
  signer: Signer
  trust: Trust
  withdrawals: Withdrawals
  /** Studies that suspended organizations may read of a holder. */
  cito: (holder: OrganizationOid) => NonNullable<Epoch['cito']>
  clock: () => number
  announce: (holder: OrganizationOid, params: EventParams<'epoch'>) => void
}

export function createEpochs(deps: Deps): Epochs {
  const { store, signer, clock } = deps
  const known = new Map<OrganizationOid, Issued>()
  const inTurn = createTurns()

  const newest = async (holder: OrganizationOid): Promise<Issued | undefined> => {
    const issued = known.get(holder) ?? (await readNewest(store, holder))
    if (issued !== undefined) known.set(holder, issued)
    return issued
  }
  const issue = async (holder: OrganizationOid, change: Change): Promise<Issued> => {
    const { writes, changed, entries = [] } = await change()
    const rows = await grantsAfter(store, holder, changed)
    const before = await newest(holder)
    const made: Issued[] = []
    await deps.journal.write([...entries, ...expiries(rows, clock())], async (log) => {
      const issued = await sign(signer, claimsOf(deps, { holder, rows, before, log }))
      made.push(issued)
      return [...writes, ...(await rotation(store, holder, issued, { rows, now: clock() }))]
    })
    const [issued] = made
    if (issued === undefined) throw new ProtocolError('internal', 'no epoch was made')
    known.set(holder, issued)
    const grants = changed.filter((row) => row.active).map((row) => row.token)
    deps.announce(holder, { epoch: issued.token, grants })
    return issued
  }
  const current = async (holder: OrganizationOid): Promise<Issued> =>
    (await newest(holder)) ?? (await issue(holder, noChange))

  return {
    current: (holder) =>
      inTurn(async () => {
        const { token } = await current(holder)
        const rows = await readGrants(store, holder)
        const live = rows.filter((row) => row.active && isListed(row, clock()))
        return { epoch: token, grants: live.map((row) => row.token) }
      }),
    beat: (holder) =>
      inTurn(async () => {
        const { claims, digest } = await current(holder)
        const { aud, epoch } = claims
        const iat = secondsOf(clock())
        const beat: Beat = { iss: REGISTRY, aud, epoch, sha256: digest, iat }
        return await signer.sign('cami-beat+jwt', beat)
      }),
    async bump(holder, change) {
      await inTurn(() => issue(holder, change))
    },
    async renew(holder) {
      await inTurn(async () => {
        const { claims } = await current(holder)
        const isAging = 2 * secondsOf(clock()) >= claims.iat + claims.exp
        // Made while the clock was ahead: no holder takes it before its time.
        const isEarly = claims.iat * 1000 > clock() + toleranceMs
        if (isAging || isEarly || !isTrue(claims, deps, holder)) await issue(holder, noChange)
      })
    },
  }
}

/** Whether it says who is out as it now is, and for which study all the same. */
function isTrue(claims: Epoch, { withdrawals, cito }: Deps, holder: OrganizationOid): boolean {
  const { users_off, mo_off, kid_off } = claims
  const idsOf = (rows: Epoch['cito']) => rows?.map(({ id }) => id).join() ?? ''
  const now = outOf(withdrawals)
  return (
    users_off.join() === now.users_off.join() &&
    mo_off.join() === now.mo_off.join() &&
    kid_off.join() === now.kid_off.join() &&
    idsOf(claims.cito) === idsOf(cito(holder))
  )
}

const outOf = (withdrawals: Withdrawals) => ({
  users_off: withdrawals.users(),
  mo_off: withdrawals.organizations().map(urnOf),
  kid_off: withdrawals.kids(),
})

async function readNewest(store: Store, holder: OrganizationOid): Promise<Issued | undefined> {
  const row = await store.last(`epoch/${holder}/`)
  if (row === undefined) return undefined
  const { claims } = decodeToken(row.value, epochKind)
  return { token: row.value, claims, digest: await tokenDigest(row.value) }
}

async function sign(signer: Signer, claims: Epoch): Promise<Issued> {
  const token = await signer.sign('cami-epoch+jwt', claims)
  // What does not fit the schema (too many rows) fails here, before anything is written.
  decodeToken(token, epochKind)
  return { token, claims, digest: await tokenDigest(token) }
}

function claimsOf(
  { trust, withdrawals, cito, clock }: Deps,
  what: {
    holder: OrganizationOid
    rows: readonly GrantRow[]
    before: Issued | undefined
    log: LogHead | undefined
  },
): Epoch {
  const iat = secondsOf(clock())
  const open = cito(what.holder)
  return {
    iss: REGISTRY,
    aud: urnOf(what.holder),
    ...(what.before === undefined ? { epoch: 1 } : successorOf(what.before, iat)),
    grants: what.rows
      .filter((row) => isListed(row, clock()))
      .map(({ jti, ver, digest, active }) => [jti, ver, digest, active ? 'active' : 'revoked']),
    ...outOf(withdrawals),
    ...(open.length > 0 && { cito: open }),
    ...(what.log !== undefined && { log: what.log }),
    iat,
    exp: iat + trust.list().policy.staleAfterHours * 3600,
  }
}

const expiries = (rows: readonly GrantRow[], now: number): NewEntry[] =>
  rows
    .filter((row) => !isListed(row, now))
    .map(({ jti }): NewEntry => ({ kind: 'grant-end', jti, by: 'expiry' }))

/** The new epoch in, old ones and grants that have run out out. */
async function rotation(
  store: Store,
  holder: OrganizationOid,
  { token, claims }: Issued,
  { rows, now }: { rows: readonly GrantRow[]; now: number },
): Promise<Write[]> {
  const old = await store.list(`epoch/${holder}/`, { limit: 2 * keptEpochs })
  return [
    { put: `epoch/${holder}/${String(claims.epoch).padStart(16, '0')}`, value: token },
    ...old.slice(0, Math.max(0, old.length - keptEpochs)).map(({ key }) => ({ del: key })),
    ...rows.filter((row) => !isListed(row, now)).flatMap(removalOf),
  ]
}

/**
 * Not below the time: a registry that was restored from an old backup must not give a number that it used since then to
 * another set.
 */
function successorOf(before: Issued, iat: number): Pick<Epoch, 'epoch' | 'prev'> {
  return { epoch: Math.max(before.claims.epoch + 1, iat), prev: before.digest }
}

async function grantsAfter(
  store: Store,
  holder: OrganizationOid,
  changed: readonly GrantRow[],
): Promise<GrantRow[]> {
  const rows = new Map((await readGrants(store, holder)).map((row) => [row.jti, row]))
  for (const row of changed) rows.set(row.jti, row)
  return [...rows.values()]
}
