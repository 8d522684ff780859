import type { AccessRequest } from '#protocol/access-request.ts'
import type { DeviceNotice } from '#protocol/device-notice.ts'
import type { Enrollment } from '#protocol/enrollment.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Notice } from '#protocol/notice.ts'

export async function renderEnrollment(form: Enrollment): Promise<Buffer> { return Buffer.from('%PDF-' + form.id) }
export async function renderDeviceNotice(form: DeviceNotice): Promise<Buffer> { return Buffer.from('%PDF-' + form.id) }
export async function renderAccessRequest(form: AccessRequest, _: (oid: OrganizationOid) => Promise<string>): Promise<Buffer> { return Buffer.from('%PDF-' + form.id) }
export async function renderNotice(form: Notice): Promise<Buffer> { return Buffer.from('%PDF-' + form.id) }
