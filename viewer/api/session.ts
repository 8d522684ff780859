import { ApiError, request, requestJson } from './http.ts'

/** Who is signed in at this node. */
export type Session = {
  user: { id: string; login: string; name: string; roles: string[]; position: string }
  organization: { oid: string; name: string }
  demo: boolean
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

/** The token in the answer is for scripts; the browser keeps only the cookie, which no script can read. */
export async function signIn(login: string, password: string): Promise<Session | undefined> {
  await request('/api/session', { method: 'POST', json: { login, password } })
  return currentSession()
}

export async function signOut(): Promise<void> {
  await request('/api/session', { method: 'DELETE' })
}
