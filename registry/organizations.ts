import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import type { EnrollmentContent } from '#protocol/enrollment.ts'
import { dayOf, FormDate } from '#protocol/fields/dates.ts'
import { Email } from '#protocol/fields/email.ts'
import { FullName } from '#protocol/fields/full-name.ts'
import { Phone } from '#protocol/fields/phone.ts'
import { Snils } from '#protocol/fields/snils.ts'
import { text } from '#protocol/fields/text.ts'
import { OrganizationOid, ulid, Ulid } from '#protocol/ids.ts'
import {
  conditionCodes,
  Condition,
  emptyChecklist,
  organizationState,
} from '#protocol/organization.ts'
import type { Checklist, ConditionCode, OrganizationState } from '#protocol/organization.ts'
import type { By, Office } from './office.ts'
import { createRows } from './rows.ts'
import type { Rows } from './rows.ts'

/** Who answers for what (order, point 3.1). */
export const ResponsiblePerson = z.strictObject({
  id: Ulid,
  kind: z.enum(['mo_admin', 'technical', 'consult_organizer', 'consult_performer']),
  fullName: FullName,
  snils: Snils.exactOptional(),
  position: text(200),
  phone: Phone,
  email: Email,
  /** The order that appoints the person. */
  basis: text(300).exactOptional(),
  from: FormDate,
  to: FormDate.exactOptional(),
})
export type ResponsiblePerson = z.infer<typeof ResponsiblePerson>

export const Card = z.strictObject({
  oid: OrganizationOid,
  fullName: text(500),
  address: text(500).exactOptional(),
  phone: Phone.exactOptional(),
  email: Email.exactOptional(),
  /** The approved form № 1. */
  enrolledBy: Ulid.exactOptional(),
  appliedBy: Ulid.exactOptional(),
  persons: z.array(ResponsiblePerson).max(500),
  /** Conditions that the operator vouches for, by a document. */
  attested: z.partialRecord(z.enum(conditionCodes), Condition),
  isDisconnected: z.boolean(),
})
export type Card = z.infer<typeof Card>

export const NewPerson = ResponsiblePerson.omit({ id: true, to: true })

/** What other parts know of an organization. */
export type OrganizationSources = {
  hasDevice(oid: OrganizationOid): Promise<boolean>
  hasAccessRequest(oid: OrganizationOid): Promise<boolean>
  isRestricted(oid: OrganizationOid): Promise<boolean>
}

export type OrganizationView = { card: Card; state: OrganizationState; checklist: Checklist }

export type Organizations = {
  view(oid: OrganizationOid): Promise<OrganizationView | undefined>
  all(): Promise<OrganizationView[]>
  isConnected(oid: OrganizationOid): Promise<boolean>
  /** For members whose credential is published without a form № 1 here. */
  know(oid: OrganizationOid, name: string): Promise<void>
  applied(content: EnrollmentContent, form: string): Promise<void>
  enroll(content: EnrollmentContent, form: string): Promise<void>
  attest(
    oid: OrganizationOid,
    what: { code: ConditionCode; condition: Condition },
    by: By,
  ): Promise<Card>
  appoint(oid: OrganizationOid, person: z.infer<typeof NewPerson>, by: By): Promise<Card>
  dismiss(oid: OrganizationOid, person: string, by: By): Promise<Card>
  setDisconnected(oid: OrganizationOid, isDisconnected: boolean, by: By): Promise<Card>
}

