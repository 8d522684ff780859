import type { Actor } from './life-cycle.ts'
import type { OrganizationOid } from './ids.ts'

/** Valid forms, as people would type them, and the people who handle them. */

export const holderOid = '1.2.643.5.1.13.13.12.2.42.4044' as OrganizationOid
export const granteeOid = '1.2.643.5.1.13.13.12.2.42.4041' as OrganizationOid

/** 25.11.2026, 11:00 in Кемерово. */
export const formsNow = Date.UTC(2026, 10, 25, 4, 0, 0)

export const stamp = {
  kind: 'card',
  name: 'ГАУЗ «Тисульская районная больница»',
  address: '652210, Кемеровская область, пгт Тисуль, ул. Станционная, 1',
  inn: '4243000104',
  kpp: '424301001',
  outgoingNo: '01-17/845',
  outgoingDate: '24.11.2026',
}

export const enrollmentContent = (over: Record<string, unknown> = {}) => ({
  orgStamp: stamp,
  persons: [
    {
      responsibility: 'mo_admin',
      fullName: 'Петров Пётр Сергеевич',
      snils: '112-233-445 95',
      position: 'системный администратор',
      phone: '8 (38447) 2-15-40 доб. 12',
      email: 'petrov@crb.kuzdrav.ru',
    },
  ],
  organization: {
    fullName: 'ГАУЗ «Тисульская районная больница»',
    address: '652210, Кемеровская область, пгт Тисуль, ул. Станционная, 1',
    phone: '8 (38447) 2-11-03',
    email: 'priem@crb.kuzdrav.ru',
    frmoOid: holderOid,
  },
  confirmed: true,
  notifyEmail: 'priem@crb.kuzdrav.ru',
  documentDate: '24.11.2026',
  headSignature: { kind: 'paper', incomingNo: '512', date: '25.11.2026' },
  headName: 'И.А. Сидорова',
  requestedScope: ['proxy', 'cami'],
  ...over,
})

export const deviceNoticeContent = (over: Record<string, unknown> = {}) => ({
  orgStamp: stamp,
  startDate: '01.12.2026',
  devices: [
    {
      department: 'Рентгеновское отделение',
      deviceType: 'ct',
      model: 'Aquilion 64',
      manufactureYear: 2019,
      floor: '1',
      room: '104',
      serialNumber: 'SN-77812',
      inventoryNumber: '1010400123',
      aeTitle: 'TISUL_CT',
      addresses: ['10.42.7.20'],
    },
  ],
  documentDate: '24.11.2026',
  contactName: 'Петров Пётр Сергеевич',
  contactPhone: '8 (38447) 2-15-40',
  ...over,
})

export const accessRequestContent = (over: Record<string, unknown> = {}) => ({
  orgStamp: stamp,
  users: [
    {
      fullName: 'Ковалёва Анна Игоревна',
      position: 'врач-рентгенолог',
      department: 'Отделение лучевой диагностики',
      room: '304',
      email: 'kovaleva@okb.kuzdrav.ru',
      phone: '8 (3842) 39-60-00',
    },
  ],
  granteeOrg: granteeOid,
  holderOrg: holderOid,
  confirmed: true,
  documentDate: '24.11.2026',
  contactName: 'Петров Пётр Сергеевич',
  contactPhone: '8 (38447) 2-15-40',
  ...over,
})

const actor = (role: Actor['role'], name: string, organization?: OrganizationOid): Actor => ({
  role,
  account: role === 'system' || role === 'applicant' ? '' : `${role}.${organization ?? 'operator'}`,
  name,
  ...(organization !== undefined && { organization }),
})

export const actors = {
  applicant: actor('applicant', ''),
  admin: actor('mo_admin', 'Петров Пётр Сергеевич', holderOid),
  head: actor('head_of_mo', 'Сидорова Ирина Алексеевна', holderOid),
  granteeAdmin: actor('mo_admin', 'Орлов Олег Олегович', granteeOid),
  operator: actor('cami_operator', 'Иванова Мария Петровна'),
  chief: actor('cami_admin', 'Зуев Игорь Львович'),
  system: actor('system', ''),
}
