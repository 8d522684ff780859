import { z } from 'zod'
import { DeviceType } from './device-type.ts'
import { addDays, dayOf, FormDate, Year } from './fields/dates.ts'
import { FullName } from './fields/full-name.ts'
import { Phone } from './fields/phone.ts'
import { Stamp } from './fields/signature.ts'
import { fillIn, text, type FieldError } from './fields/text.ts'
import { emptyForm, formActions, formFields, readContent } from './form.ts'
import { OrganizationOid } from './ids.ts'
import { createAdvance, operators, refuse } from './life-cycle.ts'
import type { Context, Refusal, Rules } from './life-cycle.ts'

/** Form № 4: new apparatus begin to send. It is a notification: registered or returned for correction, never refused. */

const aeTitle = z
  .string({ error: fillIn })
  .regex(
    /^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$/,
    'Укажите AE title: до 16 латинских букв, цифр и знаков, без «\\».',
  )

/** A row of the form, and what the archive must know to let the apparatus in (the technical extension). */
export const NoticedDevice = z.strictObject({
  department: text(200),
  deviceType: DeviceType,
  otherType: text(100).exactOptional(),
  model: text(200, 2),
  manufactureYear: Year,
  floor: text(10),
  room: text(100),
  serialNumber: text(64),
  inventoryNumber: text(64),
  aeTitle: aeTitle.exactOptional(),
  /** IPv4 or IPv6 addresses, or networks in CIDR notation. */
  addresses: z
    .array(
      z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
        error: 'Укажите IP-адрес аппарата.',
      }),
    )
    .max(16)
    .exactOptional(),
  port: z.int().min(1).max(65_535).exactOptional(),
  modalities: z
    .array(z.string().regex(/^[A-Z0-9]{2,16}$/))
    .max(16)
    .exactOptional(),
  stationName: text(16).exactOptional(),
  characterSet: text(64).exactOptional(),
  mwl: z.boolean().exactOptional(),
  mpps: z.boolean().exactOptional(),
  storageCommitment: z.boolean().exactOptional(),
  timezone: z
    .string()
    .regex(/^[+-](?:0\d|1[0-4]):[0-5]\d$/, 'Укажите часовой пояс, например +07:00.')
    .exactOptional(),
  mobile: z.boolean().exactOptional(),
  doseSource: z.enum(['header', 'RDSR', 'manual', 'none']).exactOptional(),
})
export type NoticedDevice = z.infer<typeof NoticedDevice>

export const DeviceNoticeContent = z.strictObject({
  orgStamp: Stamp,
  startDate: FormDate,
  devices: z
    .array(NoticedDevice, { error: 'Укажите аппараты.' })
    .min(1, 'Укажите хотя бы один аппарат.')
    .max(50, 'В одном уведомлении может быть не больше 50 аппаратов.'),
  documentDate: FormDate,
  contactName: FullName,
  contactPhone: Phone,
})
export type DeviceNoticeContent = z.infer<typeof DeviceNoticeContent>

export const deviceNoticeStates = [
  'draft',
  'submitted',
  'needs_correction',
  'registered',
  'closed',
] as const

export const DeviceNotice = z.strictObject({
  ...formFields,
  kind: z.literal('device_notice'),
  status: z.enum(deviceNoticeStates),
  /** Whose apparatus these are. */
  organization: OrganizationOid,
})
export type DeviceNotice = z.infer<typeof DeviceNotice>

export const DeviceNoticeAction = z.discriminatedUnion('type', [
  formActions.edit,
  formActions.attach,
  formActions.submit,
  formActions.register,
  formActions.return_for_correction,
  formActions.resubmit,
  z.strictObject({ type: z.literal('close') }),
])
export type DeviceNoticeAction = z.infer<typeof DeviceNoticeAction>

export type DeviceNoticeFacts = {
  /** Rows whose inventory number or AE title another device of the organization has. */
  takenRows: readonly { row: number; field: 'inventoryNumber' | 'aeTitle' }[]
  /** Whether every device of the notice is out of service. */
  allDecommissioned: boolean
}

export type DeviceNoticeEffect = {
  type: 'announce_devices' | 'issue_receipt' | 'ask_for_correction'
}

type Given = Context<DeviceNoticeFacts>

