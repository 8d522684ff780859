import { AccessRequestContent, checkAccessRequest } from '#protocol/access-request-content.ts'
import { checkDeviceNotice, DeviceNoticeContent } from '#protocol/device-notice.ts'
import { checkEnrollment, EnrollmentContent } from '#protocol/enrollment.ts'
import { printDate } from '#protocol/fields/dates.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import type { FieldError } from '#protocol/fields/text.ts'
import { readContent, type Draft } from '#protocol/form.ts'
import type { Form } from '../api.ts'

const masked = /^\*\*\*-\*\*\*-\d{3} \d{2}$/
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** СНИЛС come masked and are whole at the registry: one without a check sum stands for each while a form is checked. */
export function checkable(content: Draft): Draft {
  const { persons } = content
  if (!Array.isArray(persons)) return content
  return {
    ...content,
    persons: persons.map((row: unknown, at) =>
      isRecord(row) && typeof row['snils'] === 'string' && masked.test(row['snils'])
        ? { ...row, snils: `000-000-${String(at + 1).padStart(3, '0')} 00` }
        : row,
    ),
  }
}

/** What is wrong with a draft, by field; the rules are the registry's own. */
export function errorsOf(kind: Form['kind'], draft: Draft, now: number): FieldError[] {
  const { organization, ...rest } = checkable(pruned(draft) as Draft)
  // Of a form № 4 it is not the form's own: it says whose form the operator types in.
  const content =
    kind === 'device_notice' || organization === undefined ? rest : { ...rest, organization }
  const result =
    kind === 'enrollment'
      ? readContent(EnrollmentContent, content, (one) => checkEnrollment(one, now))
      : kind === 'device_notice'
        ? readContent(DeviceNoticeContent, content, (one) => checkDeviceNotice(one, now))
        : readContent(AccessRequestContent, content, (one) =>
            checkAccessRequest(one, String(content['holderOrg']), now),
          )
  return result.ok ? [] : (result.fields ?? [])
}

/** Fields that nobody filled in are not there; an optional part with nothing but its kind is not there either. */
export function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pruned)
  if (!isRecord(value)) return value
  const entries = Object.entries(value)
    .map(([name, one]) => [name, pruned(one)] as const)
    .filter(([, one]) => one !== '' && one !== undefined)
  const isEmpty = entries.every(([name]) => name === 'kind') && entries.length > 0
  return isEmpty ? undefined : Object.fromEntries(entries)
}

/** What was read back into what people type: names, phones and dates as one text. */
export function typed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(typed)
  if (typeof value === 'string' && /^20\d\d-\d\d-\d\d$/.test(value)) return printDate(value)
  if (!isRecord(value)) return value
  if (typeof value['last'] === 'string') return printName(value as never)
  if (typeof value['number'] === 'string' && value['number'].startsWith('+7')) {
    return printPhone(value as never)
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, typed(one)]))
}

export function valueAt(content: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    if (Array.isArray(value)) return value[Number(name)]
    return isRecord(value) ? value[name] : undefined
  }, content)
}

export function withValue(content: unknown, path: string, to: unknown): unknown {
  const [name = '', ...rest] = path.split('.')
  const next = (value: unknown) => (rest.length === 0 ? to : withValue(value, rest.join('.'), to))
  if (Array.isArray(content))
    return content.map((one, at) => (String(at) === name ? next(one) : one))
  const record = isRecord(content) ? content : {}
  return { ...record, [name]: next(record[name]) }
}

/** Whose form it is, as the list shows it. */
export function organizationOf(form: Form): { oid: string | undefined; name: string | undefined } {
  const said = (path: string) => {
    const value = valueAt(form.content, path)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const stamp = said('orgStamp.name')
  if (form.kind === 'enrollment') {
    return { oid: said('organization.frmoOid'), name: said('organization.fullName') ?? stamp }
  }
  const oid = form.kind === 'device_notice' ? form.organization : form.holder
  return { oid, name: stamp }
}
