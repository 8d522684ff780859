import { ProtocolError } from '#protocol/errors.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { ulid } from '#protocol/ids.ts'
import { advanceRestriction, isInForce, Restriction } from '#protocol/restriction.ts'
import type {
  RestrictionAction,
  RestrictionEffect,
  RestrictionInput,
  RestrictionRecord,
} from '#protocol/restriction.ts'
import { createTurns } from '#protocol/turns.ts'
import { createDesk } from './desk.ts'
import type { Desk } from './desk.ts'
import { forEach } from './each.ts'
import type { NewNotice, Notices, Owed } from './notices.ts'
import { byOf } from './office.ts'
import type { By, Office } from './office.ts'
import type { Organizations } from './organizations.ts'
import type { Store } from './store/store.ts'

/** Раздел 10: what is limited, why, and until what is put right. Intake at the node is never touched. */
export type Restrictions = {
  get(id: string): Promise<Restriction>
  all(): Promise<Restriction[]>
  propose(input: RestrictionInput, by: By): Promise<Restriction>
  act(id: string, action: RestrictionAction, by: By): Promise<Restriction>
  isRestricted(oid: OrganizationOid): Promise<boolean>
  /** As the organization's node gets them. */
  records(oid: OrganizationOid): Promise<RestrictionRecord[]>
  /** Whether its node has not heard yet of what stands: a suspended one is let in for that alone. */
  isUntold(oid: OrganizationOid): boolean
  told(oid: OrganizationOid): Promise<void>
  /** What stands against it has changed in something that is kept elsewhere. */
  tellAgain(oid: OrganizationOid): Promise<void>
  /** Makes the federation's state follow what stands here, after a crash. */
  resume(): Promise<void>
}

type Deps = {
  office: Office
  organizations: () => Pick<Organizations, 'view'>
  notices: { issue(notice: NewNotice, by: By): Promise<unknown> } & Pick<Notices, 'makeUp'>
  suspend: (oid: OrganizationOid, off: boolean) => Promise<void>
  isSuspended: (oid: OrganizationOid) => boolean
  /** Studies of others that it may read all the same. */
  cito: (oid: OrganizationOid) => NonNullable<RestrictionRecord['cito']>
  /** The node should ask again. */
  changed: (oid: OrganizationOid) => void
}

const untoldKey = (oid: string): string => `untold/${oid}`

export async function openRestrictions(deps: Deps): Promise<Restrictions> {
  const { office } = deps
  const { store, inTurn } = office
  const desk = createDesk<Restriction, RestrictionAction, null, RestrictionEffect>({
    office,
    kind: 'restriction',
    schema: Restriction,
    advance: advanceRestriction,
    facts: async () => null,
  })
  const untold = await readUntold(store)
  const standing = async (oid: OrganizationOid) =>
    (await desk.all()).filter((one) => one.organization === oid && isInForce(one))
  const isClosed = async (oid: OrganizationOid) =>
    (await standing(oid)).some(({ scope }) => scope !== 'proxy')
  const tellAgain = async (oid: OrganizationOid): Promise<void> => {
    await store.write([{ put: untoldKey(oid), value: 'restrictions' }])
    untold.add(oid)
    deps.changed(oid)
  }
  // What stands is read and followed in one turn: an earlier reading must not be followed later.
  const following = createTurns()
  const follow = (oid: OrganizationOid): Promise<void> =>
    following(async () => {
      await tellAgain(oid)
      await deps.suspend(oid, await isClosed(oid))
    })
  return {
    get: desk.get,
    all: desk.all,
    propose: (input, by) => inTurn(() => propose(deps, desk, { input, by })),
    async act(id, action, by) {
      const { form, effects } = await desk.act(id, action, by)
      for (const { type } of effects) {
        if (type === 'restrict' || type === 'restore') await follow(form.organization)
        if (type === 'tell_organization') await deps.notices.issue(await letterOf(form, deps), by)
      }
      return form
    },
    isRestricted: async (oid) => (await standing(oid)).length > 0,
    tellAgain,
    async records(oid) {
      const cito = deps.cito(oid)
      return (await standing(oid)).map((one) => recordOf(one, cito))
    },
    isUntold: (oid) => untold.has(oid),
    async told(oid) {
      if (!untold.delete(oid)) return
      await store.write([{ del: untoldKey(oid) }])
    },
    async resume() {
      const limited = (await desk.all()).filter(({ status }) => status !== 'proposed')
      const organizations = new Set(limited.map(({ organization }) => organization))
      const states = () =>
        forEach(organizations, async (oid) => {
          if (deps.isSuspended(oid) !== (await isClosed(oid))) await follow(oid)
        })
      const letters = () =>
        deps.notices.makeUp(limited, async (one) => [await lastLetterOf(one, deps)])
      await forEach([states, letters], (work) => work())
    },
  }
}

const recordOf = (
  { number, scope, level, clause, reason, remedy, start }: Restriction,
  cito: NonNullable<RestrictionRecord['cito']>,
): RestrictionRecord => ({
  number,
  scope,
  level,
  clause,
  reason,
  remedy,
  start,
  ...(scope !== 'proxy' && cito.length > 0 && { cito }),
})

async function readUntold(store: Store): Promise<Set<string>> {
  const rows = await store.list(untoldKey(''), { limit: 1000 })
  return new Set(rows.map(({ key }) => key.slice(untoldKey('').length)))
}

type RestrictionDesk = Desk<Restriction, RestrictionAction, RestrictionEffect>

async function propose(
  { office, organizations }: Deps,
  desk: RestrictionDesk,
  { input, by }: { input: RestrictionInput; by: By },
): Promise<Restriction> {
  const { clock, random, numbers } = office
  if ((await organizations().view(input.organization)) === undefined) {
    throw new ProtocolError('not_found', 'no such organization')
  }
  const { number, write } = await numbers.next('restriction', dayOf(clock()).slice(0, 4))
  const restriction: Restriction = {
    ...input,
    id: ulid(clock(), random(10)),
    number,
    status: 'proposed',
    evidence: [],
    proof: [],
    proposedBy: by.actor,
    history: [],
  }
  return await desk.add(restriction, by, [write])
}

/** The letter of the last step; one that was discarded told nobody anything. */
async function lastLetterOf(restriction: Restriction, deps: Deps): Promise<Owed> {
  const by = byOf(restriction, isInForce(restriction) ? 'impose' : 'lift')
  return { notice: await letterOf(restriction, deps), by }
}

/** The letter for which the order has no form. */
async function letterOf(
  restriction: Restriction,
  { organizations, office }: Deps,
): Promise<NewNotice> {
  const { organization, scope, level, clause, reason, remedy, start, number } = restriction
  const card = (await organizations().view(organization))?.card
  const organizationName = card?.fullName ?? organization
  const isLifted = restriction.status === 'lifted'
  const liftedAt = restriction.history.findLast(({ action }) => action === 'lift')?.at
  const content = isLifted
    ? ({
        kind: 'restoration_notice',
        organizationName,
        restrictionNumber: number,
        clause,
        liftedOn: dayOf(liftedAt ?? office.clock()),
      } as const)
    : ({
        kind: 'restriction_notice',
        organizationName,
        scope,
        level,
        clause,
        reason,
        remedy,
        start,
      } as const)
  return { content, source: restriction.id, recipient: card?.email, organization }
}