export function checkDeviceNotice(content: DeviceNoticeContent, now: number): FieldError[] {
  const errors: FieldError[] = []
  const today = dayOf(now)
  const { startDate, documentDate, devices } = content
  if (startDate > addDays(today, 365)) {
    errors.push({ path: 'startDate', message: 'Укажите дату начала не позднее чем через год.' })
  }
  if (documentDate > addDays(today, 1)) {
    errors.push({ path: 'documentDate', message: 'Дата документа не может быть в будущем.' })
  }
  const seen = new Set<string>()
  for (const [row, device] of devices.entries()) {
    const at = (field: string, message: string) =>
      errors.push({ path: `devices.${row}.${field}`, message })
    if (device.manufactureYear > Number(startDate.slice(0, 4))) {
      at('manufactureYear', 'Год выпуска не может быть позже года начала трансляции.')
    }
    if (device.deviceType === 'other' && device.otherType === undefined) {
      at('otherType', 'Напишите, что это за аппарат.')
    }
    const unique = [
      ['serialNumber', `${device.model}\n${device.serialNumber}`],
      ['inventoryNumber', device.inventoryNumber],
      ['aeTitle', device.aeTitle],
    ] as const
    for (const [field, value] of unique) {
      if (value === undefined) continue
      if (seen.has(`${field}\n${value}`)) at(field, 'Это уже указано в другой строке.')
      seen.add(`${field}\n${value}`)
    }
  }
  return errors
}

export function deviceNoticeWarnings(content: DeviceNoticeContent, now: number): FieldError[] {
  const isEarly = content.startDate < addDays(dayOf(now), -30)
  const message = 'Дата начала больше чем на месяц в прошлом: проверьте её.'
  return isEarly ? [{ path: 'startDate', message }] : []
}

export const readDeviceNotice = (form: Pick<DeviceNotice, 'content'>): DeviceNoticeContent =>
  DeviceNoticeContent.parse(form.content)

const read = (form: DeviceNotice, now: number) =>
  readContent(DeviceNoticeContent, form.content, (content) => checkDeviceNotice(content, now))

function mustBeValid(form: DeviceNotice, _: unknown, { now, facts }: Given): Refusal | undefined {
  const result = read(form, now)
  if (!result.ok) return result
  if (facts.takenRows.length === 0) return undefined
  const message = 'Такой аппарат в этой организации уже есть: проверьте значение.'
  return refuse(
    'invalid',
    facts.takenRows.map(({ row, field }) => ({ path: `devices.${row}.${field}`, message })),
  )
}

function normalized(form: DeviceNotice, now: number): Partial<DeviceNotice> {
  const result = read(form, now)
  return result.ok ? { content: result.content } : {}
}

const filling = ['mo_admin', 'head_of_mo', 'cami_operator'] as const

const rules: Rules<DeviceNotice, DeviceNoticeAction, DeviceNoticeFacts, DeviceNoticeEffect> = {
  edit: {
    from: ['draft', 'needs_correction'],
    to: (form) => form.status,
    by: filling,
    change: (_, { content }) => ({ content }),
  },
  attach: {
    from: ['draft', 'submitted', 'needs_correction'],
    to: (form) => form.status,
    by: [...filling, 'cami_admin'],
    change: ({ attachments }, { attachment }) => ({ attachments: [...attachments, attachment] }),
  },
  submit: {
    from: ['draft'],
    to: 'submitted',
    by: filling,
    guard: mustBeValid,
    change: (form, _, { now }) => ({ ...normalized(form, now), submittedAt: now }),
  },
  register: {
    from: ['submitted'],
    to: 'registered',
    by: operators,
    guard: mustBeValid,
    change: (_, { number, incoming }, { actor, now }) => ({
      number,
      incoming,
      registeredAt: now,
      decidedBy: actor.account,
      decidedAt: now,
    }),
    effects: () => [{ type: 'announce_devices' }, { type: 'issue_receipt' }],
  },
  return_for_correction: {
    from: ['submitted'],
    to: 'needs_correction',
    by: operators,
    guard: (_, { comments }) => (comments.length === 0 ? refuse('no_comment') : undefined),
    change: (_, { comments }) => ({ comments }),
    effects: () => [{ type: 'ask_for_correction' }],
  },
  resubmit: {
    from: ['needs_correction'],
    to: 'submitted',
    by: filling,
    guard: mustBeValid,
    change: (form, _, { now }) => ({
      ...normalized(form, now),
      version: form.version + 1,
      comments: [],
    }),
  },
  close: {
    from: ['registered'],
    to: 'closed',
    by: operators,
    guard: (_, __, { facts }) =>
      facts.allDecommissioned ? undefined : refuse('devices_in_service'),
  },
}

export const terminalDeviceNoticeStates = ['closed'] as const

/** The life cycle of form № 4 (requirements, 2.4). */
export const advanceDeviceNotice = createAdvance(
  rules,
  (form, actor) => operators.includes(actor.role) || actor.organization === form.organization,
)

export function newDeviceNotice(
  draft: Pick<DeviceNotice, 'id' | 'content' | 'createdBy' | 'createdAt' | 'organization'>,
): DeviceNotice {
  return { ...emptyForm(), ...draft, kind: 'device_notice' }
}
