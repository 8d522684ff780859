import type { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { advanceDevice, RegisteredDevice } from '#protocol/device.ts'
import type { DeviceAction, DeviceEffect, DeviceRecord } from '#protocol/device.ts'
import { deviceTypes } from '#protocol/device-type.ts'
import { NoticedDevice, readDeviceNotice } from '#protocol/device-notice.ts'
import type { DeviceNotice } from '#protocol/device-notice.ts'
import { dayOf } from '#protocol/fields/dates.ts'
import type { HistoryEntry } from '#protocol/life-cycle.ts'
import { ulid } from '#protocol/ids.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { formLimits } from '#protocol/limits.ts'
import { createDesk } from './desk.ts'
import type { Desk } from './desk.ts'
import { system } from './office.ts'
import type { By, Office } from './office.ts'
import { createRows } from './rows.ts'

/** What the archive must know of an apparatus and the paper does not ask. */
export const TechnicalData = NoticedDevice.pick({
  aeTitle: true,
  addresses: true,
  port: true,
  modalities: true,
  stationName: true,
  characterSet: true,
  timezone: true,
  doseSource: true,
})
export type TechnicalData = z.infer<typeof TechnicalData>

/** The region's apparatus. Each one's organization has it at its node, once its address and AE title are known. */
export type Devices = {
  get(id: string): Promise<RegisteredDevice>
  all(): Promise<RegisteredDevice[]>
  of(organization: OrganizationOid): Promise<RegisteredDevice[]>
  /** The rows of a registered notice; the same ones again change nothing. */
  announce(notice: DeviceNotice): Promise<void>
  act(id: string, action: DeviceAction, by: By): Promise<RegisteredDevice>
  describe(id: string, data: TechnicalData, by: By): Promise<RegisteredDevice>
  /** Studies have come from these: the first one after the start date begins the broadcast. */
  seen(organization: OrganizationOid, ids: readonly string[]): Promise<void>
  /** As the organization's node gets them. */
  records(organization: OrganizationOid): Promise<DeviceRecord[]>
}

export function createDevices(
  office: Office,
  /** Their organization's node should hear of it. */
  changed: (organization: OrganizationOid) => void,
): Devices {
  const { inTurn } = office
  const desk = createDesk<RegisteredDevice, DeviceAction, null, DeviceEffect>({
    office,
    kind: 'device',
    schema: RegisteredDevice,
    advance: advanceDevice,
    facts: async () => null,
  })
  const announce = createAnnounce(office, desk, changed)
  const describe = createDescribe(office, desk)
  const of = async (organization: OrganizationOid) =>
    (await desk.all()).filter((device) => device.organization === organization)
  return {
    get: desk.get,
    all: desk.all,
    of,
    announce: (notice) => inTurn(() => announce(notice)),
    async act(id, action, by) {
      const { form } = await desk.act(id, action, by)
      changed(form.organization)
      return form
    },
    async describe(id, data, by) {
      const device = await inTurn(() => describe(id, data, by))
      changed(device.organization)
      return device
    },
    async seen(organization, ids) {
      for (const id of ids) {
        const device = await desk.find(id)
        const isDue =
          device?.organization === organization &&
          device.status === 'scheduled' &&
          device.startDate <= dayOf(office.clock())
        if (isDue) await desk.act(id, { type: 'first_study' }, system)
      }
    },
    async records(organization) {
      return (await of(organization)).flatMap(({ id, device, startDate, status }) => {
        const { aeTitle, addresses, modalities, deviceType } = device
        if (aeTitle === undefined || addresses === undefined || addresses.length === 0) return []
        const modality = modalities?.[0] ?? deviceTypes[deviceType].modalities[0]
        return [{ id, aeTitle, addresses, modality, startDate, status }]
      })
    },
  }
}

type DeviceDesk = Desk<RegisteredDevice, DeviceAction, DeviceEffect>

/** An apparatus that is in service elsewhere moves; the others are new. */
const createAnnounce =
  (office: Office, desk: DeviceDesk, changed: (organization: OrganizationOid) => void) =>
  async (notice: DeviceNotice): Promise<void> => {
    const { clock, random } = office
    const known = await desk.all()
    const { devices, startDate } = readDeviceNotice(notice)
    const { id, organization } = notice
    const fresh = devices.filter(
      (one) => !known.some((other) => other.notice === id && isSame(other.device, one)),
    )
    const inService = known.filter((one) => one.organization === organization)
    if (inService.length + fresh.length > formLimits.devicesPerOrganization) {
      throw new ProtocolError('too_large', 'too many devices')
    }
    for (const device of fresh) {
      const before = known.find(
        (other) => other.status !== 'decommissioned' && isSame(other.device, device),
      )
      const announced = {
        organization,
        notice: id,
        startDate,
        status: 'announced',
        device,
      } as const
      const next: RegisteredDevice =
        before === undefined
          ? { ...announced, id: ulid(clock(), random(10)), history: [] }
          : {
              ...announced,
              id: before.id,
              history: [...before.history, moveOf(before, clock())],
            }
      await desk.add(next, system)
      if (before !== undefined) changed(before.organization)
    }
    changed(organization)
  }

const createDescribe =
  (office: Office, desk: DeviceDesk) =>
  async (id: string, data: TechnicalData, by: By): Promise<RegisteredDevice> => {
    const rows = createRows(office, 'device', RegisteredDevice)
    const before = await desk.get(id)
    if (before.status === 'decommissioned') throw new ProtocolError('conflict', 'out of service')
    const next = { ...before, device: { ...before.device, ...data } }
    const others = (await desk.all()).filter(
      (other) =>
        other.organization === before.organization &&
        other.id !== id &&
        other.status !== 'decommissioned',
    )
    if (others.some((other) => other.device.aeTitle === next.device.aeTitle)) {
      throw new ProtocolError('conflict', 'another device has this AE title')
    }
    const { actor, source } = by
    await office.audit.append(
      {
        actor: actor.account,
        role: actor.role,
        source,
        action: 'device.describe',
        subject: id,
        outcome: 'success',
      },
      [rows.write(id, next)],
    )
    return next
  }

/** The same apparatus elsewhere: it goes on with its history. */
const moveOf = ({ status, organization, device }: RegisteredDevice, at: number): HistoryEntry => ({
  at,
  action: 'move',
  from: status,
  to: 'announced',
  by: system.actor,
  note: `${organization}, ${device.department}, ${device.room}`,
})

const isSame = (one: NoticedDevice, other: NoticedDevice): boolean =>
  one.model === other.model && one.serialNumber === other.serialNumber