export function createOrganizations(office: Office, sources: OrganizationSources): Organizations {
  const { audit, clock, random, inTurn } = office
  const rows = createRows(office, 'organization', Card)
  const today = () => dayOf(clock())
  const known = async (oid: OrganizationOid): Promise<Card> => {
    const card = await rows.get(oid)
    if (card === undefined) throw new ProtocolError('not_found', 'no such organization')
    return card
  }
  const change = (oid: OrganizationOid, action: string, by: By, to: (card: Card) => Card) =>
    inTurn(async () => {
      const card = to(await known(oid))
      const { actor, source } = by
      const record = { actor: actor.account, role: actor.role, source, subject: oid }
      await audit.append({ ...record, action: `organization.${action}`, outcome: 'success' }, [
        rows.write(oid, Card.parse(card)),
      ])
      return card
    })
  const viewOf = async (card: Card): Promise<OrganizationView> => {
    const checklist = await checklistOf(card, { sources, today: today() })
    const state = organizationState({
      hasApplied: card.appliedBy !== undefined,
      isEnrolled: checklist['J-2'].state === 'fulfilled',
      checklist,
      isRestricted: await sources.isRestricted(card.oid),
      isDisconnected: card.isDisconnected,
    })
    return { card, state, checklist }
  }
  const view: Organizations['view'] = async (oid) => {
    const card = await rows.get(oid)
    return card === undefined ? undefined : await viewOf(card)
  }
  return {
    view,
    all: async () => await Promise.all((await rows.all()).map(viewOf)),
    isConnected: async (oid) => (await view(oid))?.state === 'connected',
    know: (oid, fullName) =>
      inTurn(async () => {
        if ((await rows.get(oid)) !== undefined) return
        const card: Card = { oid, fullName, persons: [], attested: {}, isDisconnected: false }
        await office.store.write([rows.write(oid, card)])
      }),
    applied: (content, form) => inTurn(() => writeApplied(office, rows, { content, form })),
    enroll: (content, form) => inTurn(() => writeEnrolled(office, rows, { content, form })),
    attest: (oid, { code, condition }, by) =>
      change(oid, `attest ${code}`, by, (card) => {
        if (condition.state === 'not_required' && code !== 'J-4') {
          throw new ProtocolError('bad_request', 'only J-4 may be not required')
        }
        return { ...card, attested: { ...card.attested, [code]: condition } }
      }),
    appoint: (oid, person, by) =>
      change(oid, 'appoint', by, (card) => ({
        ...card,
        persons: [...card.persons, { ...person, id: ulid(clock(), random(10)) }],
      })),
    dismiss: (oid, person, by) =>
      change(oid, 'dismiss', by, (card) => dismissed(card, person, today())),
    setDisconnected: (oid, isDisconnected, by) =>
      change(oid, isDisconnected ? 'disconnect' : 'reconnect', by, (card) => ({
        ...card,
        isDisconnected,
      })),
  }
}

/** Once: the last day stays. */
function dismissed(card: Card, person: string, today: string): Card {
  if (!card.persons.some(({ id }) => id === person)) {
    throw new ProtocolError('not_found', 'no such person')
  }
  const last = (one: ResponsiblePerson) =>
    one.id === person ? { ...one, to: one.to ?? today } : one
  return { ...card, persons: card.persons.map(last) }
}

type Enrolling = { content: EnrollmentContent; form: string }

async function writeApplied(
  { store }: Office,
  rows: Rows<Card>,
  { content, form }: Enrolling,
): Promise<void> {
  const card = await rows.get(content.organization.frmoOid)
  if (card?.enrolledBy !== undefined) return
  const next = { ...newCard(content), ...card, appliedBy: form }
  await store.write([rows.write(next.oid, next)])
}

/** The same form again changes nothing. */
async function writeEnrolled(
  { store, clock, random }: Office,
  rows: Rows<Card>,
  { content, form }: Enrolling,
): Promise<void> {
  const card = await rows.get(content.organization.frmoOid)
  if (card?.enrolledBy === form) return
  const appointed = content.persons.map((person): ResponsiblePerson => {
    const { responsibility: kind, ...rest } = person
    return { id: ulid(clock(), random(10)), kind, ...rest, from: content.documentDate }
  })
  const persons = [...(card?.persons ?? []), ...appointed]
  const next = { ...card, ...newCard(content), attested: card?.attested ?? {}, persons }
  await store.write([rows.write(next.oid, { ...next, enrolledBy: form })])
}

function newCard({ organization }: EnrollmentContent): Card {
  const { frmoOid: oid, ...rest } = organization
  return { oid, ...rest, persons: [], attested: {}, isDisconnected: false }
}

/** What forms show counts by itself; the rest, and what was on paper before, is vouched for. */
async function checklistOf(
  card: Card,
  { sources, today }: { sources: OrganizationSources; today: string },
): Promise<Checklist> {
  const checklist: Checklist = { ...emptyChecklist(), ...card.attested }
  const by = (basis: string): Condition => ({ state: 'fulfilled', basis })
  const active = card.persons.filter(({ to }) => to === undefined || to > today)
  if (active.some(({ kind }) => kind === 'mo_admin' || kind === 'technical')) {
    checklist['J-1'] = by('реестр ответственных лиц')
  }
  if (card.enrolledBy !== undefined) checklist['J-2'] = by('форма № 1')
  if (await sources.hasDevice(card.oid)) checklist['J-3'] = by('форма № 4')
  if (await sources.hasAccessRequest(card.oid)) checklist['J-4'] = by('форма № 5')
  return checklist
}
