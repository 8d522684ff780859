import type { OwnUser } from '#protocol/authorize.ts'

/** A signed-in person at this node. */
export type SessionUser = OwnUser & {
  login: string
  name: string
  position: string
  department: string
  workstation: string
  /** Remote address of the browser or client. */
  address: string
  /** SHA-256 of the session secret, hexadecimal. */
  session: string
  expiresAt: number
}
