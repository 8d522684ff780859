import { z } from 'zod'

const advice =
  'Укажите OID организации из справочника ФРМО, например 1.2.643.5.1.13.13.12.2.42.4044.'

/** OID of an organization in ФРМО; without the department, which stands in a field of its own. */
export const FrmoOid = z
  .string({ error: advice })
  .overwrite((value) => value.trim())
  .max(64, advice)
  .regex(/^1\.2\.643\.5\.1\.13\.13\.12\.[12]\.[1-9]\d?\.[1-9]\d{0,6}$/, advice)
  .brand<'OrganizationOid'>()

/** A federal organization or one of a neighbouring region is possible and unusual. */
export function oidWarning(oid: string): string | undefined {
  const [arc, region] = oid.split('.').slice(8)
  if (arc === '1') return 'Это OID федеральной организации: проверьте его.'
  return region === '42' ? undefined : 'Это OID организации другого региона: проверьте его.'
}
