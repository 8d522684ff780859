import { useApp } from '../parts/app-context.ts'

/** The organization's name where this node knows it. */
export function useOrganizationName(): (oid: string) => string {
  const { region, session } = useApp()
  const own = session.value
  return (oid) => {
    if (typeof own === 'object' && own.organization.oid === oid) return own.organization.name
    return region.value?.holders.find((holder) => holder.oid === oid)?.name ?? oid
  }
}
