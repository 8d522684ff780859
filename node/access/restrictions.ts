import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import {
  restrictionAgainst,
  RestrictionRecord,
  restrictionSentence,
} from '#protocol/restriction.ts'
import type { RestrictedAct } from '#protocol/restriction.ts'
import type { Records } from '../store/records.ts'

/** What the operator has limited here (W-2). Apparatus are never asked: what they send is taken in every case. */
export type Restrictions = {
  current(): readonly RestrictionRecord[]
  /** The whole list, as the registry has it now. */
  take(records: readonly RestrictionRecord[]): Promise<void>
  /** Throws `organization_restricted`, with the reason in Russian, when the act is limited. */
  check(act: RestrictedAct): void
}

/** The sentence is for the person who is refused. */
export class OrganizationRestricted extends ProtocolError {
  readonly sentence: string
  constructor(sentence: string) {
    super('organization_restricted', 'the organization is restricted')
    this.sentence = sentence
  }
}

const kind = 'restriction'
const key = 'current'

export async function openRestrictions(
  records: Pick<Records, 'find' | 'put'>,
): Promise<Restrictions> {
  const Stored = z.array(RestrictionRecord)
  let current = (await records.find(kind, key, Stored)) ?? []
  return {
    current: () => current,
    async take(next) {
      if (JSON.stringify(next) === JSON.stringify(current)) return
      await records.put(kind, key, next)
      current = [...next]
    },
    check(act) {
      const found = restrictionAgainst(act, current)
      if (found !== undefined) throw new OrganizationRestricted(restrictionSentence(act, found))
    },
  }
}
