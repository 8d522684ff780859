import { z } from 'zod'
import { grantKind, grantRequestKind, GrantScope, Operation } from '#protocol/grant.ts'
import type { GrantRequest } from '#protocol/grant.ts'
import { OrganizationOid, Sha256, Ulid } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import type { Store, Write } from './store/store.ts'

/** A grant as the registry keeps it: the countersigned token, and what is asked of it often. */
export const GrantRow = z.strictObject({
  jti: Ulid,
  ver: z.int().min(1),
  digest: Sha256,
  /** SHA-256 of the holder's request: the same one, sent twice, is one grant. */
  request: Sha256,
  active: z.boolean(),
  holder: OrganizationOid,
  grantee: OrganizationOid,
  scope: GrantScope,
  act: z.array(Operation),
  /** Milliseconds. */
  notBefore: z.int(),
  expiresAt: z.int(),
  token: z.string(),
})
export type GrantRow = z.infer<typeof GrantRow>

/** What one epoch can list, and one answer carry. */
export const grantsMax = 1000

export const grantKey = (holder: OrganizationOid, jti: string): string => `grant/${holder}/${jti}`

export async function readGrants(store: Store, holder: OrganizationOid): Promise<GrantRow[]> {
  const rows = await store.list(`grant/${holder}/`, { limit: grantsMax })
  return rows.map(({ value }) => GrantRow.parse(JSON.parse(value)))
}

/** What the holder signed. The registry has countersigned it itself, so it is read and not verified again. */
export const requestOf = ({ token }: GrantRow): GrantRequest =>
  decodeToken(decodeToken(token, grantKind).claims.req, grantRequestKind).claims

/** A grant that has run out authorizes nobody, listed or not. */
export const isListed = (row: GrantRow, now: number): boolean => now < row.expiresAt

export function writesOf(row: GrantRow): Write[] {
  return [
    { put: grantKey(row.holder, row.jti), value: JSON.stringify(row) },
    { put: `grant-holder/${row.jti}`, value: row.holder },
    { put: `received/${row.grantee}/${row.jti}`, value: row.holder },
  ]
}

export function removalOf(row: GrantRow): Write[] {
  return [
    { del: grantKey(row.holder, row.jti) },
    { del: `grant-holder/${row.jti}` },
    { del: `received/${row.grantee}/${row.jti}` },
  ]
}
