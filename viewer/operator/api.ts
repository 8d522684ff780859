import type { AccessRequest } from '#protocol/access-request.ts'
import type { DeviceNotice } from '#protocol/device-notice.ts'
import type { RegisteredDevice } from '#protocol/device.ts'
import type { Enrollment } from '#protocol/enrollment.ts'
import type { FullName } from '#protocol/fields/full-name.ts'
import type { Phone } from '#protocol/fields/phone.ts'
import type { FieldError } from '#protocol/fields/text.ts'
import type { RefusalCode } from '#protocol/life-cycle.ts'
import type { Notice } from '#protocol/notice.ts'
import type { Checklist, ConditionCode, OrganizationState } from '#protocol/organization.ts'
import type { Restriction } from '#protocol/restriction.ts'

/** The registry's JSON API. The session is an HttpOnly cookie; what changes something carries a header of ours. */
export class OfficeError extends Error {
  override readonly name = 'OfficeError'
  readonly status: number
  readonly code: string
  /** Why the life cycle of a form refuses. */
  readonly reason: RefusalCode | undefined
  readonly fields: FieldError[]
  /** When the question was put, by the clock of the page. */
  readonly askedAt: number

  constructor(status: number, error: Partial<ErrorAnswer>, askedAt = performance.now()) {
    super(error.code ?? `http_${status}`)
    this.status = status
    this.code = error.code ?? `http_${status}`
    this.reason = error.reason
    this.fields = error.fields ?? []
    this.askedAt = askedAt
  }
}
type ErrorAnswer = { code: string; reason?: RefusalCode; fields?: FieldError[] }

export type Session = {
  account: string
  login: string
  name: FullName
  roles: string[]
  /** Of an organization's own people. */
  organization?: string
  secondFactor: 'required' | 'optional'
  reviewDays: number
}
export type Form = (Enrollment | DeviceNotice | AccessRequest) & { warnings?: FieldError[] }
/** Whose side somebody works on here. */
export function sideOf({ roles, organization }: Session): 'operator' | 'organization' | 'none' {
  if (roles.some((role) => /^cami_(operator|admin)$/.test(role))) return 'operator'
  return organization === undefined ? 'none' : 'organization'
}
export type NamedOrganization = { oid: string; name: string; isConnected: boolean }
export type FormKind = Form['kind']
export type Activation = { login: string; name?: string; secret: string; expiresAt: number }
export type Organization = {
  card: {
    oid: string
    fullName: string
    address?: string
    phone?: Phone
    email?: string
    enrolledBy?: string
    isDisconnected: boolean
    persons: Person[]
  }
  state: OrganizationState
  checklist: Checklist
  missing: ConditionCode[]
}
export type Person = {
  id: string
  kind: string
  fullName: FullName
  snils?: string
  position: string
  phone: Phone
  email: string
  from: string
  to?: string
}
export type AccountView = {
  id: string
  login: string
  name: FullName
  position: string
  roles: string[]
  organization?: string
  enabled: boolean
  activated: boolean
}
export type Federation = {
  trust: {
    version: number
    issuedAt: number
    expiresAt: number
    authority: string
    registry: string
    issuers: { kid: string; notBefore: number; expiresAt: number }[]
    policy: { secondFactor: string; staleAfterHours: number; transparency: string }
    log?: { key: string; witnesses: string[] }
  }
  members: {
    organization: string
    name: string
    kid: string
    peerId: string
    issuedAt: number
    expiresAt: number
    isOnline: boolean
    isSuspended: boolean
    isRevoked: boolean
    proof: 'proven' | 'previous' | 'file'
  }[]
}
export type Grant = {
  jti: string
  holder: string
  grantee: string
  isActive: boolean
  expiresAt: number
  users: { uid: string; position: string }[]
  form5?: string
}
export type RestrictionPreview = {
  given: number
  received: number
  theirUsers: number
  ownUsers: number
  devices: number
}
export type Cito = {
  id: string
  organization: string
  holder: string
  study: string
  openedAt: number
  until: number
  withdrawnAt?: number
  isOpen: boolean
  /** For the operator alone. */
  reason?: string
}

const timeoutMs = 30_000

async function send(path: string, init: RequestInit): Promise<Response> {
  const askedAt = performance.now()
  const response = await fetch(path, init).catch(() => {
    throw new OfficeError(0, { code: 'unreachable' })
  })
  if (response.ok) return response
  const body = (await response.json().catch(() => ({}))) as { error?: ErrorAnswer }
  throw new OfficeError(response.status, body.error ?? {}, askedAt)
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await send(path, {
    method,
    headers: {
      accept: 'application/json',
      ...(method !== 'GET' && { 'x-cami': '1' }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    signal: AbortSignal.timeout(timeoutMs),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return (response.status === 204 ? undefined : await response.json()) as T
}

export const get = <T>(path: string): Promise<T> => call<T>('GET', path)
export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>('POST', path, body)
export const remove = <T>(path: string): Promise<T> => call<T>('DELETE', path)

/** Over a thin link a scan takes minutes, so the server's own limit is the only one. */
export const upload = (path: string, file: File): Promise<Response> =>
  send(path, {
    method: 'POST',
    headers: { 'x-cami': '1', 'content-type': file.type || 'application/pkcs7-signature' },
    body: file,
  })

/** `enrollments` of `/api/enrollments`, and of the page's address. */
export const placeOf: { [K in FormKind]: string } = {
  enrollment: 'enrollments',
  device_notice: 'device-notices',
  access_request: 'access-requests',
}
export const kindAt = (place: string): FormKind =>
  (Object.keys(placeOf) as FormKind[]).find((kind) => placeOf[kind] === place) ?? 'enrollment'

export async function allForms(): Promise<Form[]> {
  const lists = await Promise.all(
    Object.values(placeOf).map((place) => get<{ forms: Form[] }>(`/api/${place}`)),
  )
  return lists.flatMap(({ forms }) => forms)
}
export const allOrganizations = async () =>
  (await get<{ organizations: Organization[] }>('/api/organizations')).organizations
export const organizationNames = async () =>
  (await get<{ organizations: NamedOrganization[] }>('/api/organization-names')).organizations
export const allDevices = async () =>
  (await get<{ devices: RegisteredDevice[] }>('/api/devices')).devices
export const allNotices = async () => (await get<{ notices: Notice[] }>('/api/notices')).notices
export const allRestrictions = async () =>
  (await get<{ restrictions: Restriction[] }>('/api/restrictions')).restrictions
export const allCitos = async () => (await get<{ cito: Cito[] }>('/api/cito')).cito
export const allGrants = async () =>
  (await get<{ grants: Grant[] }>('/api/federation/grants')).grants

export async function currentSession(): Promise<Session | 'none'> {
  try {
    return await get<Session>('/api/session')
  } catch (error) {
    if (error instanceof OfficeError && error.status === 401) return 'none'
    throw error
  }
}
