import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { FormDate } from '#protocol/fields/dates.ts'
import { maskSnils } from '#protocol/fields/snils.ts'
import { text } from '#protocol/fields/text.ts'
import { OrganizationOid, Ulid } from '#protocol/ids.ts'
import { Checklist, conditionCodes, missing, organizationStates } from '#protocol/organization.ts'
import { Card, NewPerson } from '../../organizations.ts'
import type { Organizations, OrganizationView } from '../../organizations.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, defineRoute, formRoles, isOperator, operatorRoles, type Route } from '../routes.ts'

const View = z.strictObject({
  card: z.looseObject(Card.shape),
  state: z.enum(organizationStates),
  checklist: Checklist,
  /** What is still to be done before it is connected. */
  missing: z.array(z.enum(conditionCodes)),
})

const ByOid = z.strictObject({ oid: OrganizationOid })

function show({ card, state, checklist }: OrganizationView): z.infer<typeof View> {
  const persons = card.persons.map((person) =>
    person.snils === undefined ? person : { ...person, snils: maskSnils(person.snils) },
  )
  return { card: { ...card, persons }, state, checklist, missing: missing(checklist) }
}

/** Cards of organizations, their responsible persons, and what they still lack (J-1…J-6). */
export function organizationRoutes({ organizations }: { organizations: Organizations }): Route[] {
  const find = async (oid: OrganizationOid, user: SessionUser): Promise<OrganizationView> => {
    const view = await organizations.view(oid)
    const mayRead = isOperator(user) || user.account.organization === oid
    if (view !== undefined && mayRead) return view
    throw new ProtocolError('not_found', 'no such organization')
  }
  return [
    defineRoute({
      method: 'get',
      path: '/api/organizations',
      summary: 'Organizations with their states and checklists',
      access: formRoles,
      answer: z.strictObject({ organizations: z.array(View) }),
      async handle({ user }) {
        const all = await organizations.all()
        const own = all.filter(
          ({ card }) => isOperator(user) || card.oid === user.account.organization,
        )
        return { organizations: own.map(show) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/organizations/:oid',
      summary: 'An organization',
      access: formRoles,
      params: ByOid,
      answer: View,
      handle: async ({ params, user }) => show(await find(params.oid, user)),
    }),
    defineRoute({
      method: 'post',
      path: '/api/organizations/:oid/checklist',
      summary: 'Vouch for a condition of connection, by a document',
      access: operatorRoles,
      params: ByOid,
      body: z.strictObject({
        code: z.enum(conditionCodes),
        state: z.enum(['missing', 'fulfilled', 'not_required']),
        basis: text(500, 3),
        date: FormDate,
      }),
      answer: View,
      async handle({ params, body, user }) {
        const { code, ...condition } = body
        const who = by(user)
        await organizations.attest(
          params.oid,
          { code, condition: { ...condition, by: who.actor.name } },
          who,
        )
        return show(await find(params.oid, user))
      },
    }),
    namesRoute(organizations),
    ...personRoutes(organizations, find),
    connectionRoute(organizations, find),
  ]
}

/** Whom a form № 5 may name: no more than a letterhead says. */
const namesRoute = (organizations: Organizations): Route =>
  defineRoute({
    method: 'get',
    path: '/api/organization-names',
    summary: 'Names of all organizations, and whether they are connected',
    access: formRoles,
    answer: z.strictObject({
      organizations: z.array(
        z.strictObject({ oid: OrganizationOid, name: z.string(), isConnected: z.boolean() }),
      ),
    }),
    async handle() {
      const all = await organizations.all()
      return {
        organizations: all.map(({ card: { oid, fullName }, state }) => ({
          oid,
          name: fullName,
          isConnected: state === 'connected',
        })),
      }
    },
  })

function connectionRoute(
  organizations: Organizations,
  find: (oid: OrganizationOid, user: SessionUser) => Promise<OrganizationView>,
): Route {
  return defineRoute({
    method: 'post',
    path: '/api/organizations/:oid/connection',
    summary: 'End an organization’s connection, or take it up again',
    access: ['cami_admin'],
    params: ByOid,
    body: z.strictObject({ isDisconnected: z.boolean() }),
    answer: View,
    async handle({ params, body, user }) {
      await organizations.setDisconnected(params.oid, body.isDisconnected, by(user))
      return show(await find(params.oid, user))
    },
  })
}

function personRoutes(
  organizations: Organizations,
  find: (oid: OrganizationOid, user: SessionUser) => Promise<OrganizationView>,
): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/organizations/:oid/persons',
      summary: 'Enter a responsible person',
      access: formRoles,
      params: ByOid,
      body: NewPerson,
      answer: View,
      async handle({ params, body, user }) {
        const { card } = await find(params.oid, user)
        await organizations.appoint(card.oid, body, by(user))
        return show(await find(params.oid, user))
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/api/organizations/:oid/persons/:person',
      summary: 'A responsible person is one no more; the entry stays with its last day',
      access: formRoles,
      params: ByOid.extend({ person: Ulid }),
      answer: View,
      async handle({ params, user }) {
        const { card } = await find(params.oid, user)
        await organizations.dismiss(card.oid, params.person, by(user))
        return show(await find(params.oid, user))
      },
    }),
  ]
}
