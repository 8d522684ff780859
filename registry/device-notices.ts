import {
  advanceDeviceNotice,
  DeviceNotice,
  DeviceNoticeContent,
  newDeviceNotice,
  readDeviceNotice,
} from '#protocol/device-notice.ts'
import type {
  DeviceNoticeAction,
  DeviceNoticeEffect,
  DeviceNoticeFacts,
} from '#protocol/device-notice.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import type { Draft } from '#protocol/form.ts'
import { ulid } from '#protocol/ids.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { createDesk } from './desk.ts'
import { forEach } from './each.ts'
import type { Devices } from './devices.ts'
import type { NewNotice, Notices } from './notices.ts'
import { byOf } from './office.ts'
import type { By, Office } from './office.ts'
import type { Organizations } from './organizations.ts'

export type DeviceNoticeStep =
  | Exclude<DeviceNoticeAction, { type: 'register' }>
  | Omit<Extract<DeviceNoticeAction, { type: 'register' }>, 'number'>

/** Form № 4. Registered, its apparatus are announced to the organization's node. */
export type DeviceNotices = {
  get(id: string): Promise<DeviceNotice>
  all(): Promise<DeviceNotice[]>
  create(content: Draft, organization: OrganizationOid, by: By): Promise<DeviceNotice>
  act(id: string, action: DeviceNoticeStep, by: By): Promise<DeviceNotice>
  resume(): Promise<void>
}

export function createDeviceNotices(deps: {
  office: Office
  devices: Devices
  organizations: Organizations
  notices: Notices
}): DeviceNotices {
  const { office, devices, organizations, notices } = deps
  const { clock, random, numbers } = office
  const desk = createDesk<DeviceNotice, DeviceNoticeAction, DeviceNoticeFacts, DeviceNoticeEffect>({
    office,
    kind: 'device_notice',
    schema: DeviceNotice,
    advance: advanceDeviceNotice,
    facts: (form) => factsOf(form, devices),
  })
  return {
    get: desk.get,
    all: desk.all,
    async create(content, organization, by) {
      const { account: createdBy } = by.actor
      const id = ulid(clock(), random(10))
      const draft = { id, content, organization, createdBy, createdAt: clock() }
      return await desk.add(newDeviceNotice(draft), by)
    },
    async act(id, step, by) {
      const { form, effects } = await desk.act(
        id,
        async () => {
          if (step.type !== 'register') return { action: step }
          const year = dayOf(clock()).slice(0, 4)
          const { number, write } = await numbers.next('device_notice', year)
          return { action: { ...step, number }, writes: [write] }
        },
        by,
      )
      for (const { type } of effects) {
        if (type === 'announce_devices') await devices.announce(form)
        if (type === 'issue_receipt') await notices.issue(await receiptOf(form, organizations), by)
      }
      return form
    },
    async resume() {
      const left = (await desk.all()).filter(({ status }) => status === 'registered')
      const announcements = () => forEach(left, devices.announce)
      const letters = () =>
        notices.makeUp(left, async (form) => [
          { notice: await receiptOf(form, organizations), by: byOf(form, 'register') },
        ])
      await forEach([announcements, letters], (work) => work())
    },
  }
}

async function receiptOf(form: DeviceNotice, organizations: Organizations): Promise<NewNotice> {
  const { startDate, devices: rows } = readDeviceNotice(form)
  const card = (await organizations.view(form.organization))?.card
  const content = {
    kind: 'device_receipt' as const,
    organizationName: card?.fullName ?? form.organization,
    formNumber: form.number ?? '',
    startDate,
    devices: rows.map(({ model, serialNumber }) => ({ model, serialNumber })),
  }
  const recipient = card?.email ?? 'unknown@invalid.invalid'
  return { content, source: form.id, recipient, organization: form.organization }
}

async function factsOf(form: DeviceNotice, devices: Devices): Promise<DeviceNoticeFacts> {
  const theirs = await devices.of(form.organization)
  const inService = theirs.filter(({ status }) => status !== 'decommissioned')
  const others = inService.filter(({ notice }) => notice !== form.id)
  const parsed = DeviceNoticeContent.safeParse(form.content)
  const rows = parsed.success ? parsed.data.devices : []
  return {
    allDecommissioned: inService.every(({ notice }) => notice !== form.id),
    takenRows: rows.flatMap((device, row) =>
      (['inventoryNumber', 'aeTitle'] as const)
        .filter((field) => device[field] !== undefined)
        .filter((field) => others.some((other) => other.device[field] === device[field]))
        .map((field) => ({ row, field })),
    ),
  }
}
