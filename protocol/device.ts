import { z } from 'zod'
import { NoticedDevice } from './device-notice.ts'
import { dayOf, FormDate } from './fields/dates.ts'
import { OrganizationOid, Ulid } from './ids.ts'
import { createAdvance, HistoryEntry, operators, refuse } from './life-cycle.ts'
import type { Context, Rules } from './life-cycle.ts'

/** The life of one apparatus, from its notice (form № 4) until it is taken out of service. */

export const deviceStates = [
  'announced',
  'testing',
  'scheduled',
  'broadcasting',
  'paused',
  'decommissioned',
] as const
export type DeviceState = (typeof deviceStates)[number]

export const RegisteredDevice = z.strictObject({
  id: Ulid,
  organization: OrganizationOid,
  /** The notice that announced it. */
  notice: Ulid,
  startDate: FormDate,
  status: z.enum(deviceStates),
  device: NoticedDevice,
  history: z.array(HistoryEntry),
})
export type RegisteredDevice = z.infer<typeof RegisteredDevice>

/** What the check of a connection showed (C-ECHO, a test object, its mandatory tags). */
export const DeviceChecks = z.strictObject({
  echo: z.boolean(),
  testObject: z.boolean(),
  tags: z.boolean(),
})

export const DeviceAction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('test') }),
  z.strictObject({ type: z.literal('pass'), checks: DeviceChecks }),
  /** The first real study on or after the start date. */
  z.strictObject({ type: z.literal('first_study') }),
  z.strictObject({ type: z.literal('pause') }),
  z.strictObject({ type: z.literal('resume') }),
  z.strictObject({ type: z.literal('decommission') }),
])
export type DeviceAction = z.infer<typeof DeviceAction>

export type DeviceEffect = { type: 'tell_operator' | 'update_node' }

const own = ['mo_admin', 'cami_operator', 'cami_admin', 'system'] as const

const isTooEarly = (form: RegisteredDevice, { now }: Context<unknown>) =>
  dayOf(now) < form.startDate ? refuse('too_early') : undefined

const rules: Rules<RegisteredDevice, DeviceAction, null, DeviceEffect> = {
  test: { from: ['announced', 'scheduled'], to: 'testing', by: own },
  pass: {
    from: ['testing'],
    to: 'scheduled',
    by: own,
    guard: (_, { checks }) =>
      checks.echo && checks.testObject && checks.tags ? undefined : refuse('checks_failed'),
    effects: () => [{ type: 'tell_operator' }],
  },
  first_study: {
    from: ['scheduled'],
    to: 'broadcasting',
    by: ['system'],
    guard: (form, _, context) => isTooEarly(form, context),
    effects: () => [{ type: 'tell_operator' }],
  },
  pause: {
    from: ['broadcasting'],
    to: 'paused',
    by: own,
    effects: () => [{ type: 'update_node' }],
  },
  resume: {
    from: ['paused'],
    to: 'broadcasting',
    by: own,
    guard: (form, _, context) => isTooEarly(form, context),
    effects: () => [{ type: 'update_node' }],
  },
  decommission: {
    from: ['announced', 'testing', 'scheduled', 'broadcasting', 'paused'],
    to: 'decommissioned',
    by: ['mo_admin', 'cami_operator', 'cami_admin'],
    effects: () => [{ type: 'update_node' }],
  },
}

/** The life cycle of a device (requirements, 2.4). */
export const advanceDevice = createAdvance(
  rules,
  (form, actor) =>
    operators.includes(actor.role) ||
    actor.role === 'system' ||
    actor.organization === form.organization,
)

/** A device as its organization's node gets it from the registry: who may send, and from when on. */
export const DeviceRecord = z.strictObject({
  id: z.string().min(1).max(64),
  aeTitle: z.string().min(1).max(16),
  addresses: z.array(z.string().max(64)).min(1).max(16),
  modality: z.string().max(16),
  /** Objects that come before it are quarantined. */
  startDate: z.iso.date(),
  status: z.enum(deviceStates),
})
export type DeviceRecord = z.infer<typeof DeviceRecord>
