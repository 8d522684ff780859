import { ApiError, requestJson } from './http.ts'

/** The shortest reason that a holder takes. */
export const reasonCharsMin = 20
export const reasonCharsMax = 300

/** Of these holders, those that let a radiologist in without a grant. */
export async function offering(
  holders: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const asked = await Promise.all(
    holders.map(async (holder) => {
      try {
        const answer = await requestJson(`/api/holders/${holder}/emergency`, { signal })
        return (answer as { offered?: unknown }).offered === true ? holder : undefined
      } catch (error) {
        // One that cannot be asked offers nothing.
        if (error instanceof ApiError && error.status !== 401) return undefined
        throw error
      }
    }),
  )
  return asked.filter((holder) => holder !== undefined)
}

export async function openInEmergency(
  study: string,
  json: { holder: string; reason: string; password: string; code?: string },
): Promise<void> {
  await requestJson(`/api/studies/${study}/emergency`, { method: 'POST', json })
}
