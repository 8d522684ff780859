import { assertionKind } from '#protocol/assertion.ts'
import type { Assertion } from '#protocol/assertion.ts'
import type { EventParams } from '#protocol/control.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { oidOf, urnOf } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PeerIdString, PublicJwk, Sha256 } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { reconciliationLimits } from '#protocol/limits.ts'
import { receiptKind, verifyReceipt } from '#protocol/receipt.ts'
import type { Receipt } from '#protocol/receipt.ts'
import type { Connection, Handlers } from '#protocol/transport/transport.ts'
import type { Accesses, AccessId } from './accesses.ts'
import type { Member } from './members.ts'

export type Ended = Pick<Receipt, 'instances' | 'bytes' | 'outcome'> & { manifest?: Sha256 }

/**
 * Both sides' memory of the accesses between them. The holder notes each before it admits anybody, and gives a signed
 * receipt when it has ended; the grantee notes what it asked for and got, and keeps the receipt.
 */
export type Receipts = {
  /** Holder: before anybody is admitted. */
  admitted(claims: Assertion): Promise<void>
  /** Holder: signs the receipt and sends it when the grantee is connected; else it is asked for when days are compared. */
  ended(claims: Assertion, peer: PeerIdString, result: Ended): Promise<void>
  /** Grantee: before an assertion leaves. */
  asked(claims: Assertion): Promise<void>
  /** Grantee: a stream that was opened with this assertion has ended. */
  received(assertion: string, bytes: number): Promise<void>
  /** Grantee: keeps a receipt for what it has asked for; throws for any other. */
  take(holder: OrganizationOid, params: EventParams<'receipt'>): Promise<Receipt>
  readonly handlers: Required<Pick<Handlers, 'accesses.get'>>
}

export type ReceiptsDeps = {
  self: OrganizationOid
  signer: Signer
  accesses: Accesses
  memberByPeer: (peer: PeerIdString) => Pick<Member, 'oid'> | undefined
  keyOf: (organization: OrganizationOid, kid: Kid) => PublicJwk | undefined
  connection: (peer: PeerIdString) => Pick<Connection, 'send'> | undefined
  now: () => number
}

export function createReceipts(deps: ReceiptsDeps): Receipts {
  const { self, signer, accesses, now } = deps
  return {
    admitted: (claims) => accesses.begun(idOf('holder', claims), whatOf(claims)),
    async ended(claims, peer, { manifest, ...result }) {
      const receipt = await signer.sign(receiptKind.typ, {
        iss: urnOf(self),
        aud: claims.iss,
        iat: Math.floor(now() / 1000),
        req: claims.jti,
        asked: claims.iat,
        sub: claims.sub,
        study: claims.res,
        ...(manifest !== undefined && { manifest }),
        ...result,
      } satisfies Receipt)
      await accesses.add(idOf('holder', claims), { ...result, receipt })
      deps.connection(peer)?.send('receipt', { receipt })
    },
    asked: (claims) => accesses.begun(idOf('grantee', claims), whatOf(claims)),
    async received(assertion, bytes) {
      const { claims } = decodeToken(assertion, assertionKind)
      await accesses.add(idOf('grantee', claims), { bytes, outcome: 'success' })
    },
    take: (holder, { receipt }) => takeReceipt(deps, holder, receipt),
    handlers: {
      async 'accesses.get'({ day, side, after }, { peer }) {
        const member = deps.memberByPeer(peer)
        if (member === undefined) throw new ProtocolError('forbidden', 'not a member')
        const of = { day, side, peer: member.oid, limit: reconciliationLimits.pageRows }
        return { accesses: await accesses.page({ ...of, ...(after !== undefined && { after }) }) }
      },
    },
  }
}

async function takeReceipt(
  { self, accesses, keyOf, now }: ReceiptsDeps,
  holder: OrganizationOid,
  receipt: string,
): Promise<Receipt> {
  const { claims } = await verifyReceipt(receipt, {
    keyOf: (kid, iss) => (oidOf(iss) === holder ? keyOf(holder, kid) : undefined),
    audience: urnOf(self),
    now: now(),
  })
  const id: AccessId = { side: 'grantee', peer: holder, req: claims.req, asked: claims.asked }
  const row = await accesses.find(id)
  if (row === undefined || row.study !== claims.study || row.user !== claims.sub) {
    throw new ProtocolError('audit_mismatch', 'a receipt for what was not asked for')
  }
  // The first one counts: a holder that changes its mind has contradicted itself, and the day's comparison shows it.
  if (row.receipt === undefined) await accesses.add(id, { receipt })
  return claims
}

const idOf = (side: AccessId['side'], { iss, aud, jti, iat }: Assertion): AccessId => ({
  side,
  peer: oidOf(side === 'holder' ? iss : aud),
  req: jti,
  asked: iat,
})

const whatOf = ({ res, sub }: Assertion) => ({ study: res, user: sub })
