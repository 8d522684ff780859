import { setImmediate } from 'node:timers/promises'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { worklistLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { encodingOf } from '../dicom/transfer-syntax.ts'
import type { Referrals } from '../store/referrals.ts'
import { commandField } from './command-set.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { requireIdentifier } from './identifier.ts'
import { askedOf } from './items.ts'
import type { Service } from './service.ts'
import { status } from './status.ts'
import { encodersFor } from '../dicom/text-encoder.ts'
import {
  isMatchedPartly,
  matchesWorklist,
  readWorklistKeys,
  type WorklistKeys,
} from './worklist-keys.ts'
import { worklistRow } from './worklist-rows.ts'

/** Modality Worklist Information Model (PS3.4 §K). */
export const worklistClass = '1.2.840.10008.5.1.4.31'

/** The worklist (рабочий список): steps of open referrals that have not ended. */
export function createWorklist(deps: {
  referrals: Pick<Referrals, 'open'>
  organization: string
  audit: (entry: AuditEntry) => Promise<unknown>
}): Service {
  const { referrals, organization, audit } = deps
  return {
    permission: 'worklist',
    abstractSyntaxes: new Set([worklistClass]),
    fields: new Set([commandField.findRequest]),
    async perform({ context, identifier, device, origin }, exchange) {
      const { keys, characterSet } = await requireIdentifier(identifier, context.transferSyntax)
      const asked = readWorklistKeys(keys)
      const { rows, more } = await find(referrals.open(), asked)
      // Whose worklist it is stands in the audit before anybody has it.
      await audit({
        event: 'query',
        outcome: 'success',
        organization,
        user: origin.callingAe,
        role: 'device',
        source: origin.address,
        holder: organization,
        detail: `worklist: ${rows.length}`,
      })
      const declared = device.characterSet === undefined ? characterSet : [device.characterSet]
      const { explicit: isExplicit } = encodingOf(context.transferSyntax)
      const encoders = encodersFor(declared)
      for (const row of rows) {
        if (exchange.cancelled.aborted) return exchange.respond({ status: status.cancelled })
        const dataSet = encodeDataSet(askedOf(row, keys), { isExplicit, encoders })
        const isPartly = isMatchedPartly(row, asked)
        const pending = isPartly ? status.pendingKeysUnsupported : status.pending
        await exchange.respond({ status: pending, dataSet })
      }
      if (!more) return exchange.respond({ status: status.success })
      const comment = 'more steps than are given'
      return exchange.respond({ status: status.outOfResources, comment })
    },
  }
}

const referralsPerTurn = 500

/** In the order of their time. */
async function find(
  referrals: ReturnType<Referrals['open']>,
  asked: WorklistKeys,
): Promise<{ rows: DicomJson[]; more: boolean }> {
  const found: { at: string; row: DicomJson }[] = []
  for (const [index, referral] of referrals.entries()) {
    if (index % referralsPerTurn === referralsPerTurn - 1) await setImmediate()
    for (const step of referral.steps) {
      if (step.state !== 'scheduled' && step.state !== 'in-progress') continue
      const row = worklistRow(referral, step)
      if (matchesWorklist(row, asked)) found.push({ at: step.startDate + step.startTime, row })
    }
  }
  found.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const rows = found.slice(0, worklistLimits.resultsMax).map(({ row }) => row)
  return { rows, more: found.length > rows.length }
}
