import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { FieldError } from '#protocol/fields/text.ts'
import type { Actor, Living, Refusal, RefusalCode } from '#protocol/life-cycle.ts'
import type { Attachments } from './attachments.ts'
import type { Audit } from './audit.ts'
import type { Numbers } from './numbers.ts'
import type { Seal } from '#protocol/secrets/seal.ts'
import type { Store } from './store/store.ts'
import type { Turns } from '#protocol/turns.ts'

/** What the registry's office work stands on. */
export type Office = {
  store: Store
  seal: Seal
  audit: Audit
  numbers: Numbers
  attachments: Attachments
  clock: () => number
  random: (bytes: number) => Uint8Array
  /** Forms change one after another: a number is given once, and a guard sees what it decides on. */
  inTurn: Turns
}

/** Who acts, and from where. */
export type By = { actor: Actor; source: string }

export const system: By = { actor: { role: 'system', account: '', name: '' }, source: 'registry' }

/** In the name of whoever took this step, when it is known. */
export function byOf({ history }: Pick<Living, 'history'>, step: string): By | undefined {
  const taken = history.findLast(({ action }) => action === step)
  return taken && { actor: taken.by, source: system.source }
}

/** A form that does not take an action, and why. */
export class FormRefused extends ProtocolError {
  readonly reason: RefusalCode
  readonly fields: FieldError[]
  constructor({ code, fields = [] }: Refusal) {
    super(codes[code] ?? 'bad_request', `refused: ${code}`)
    this.reason = code
    this.fields = fields
  }
}

const codes: Partial<Record<RefusalCode, ErrorCode>> = {
  wrong_state: 'conflict',
  wrong_actor: 'forbidden',
  same_person: 'forbidden',
  two_persons_needed: 'forbidden',
  oid_taken: 'conflict',
  row_settled: 'conflict',
}
