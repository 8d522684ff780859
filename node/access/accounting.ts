import type { Assertion } from '#protocol/assertion.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { EventParams } from '#protocol/control.ts'
import { codeOf } from '#protocol/errors.ts'
import type { Signer } from '#protocol/jws.ts'
import type { Handlers, Host, HostOptions } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createAccesses } from './accesses.ts'
import type { Federation } from './federation.ts'
import type { Peers } from './peers.ts'
import { createReceipts, type Receipts } from './receipts.ts'
import { openReconciliation, type Reconciliation } from './reconciliation.ts'

type Deps = {
  federation: Pick<
    Federation,
    'self' | 'members' | 'memberByPeer' | 'keyOf' | 'now' | 'isTimeProven'
  >
  signer: Signer
  records: Records
  audit: { append(entry: AuditEntry): Promise<unknown> }
  connection: Host['connection']
  log: Log
}

/** Who owes whom which account of an access: receipts as they are made, and the comparison of each day. */
export type Accounting = {
  receipts: Receipts
  handlers: Handlers
  onEvent: NonNullable<HostOptions['onEvent']>
  onAsked(claims: Assertion): Promise<void>
  onReceived(assertion: string, bytes: number): void
  /** Begins to compare days; others are asked over these connections. */
  compare(connect: Peers['connect']): Promise<Reconciliation>
}

export function createAccounting(deps: Deps): Accounting {
  const { federation, log } = deps
  const self = federation.self.oid
  const { keyOf, memberByPeer, members, now, isTimeProven } = federation
  const accesses = createAccesses(deps.records)
  const receipts = createReceipts({ ...deps, self, accesses, keyOf, memberByPeer, now })
  return {
    receipts,
    handlers: receipts.handlers,
    onAsked: receipts.asked,
    onReceived(assertion, bytes) {
      receipts.received(assertion, bytes).catch((err: unknown) => {
        log.warn({ err }, 'what was received is not noted')
      })
    },
    onEvent(peer, event, params) {
      const member = memberByPeer(peer)
      if (event !== 'receipt' || member === undefined) return
      // The transport has checked the parameters. One that is not believed is asked for when its day is compared.
      receipts.take(member.oid, params as EventParams<'receipt'>).catch((error: unknown) => {
        log.warn({ code: codeOf(error), holder: member.oid }, 'a receipt was not taken')
      })
    },
    compare: (connect) =>
      openReconciliation({
        ...deps,
        self,
        members,
        connect,
        accesses,
        receipts,
        now,
        isTimeProven,
      }),
  }
}
