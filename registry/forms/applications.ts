import type { AccessRequest } from '#protocol/access-request.ts'
import { AccessRequestContent } from '#protocol/access-request-content.ts'
import type { DeviceNotice } from '#protocol/device-notice.ts'
import { DeviceNoticeContent } from '#protocol/device-notice.ts'
import { deviceTypes } from '#protocol/device-type.ts'
import { EnrollmentContent } from '#protocol/enrollment.ts'
import type { Enrollment, Person } from '#protocol/enrollment.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import { printSnils } from '#protocol/fields/snils.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { z } from 'zod'
import { appendixBlock, contactBlock, headBlock, signatureText, title } from './blocks.ts'
import { longDate, renderPage, shortDate, textWidth } from './page.ts'
import type { Page, TableRow } from './page.ts'
import { form1, form4, form5, otherGroups } from '#protocol/form-wording.ts'

/** Forms № 1, № 4 and № 5 as the order prints them, filled in. A draft that is not complete has no document. */

function complete<T>(schema: z.ZodType<T>, content: unknown): T {
  const parsed = schema.safeParse(content)
  if (parsed.success) return parsed.data
  throw new ProtocolError('conflict', 'the form is not complete')
}

const columns = (titles: readonly string[], widths: readonly number[]) =>
  titles.map((title, at) => ({
    title,
    width: widths[at] ?? 1,
    align: at === 0 ? ('center' as const) : ('left' as const),
  }))

export async function renderEnrollment(form: Enrollment): Promise<Buffer> {
  const content = complete(EnrollmentContent, form.content)
  const { organization, orgStamp: stamp, documentDate } = content
  return await renderPage({ title: form1.title, date: documentDate }, (page) => {
    appendixBlock(page, 1)
    headBlock(page, { stamp, addressee: form1.addressee, form })
    title(page, form1.title)
    page.text(form1.lead)
    page.table(columns(form1.columns, [4, 22, 16, 20, 18, 20]), personRows(content.persons))
    page.text(form1.of)
    const { fullName, address, phone, email, frmoOid } = organization
    const values = [fullName, address, printPhone(phone), email, frmoOid]
    page.table(
      columns(['', '', ''], [4, 40, 56]),
      form1.organization.map((label, at) => [String(at + 1), label, values[at] ?? '']),
    )
    page.text(form1.confirmation, { align: 'justify' })
    page.text(`${form1.notify} ${content.notifyEmail}`, { gap: 0 })
    page.text(form1.notifyNote, { size: 9 })
    signBlock(page, content)
  })
}

const groups = { mo_admin: form1.group, ...otherGroups } as const

function personRows(persons: readonly Person[]): TableRow[] {
  let number = 0
  return (['mo_admin', 'consult_organizer', 'consult_performer'] as const).flatMap((kind) => {
    const rows = persons
      .filter(({ responsibility }) => responsibility === kind)
      .map(({ fullName, snils, position, phone, email }) => [
        String(++number),
        printName(fullName),
        printSnils(snils),
        position,
        printPhone(phone),
        email,
      ])
    return rows.length === 0 ? [] : [groups[kind], ...rows]
  })
}

function signBlock(page: Page, content: EnrollmentContent): void {
  page.makeRoom(70)
  page.space(10)
  page.text(shortDate(content.documentDate), { gap: 10 })
  const top = page.doc.y
  const half = textWidth * 0.47
  page.onLine(signatureText(content.headSignature), form1.signature, { x: page.left, width: half })
  page.doc.y = top
  const x = page.left + textWidth - half
  page.onLine(`/ ${content.headName} /`, form1.signatureName, { x, width: half })
}

export async function renderDeviceNotice(form: DeviceNotice): Promise<Buffer> {
  const content = complete(DeviceNoticeContent, form.content)
  const { orgStamp: stamp, documentDate, startDate, devices } = content
  return await renderPage({ title: form4.title, date: documentDate }, (page) => {
    appendixBlock(page, 4)
    headBlock(page, { stamp, addressee: form4.addressee, form })
    title(page, form4.title)
    const { doc, left } = page
    const y = doc.y
    page.put(form4.since, {}, { x: left, y, width: 110 })
    page.doc.y = y
    page.onLine(shortDate(startDate), form4.sinceNote, { x: left + 95, width: 130 })
    page.text(form4.lead, { gap: 0 })
    page.text(form4.rest)
    page.table(
      columns(form4.columns, [4, 15, 12, 15, 9, 7, 15, 13, 16]),
      devices.map((device, at) => [
        String(at + 1),
        device.department,
        device.deviceType === 'other'
          ? (device.otherType ?? '')
          : deviceTypes[device.deviceType].name,
        device.model,
        String(device.manufactureYear),
        device.floor,
        device.room,
        device.serialNumber,
        device.inventoryNumber,
      ]),
      7.5,
    )
    contactBlock(page, {
      date: longDate(documentDate),
      name: printName(content.contactName),
      phone: printPhone(content.contactPhone),
    })
  })
}

export async function renderAccessRequest(
  form: AccessRequest,
  nameOf: (oid: OrganizationOid) => Promise<string>,
): Promise<Buffer> {
  const content = complete(AccessRequestContent, form.content)
  const { orgStamp: stamp, documentDate, users } = content
  const grantee = await nameOf(content.granteeOrg)
  const holder = await nameOf(content.holderOrg)
  return await renderPage({ title: form5.title, date: documentDate }, (page) => {
    appendixBlock(page, 5)
    headBlock(page, { stamp, addressee: form5.addressee, form })
    title(page, form5.title)
    page.text(form5.lead)
    page.table(
      columns(form5.columns, [4, 17, 14, 17, 17, 17, 14]),
      users.map((user, at) => [
        `${at + 1}.`,
        printName(user.fullName),
        user.position,
        user.department,
        user.room,
        user.email,
        printPhone(user.phone),
      ]),
      8,
    )
    page.text(form5.grantee)
    page.onLine(grantee, form5.granteeNote)
    page.text(form5.holder)
    page.onLine(holder, form5.holderNote)
    page.text(form5.purpose)
    page.text(form5.confirmation, { align: 'justify' })
    const added = additions(content)
    if (added !== '') page.text(added, { size: 10, font: 'italic' })
    contactBlock(page, {
      date: longDate(documentDate),
      name: printName(content.contactName),
      phone: printPhone(content.contactPhone),
    })
  })
}

/** What narrows the access and has no place in the order's form. */
function additions({
  validFrom,
  validUntil,
  deviceIds,
  modalities,
  referredOnly,
}: AccessRequestContent): string {
  const parts = [
    validFrom === undefined ? '' : `с ${shortDate(validFrom)}`,
    validUntil === undefined ? '' : `по ${shortDate(validUntil)}`,
    modalities === undefined ? '' : `модальности: ${modalities.join(', ')}`,
    deviceIds === undefined ? '' : `аппараты: ${deviceIds.join(', ')}`,
    referredOnly === true ? 'только исследования, по которым открыта консультация' : '',
  ].filter((part) => part !== '')
  return parts.length === 0 ? '' : `Дополнительно: ${parts.join('; ')}.`
}
