import { requestJson } from './http.ts'

/** What this node knows of the others: who can be reached, and how old its copy of their lists is. */
export type Region = {
  organization: { oid: string; name: string }
  demo: boolean
  registry: { reachable: boolean; since: number }
  holders: Holder[]
}
export type Holder = { oid: string; name: string; reachable: boolean; ageMs: number }

export async function loadRegion(signal?: AbortSignal): Promise<Region> {
  return (await requestJson('/api/region', { signal })) as Region
}
