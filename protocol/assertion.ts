import { z } from 'zod'
import { Operation } from './grant.ts'
import { OrganizationUrn, Seconds, StudyUid, Ulid, UserId } from './ids.ts'

/** `typ: cami-access+jwt`: one reading of one study by one user, single use, at most 300 s, signed by the grantee's node. */
export const Assertion = z.strictObject({
  iss: OrganizationUrn,
  sub: UserId,
  aud: OrganizationUrn,
  jti: Ulid,
  iat: Seconds,
  exp: Seconds,
  /** `jti` of the grant relied on. */
  grant: Ulid,
  op: Operation,
  res: StudyUid,
  purp: z.literal('interpretation'),
  role: z.string().max(32),
  pos: z.string().max(200),
  dep: z.string().max(200),
  amr: z
    .array(z.enum(['pwd', 'otp', 'hwk']))
    .min(1)
    .max(3),
  auth_time: Seconds,
  ws: z.string().max(64),
  /** First 16 bytes of SHA-256 of the session id, hexadecimal. */
  sid: z.string().regex(/^[0-9a-f]{32}$/),
})
export type Assertion = z.infer<typeof Assertion>
