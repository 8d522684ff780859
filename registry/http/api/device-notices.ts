import { z } from 'zod'
import { DeviceAction, RegisteredDevice } from '#protocol/device.ts'
import {
  DeviceNotice,
  DeviceNoticeAction,
  DeviceNoticeContent,
  deviceNoticeWarnings,
} from '#protocol/device-notice.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { FieldError } from '#protocol/fields/text.ts'
import { OrganizationOid } from '#protocol/ids.ts'
import type { OrganizationOid as Oid } from '#protocol/ids.ts'
import type { Attachments } from '../../attachments.ts'
import type { DeviceNotices, DeviceNoticeStep } from '../../device-notices.ts'
import { TechnicalData } from '../../devices.ts'
import type { Devices } from '../../devices.ts'
import { renderDeviceNotice } from '../../forms/applications.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, defineRoute, formRoles, isOperator, type Route } from '../routes.ts'
import { ById, formRoutes } from './forms.ts'

const View = DeviceNotice.extend({ warnings: z.array(FieldError) })

const Action = z.discriminatedUnion('type', [
  ...DeviceNoticeAction.options.filter(
    (option) => !['attach', 'register'].includes(option.shape.type.value),
  ),
  z.strictObject({
    type: z.literal('register'),
    incoming: DeviceNotice.shape.incoming.unwrap(),
  }),
] as never) as unknown as z.ZodType<DeviceNoticeStep>

/** Whose form it is: an organization's people file their own, the operator types in anybody's. */
export function ownerOf(user: SessionUser, given: unknown): Oid {
  const { organization } = user.account
  if (organization !== undefined) return organization
  const parsed = OrganizationOid.safeParse(given)
  if (parsed.success) return parsed.data
  throw new ProtocolError('bad_request', 'say whose form it is')
}

/** Form № 4. From the operator, `organization` stands in the draft beside the form's own fields. */
export function deviceNoticeRoutes(deps: {
  deviceNotices: DeviceNotices
  attachments: Attachments
  clock: () => number
}): Route[] {
  const { deviceNotices, attachments, clock } = deps
  return formRoutes({
    name: 'device-notices',
    title: 'Form № 4',
    attachments,
    clock,
    view: View,
    action: Action,
    get: deviceNotices.get,
    all: deviceNotices.all,
    mayRead: ({ organization }, { account }) => account.organization === organization,
    show: async (form) => {
      const parsed = DeviceNoticeContent.safeParse(form.content)
      const warnings = parsed.success ? deviceNoticeWarnings(parsed.data, clock()) : []
      return { ...form, warnings }
    },
    create({ organization, ...content }, user) {
      return deviceNotices.create(content, ownerOf(user, organization), by(user))
    },
    async act(form, action, by) {
      await deviceNotices.act(form.id, action, by)
    },
    attach: (form, attachment, by) =>
      deviceNotices.act(form.id, { type: 'attach', attachment }, by),
    pdf: (form) => renderDeviceNotice(form),
  })
}

/** The apparatus themselves. */
export function deviceRoutes({ devices }: { devices: Devices }): Route[] {
  const find = async (id: string, user: SessionUser) => {
    const device = await devices.get(id)
    if (isOperator(user) || user.account.organization === device.organization) return device
    throw new ProtocolError('not_found', 'no such device')
  }
  return [
    defineRoute({
      method: 'get',
      path: '/api/devices',
      summary: 'Apparatus of the region, or of the user’s organization',
      access: formRoles,
      answer: z.strictObject({ devices: z.array(RegisteredDevice) }),
      async handle({ user }) {
        const { organization } = user.account
        return {
          devices:
            organization === undefined ? await devices.all() : await devices.of(organization),
        }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/devices/:id/actions',
      summary: 'One step in the life of an apparatus',
      access: formRoles,
      params: ById,
      body: DeviceAction,
      answer: RegisteredDevice,
      async handle({ params, body, user }) {
        const { id } = await find(params.id, user)
        return await devices.act(id, body, by(user))
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/devices/:id/technical',
      summary: 'What the archive must know of an apparatus and the paper does not ask',
      access: formRoles,
      params: ById,
      body: TechnicalData,
      answer: RegisteredDevice,
      async handle({ params, body, user }) {
        const { id } = await find(params.id, user)
        return await devices.describe(id, body, by(user))
      },
    }),
  ]
}
