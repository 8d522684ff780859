import { ApiError, requestJson } from './http.ts'

/** A study that was open and may not be shown any more: why, and whose it is, as far as the node says. */
export type Closed = { because: string; holder?: string; sentence?: string }

export type Access = 'open' | 'unknown' | 'refused' | Closed

/** Asks whether an open study may still be read. A link that is down closes nothing: `unknown`. `refused`: it never was open. */
export async function readAccess(study: string, signal: AbortSignal): Promise<Access> {
  try {
    return accessFrom(await requestJson(`/api/studies/${study}/access`, { signal }))
  } catch (error) {
    // What the operator has limited stands before every door, and says itself why.
    if (error instanceof ApiError && error.code === 'organization_restricted') {
      const { code: because, sentence } = error
      return { because, ...(sentence !== undefined && { sentence }) }
    }
    if (error instanceof ApiError && error.status === 403) return 'refused'
    if (error instanceof ApiError && error.status !== 401) return 'unknown'
    throw error
  }
}

export function accessFrom(value: unknown): Access {
  if (typeof value !== 'object' || value === null) return 'unknown'
  const { open, because, holder, sentence } = value as Record<string, unknown>
  if (open === true) return 'open'
  if (open !== false || typeof because !== 'string') return 'unknown'
  return {
    because,
    ...(typeof holder === 'string' && { holder }),
    ...(typeof sentence === 'string' && { sentence }),
  }
}
