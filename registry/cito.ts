import { z } from 'zod'
import type { Epoch } from '#protocol/epoch.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { text } from '#protocol/fields/text.ts'
import { OrganizationOid, StudyUid, Ulid, ulid, urnOf } from '#protocol/ids.ts'
import { citoLimits } from '#protocol/limits.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import type { By, Office } from './office.ts'
import type { Operator } from './operator.ts'
import { createRows } from './rows.ts'
import type { NewEntry } from './transparency/journal.ts'
import { secondsOf } from '#protocol/times.ts'

export const CitoInput = z.strictObject({
  /** Who is suspended, and reads all the same. */
  organization: OrganizationOid,
  holder: OrganizationOid,
  study: StudyUid,
  reason: text(2000, 20),
})
export type CitoInput = z.infer<typeof CitoInput>

/** The operator's word that a suspended organization reads one study of one holder, for a day (US-9, W-2). */
export const Cito = CitoInput.extend({
  id: Ulid,
  /** Account of who said so. */
  by: z.string(),
  /** Milliseconds. */
  openedAt: z.int(),
  until: z.int(),
  withdrawnAt: z.int().exactOptional(),
})
export type Cito = z.infer<typeof Cito>

/** It opens nothing by itself: the holder's grant must name the user and cover the study, as for everybody. */
export type Citos = {
  /** The newest first. */
  all(): Cito[]
  isOpen(cito: Cito): boolean
  /** Throws `conflict` where there is nothing to override. */
  open(input: CitoInput, by: By): Promise<Cito>
  withdraw(id: string, by: By): Promise<Cito>
  /** What the holder's epoch says now. */
  of(holder: OrganizationOid): NonNullable<Epoch['cito']>
  /** What the suspended organization's own node is told. */
  records(organization: OrganizationOid): NonNullable<RestrictionRecord['cito']>
}

export async function openCitos(deps: {
  office: Office
  operator: () => Pick<Operator, 'isSuspended' | 'isMember' | 'renewEpoch'>
  /** The suspended organization's node is to ask again what limits it. */
  tell: (organization: OrganizationOid) => Promise<void>
}): Promise<Citos> {
  const { office, operator, tell } = deps
  const { audit, clock, random, inTurn } = office
  const rows = createRows(office, 'cito', Cito)
  const known = new Map((await rows.all()).map((one) => [one.id, one]))
  const isLive = ({ until, withdrawnAt }: Cito): boolean =>
    withdrawnAt === undefined && clock() < until
  const live = (): Cito[] => [...known.values()].filter(isLive)
  const keep = async (cito: Cito, by: By, act: 'open' | 'withdraw'): Promise<Cito> => {
    const { id, organization, holder } = cito
    const { actor, source } = by
    const who = { actor: actor.account, role: actor.role, source }
    const what = { action: `cito.${act}`, subject: id, outcome: 'success' as const }
    const detail = `${organization} at ${holder}`
    await audit.append({ ...who, ...what, detail }, [rows.write(id, cito)])
    known.set(id, cito)
    const state = act === 'open' ? 'opened' : 'withdrawn'
    const entry: NewEntry = { kind: 'cito', id, org: organization, holder, state }
    await operator().renewEpoch(holder, [entry])
    await tell(organization)
    return cito
  }
  return {
    all: () => [...known.values()].sort((a, b) => b.openedAt - a.openedAt),
    isOpen: isLive,
    open: (input, by) =>
      inTurn(async () => {
        const { organization, holder } = input
        const { isSuspended, isMember } = operator()
        const isBetween = holder !== organization && isMember(holder) && isMember(organization)
        if (!isBetween) throw new ProtocolError('not_found', 'no such two organizations')
        if (!isSuspended(organization) || isSuspended(holder)) {
          throw new ProtocolError('conflict', 'only for one that is suspended, at one that is not')
        }
        const others = live().filter((one) => one.holder === holder)
        if (others.length >= citoLimits.perHolderMax) {
          throw new ProtocolError('rate_limited', 'too many at this holder')
        }
        const openedAt = clock()
        const until = openedAt + citoLimits.lastsMs
        const id = ulid(openedAt, random(10))
        const cito = { ...input, id, by: by.actor.account, openedAt, until }
        return await keep(cito, by, 'open')
      }),
    withdraw: (id, by) =>
      inTurn(async () => {
        const cito = known.get(id)
        if (cito === undefined) throw new ProtocolError('not_found', 'no such override')
        if (!isLive(cito)) throw new ProtocolError('conflict', 'it is over')
        return await keep({ ...cito, withdrawnAt: clock() }, by, 'withdraw')
      }),
    of: (holder) =>
      live()
        .filter((one) => one.holder === holder)
        .map(({ id, organization, study, until }) => {
          return { id, org: urnOf(organization), study, until: secondsOf(until) }
        }),
    records: (organization) =>
      live()
        .filter((one) => one.organization === organization)
        .map(({ study, until }) => ({ study, until })),
  }
}
