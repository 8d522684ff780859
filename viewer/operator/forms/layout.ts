import { deviceTypes } from '#protocol/device-type.ts'
import { confirmation } from '#protocol/fields/signature.ts'
import {
  contactLabels,
  form1,
  form4,
  form5,
  otherGroups,
  stampLabel,
} from '#protocol/form-wording.ts'
import type { Form } from '../api.ts'

/** A field of a form, with the label that the paper has, in the paper's language. */
export type Field = {
  /** Within the form's content, or within a row. */
  path: string
  label: string
  kind?: 'text' | 'long' | 'year' | 'check' | 'set' | 'choice' | 'organization' | 'list'
  options?: Record<string, string>
  isOptional?: boolean
}
export type Block = { title: string; fields: Field[]; rows?: string; blank?: object }

const stamp: Block = {
  title: stampLabel,
  fields: [
    { path: 'orgStamp.name', label: 'Наименование на штампе' },
    { path: 'orgStamp.address', label: 'Адрес' },
    { path: 'orgStamp.inn', label: 'ИНН', isOptional: true },
    { path: 'orgStamp.kpp', label: 'КПП', isOptional: true },
    { path: 'orgStamp.ogrn', label: 'ОГРН', isOptional: true },
    { path: 'orgStamp.outgoingNo', label: 'Исходящий №', isOptional: true },
    { path: 'orgStamp.outgoingDate', label: 'Дата исходящего', isOptional: true },
  ],
}
const [, name1, snils1, position1, phone1, email1] = form1.columns
const [fullName, address, phone, email, oid] = form1.organization
const documentDate: Field = { path: 'documentDate', label: 'Дата документа' }
const signature = (path: string): Field[] => [
  { path: `${path}.incomingNo`, label: 'Оригинал с подписью: входящий №', isOptional: true },
  { path: `${path}.date`, label: 'Дата получения оригинала', isOptional: true },
]
const confirmed: Field = { path: 'confirmed', label: confirmation, kind: 'check' }

const enrollment: Block[] = [
  stamp,
  {
    title: form1.lead,
    fields: [
      {
        path: 'requestedScope',
        label: 'К чему нужен доступ',
        kind: 'set',
        options: { proxy: 'PACS Proxy', cami: 'ЦАМИ' },
      },
    ],
  },
  {
    title: 'Ответственные лица',
    rows: 'persons',
    blank: { responsibility: 'mo_admin' },
    fields: [
      {
        path: 'responsibility',
        label: 'За что отвечает',
        kind: 'choice',
        options: { mo_admin: form1.group, ...otherGroups },
      },
      { path: 'fullName', label: name1 },
      { path: 'snils', label: snils1 },
      { path: 'position', label: position1 },
      { path: 'phone', label: phone1 },
      { path: 'email', label: email1 },
    ],
  },
  {
    title: 'Медицинская организация',
    fields: [
      { path: 'organization.fullName', label: fullName, kind: 'long' },
      { path: 'organization.address', label: address, kind: 'long' },
      { path: 'organization.phone', label: phone },
      { path: 'organization.email', label: email },
      { path: 'organization.frmoOid', label: oid },
    ],
  },
  {
    title: 'Подтверждение и подпись',
    fields: [
      confirmed,
      { path: 'notifyEmail', label: form1.notify },
      documentDate,
      ...signature('headSignature'),
      { path: 'headName', label: 'Подпись руководителя: расшифровка' },
    ],
  },
]

const contact: Block = {
  title: 'Дата и контакт',
  fields: [
    documentDate,
    { path: 'contactName', label: contactLabels.name },
    { path: 'contactPhone', label: contactLabels.phone },
  ],
}
const column4 = (at: number): string => form4.columns[at] ?? ''

const deviceNotice: Block[] = [
  stamp,
  { title: form4.since, fields: [{ path: 'startDate', label: form4.sinceNote }] },
  {
    title: form4.rest,
    rows: 'devices',
    blank: { deviceType: 'ct' },
    fields: [
      { path: 'department', label: column4(1) },
      {
        path: 'deviceType',
        label: column4(2),
        kind: 'choice',
        options: Object.fromEntries(
          Object.entries(deviceTypes).map(([key, one]) => [key, one.name]),
        ),
      },
      { path: 'otherType', label: 'Тип аппарата словами', isOptional: true },
      { path: 'model', label: column4(3) },
      { path: 'manufactureYear', label: column4(4), kind: 'year' },
      { path: 'floor', label: column4(5) },
      { path: 'room', label: column4(6) },
      { path: 'serialNumber', label: column4(7) },
      { path: 'inventoryNumber', label: column4(8) },
      { path: 'aeTitle', label: 'AE title', isOptional: true },
      {
        path: 'addresses',
        label: 'IP-адреса через запятую',
        kind: 'list',
        isOptional: true,
      },
    ],
  },
  contact,
]

const column5 = (at: number): string => form5.columns[at] ?? ''

const accessRequest: Block[] = [
  stamp,
  {
    title: form5.lead,
    rows: 'users',
    blank: {},
    fields: ['fullName', 'position', 'department', 'room', 'email', 'phone'].map((path, at) => ({
      path,
      label: column5(at + 1),
    })),
  },
  {
    title: 'Организации',
    fields: [
      { path: 'holderOrg', label: form5.holderNote, kind: 'organization' },
      { path: 'granteeOrg', label: form5.granteeNote, kind: 'organization' },
    ],
  },
  {
    title: 'Объём и срок',
    fields: [
      { path: 'validFrom', label: 'С', isOptional: true },
      { path: 'validUntil', label: 'По', isOptional: true },
      {
        path: 'referredOnly',
        label: 'Только исследования, по которым открыта консультация',
        kind: 'check',
        isOptional: true,
      },
    ],
  },
  { title: 'Подтверждение и подпись', fields: [confirmed, ...signature('signature')] },
  contact,
]

export const layouts: { [K in Form['kind']]: Block[] } = {
  enrollment,
  device_notice: deviceNotice,
  access_request: accessRequest,
}

/** What the operator says of a form № 4 on paper: whose it is. An organization's own people need not. */
export const noticeOwner: Block = {
  title: 'Медицинская организация',
  fields: [{ path: 'organization', label: 'Чьи это аппараты', kind: 'organization' }],
}
