import { ApiError, request, requestJson } from './http.ts'

/** Who is signed in at this node. */
export type Session = {
  user: { id: string; login: string; name: string; roles: string[]; position: string }
  organization: { oid: string; name: string }
  demo: boolean
  secondFactor: {
    state: 'off' | 'absent' | 'set'
    /** It is all that she lacks for a part of her work. */
    isNeeded: boolean
    recoveryCodes: number
  }
}

/** Nothing when nobody is signed in. */
export async function currentSession(): Promise<Session | undefined> {
  try {
    return (await requestJson('/api/session')) as Session
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return undefined
    throw error
  }
}

export type SignIn = { login: string; password: string; code?: string }

/** The token in the answer is for scripts; the browser keeps only the cookie, which no script can read. */
export async function signIn(json: SignIn): Promise<Session | undefined> {
  await request('/api/session', { method: 'POST', json })
  return currentSession()
}

export async function signOut(): Promise<void> {
  await request('/api/session', { method: 'DELETE' })
}

export type NewFactor = { secret: string; uri: string }

export const beginFactor = (json: { password: string; code?: string }): Promise<NewFactor> =>
  requestJson('/api/session/second-factor', { method: 'POST', json }) as Promise<NewFactor>

/** Gives the recovery codes, this once. */
export async function confirmFactor(code: string): Promise<string[]> {
  const path = '/api/session/second-factor/confirmation'
  const answer = await requestJson(path, { method: 'POST', json: { code } })
  return (answer as { recoveryCodes: string[] }).recoveryCodes
}
