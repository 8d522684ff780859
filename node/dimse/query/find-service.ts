import { setImmediate } from 'node:timers/promises'
import { queryLimits } from '#protocol/limits.ts'
import type { Query } from '../../archive/archive.ts'
import type { DicomJson, DicomJsonElement } from '../../dicom/dicom-json.ts'
import { transferSyntaxes } from '../../dicom/transfer-syntax.ts'
import { commandField } from '../command-set.ts'
import { createDataSetWriter, writeExpressible } from '../data-set-writer.ts'
import { requireIdentifier } from '../identifier.ts'
import type { Exchange, Service } from '../service.ts'
import { status } from '../status.ts'
import { askedElement } from '../items.ts'
import { encodersFor } from '../../dicom/text-encoder.ts'
import { callerOf, type QueryDoors } from './doors.ts'
import { readKeys, type Asked } from './keys.ts'
import { findModels, queryRetrieveLevel, retrieveAeTitle, type Level } from './models.ts'

/** C-FIND over both roots (PS3.4 §C.4.1). */
export function createFindService(deps: {
  doors: Pick<QueryDoors, 'search'>
  /** Ours: where what is found can be retrieved. */
  aeTitle: string
}): Service {
  return {
    permission: 'query',
    abstractSyntaxes: new Set(findModels.keys()),
    fields: new Set([commandField.findRequest]),
    async perform(request, exchange) {
      const { context, identifier, device } = request
      const levels = findModels.get(context.abstractSyntax) ?? []
      const { keys, characterSet } = await requireIdentifier(identifier, context.transferSyntax)
      const asked = readKeys(keys, levels)
      const { match } = asked
      const query = {
        level: searchLevels[asked.level],
        match,
        limit: queryLimits.matchesMax,
        offset: 0,
      }
      const found = await deps.doors.search(callerOf(request), query, 'query')
      const declared = device.characterSet === undefined ? characterSet : [device.characterSet]
      const encode = createEncoder(asked, {
        isExplicit: context.transferSyntax === transferSyntaxes.explicitLittleEndian,
        declared,
        aeTitle: deps.aeTitle,
      })
      const pending = asked.isPartly ? status.pendingKeysUnsupported : status.pending
      if (!(await respondAll(exchange, found.matches, { encode, pending }))) {
        await exchange.respond({ status: status.cancelled })
      } else if (found.more) {
        await exchange.respond({
          status: status.outOfResources,
          comment: 'more matches than are given',
        })
      } else {
        await exchange.respond({ status: status.success })
      }
    },
  }
}

const searchLevels: Record<Level, Query['level']> = {
  PATIENT: 'patient',
  STUDY: 'study',
  SERIES: 'series',
  IMAGE: 'instance',
}

/** False when the caller cancelled. */
async function respondAll(
  exchange: Exchange,
  matches: readonly DicomJson[],
  how: { encode: (match: DicomJson) => Buffer; pending: number },
): Promise<boolean> {
  for (let at = 0; at < matches.length; at += queryLimits.matchesPerTurn) {
    // Others have their turn, and a C-CANCEL is read.
    if (at > 0) await setImmediate()
    if (exchange.cancelled.aborted) return false
    const some = matches.slice(at, at + queryLimits.matchesPerTurn)
    await exchange.respondAll(how.pending, some.map(how.encode))
  }
  return !exchange.cancelled.aborted
}

/** Writes one match; in the caller's character set when that can express it. */
function createEncoder(
  { level, returned }: Asked,
  options: { isExplicit: boolean; declared: readonly string[]; aeTitle: string },
): (match: DicomJson) => Buffer {
  const writer = createDataSetWriter(options.isExplicit)
  const to = { ...options, writer, encoders: encodersFor(options.declared) }
  const fixed: Record<string, DicomJsonElement> = {
    [queryRetrieveLevel]: { vr: 'CS', Value: [level] },
    [retrieveAeTitle]: { vr: 'AE', Value: [options.aeTitle] },
  }
  return (match) => {
    const write = ({ tag, name, vr, key }: Asked['returned'][number]): boolean => {
      const found = fixed[name] ?? match[name]
      const element = key === undefined ? found : askedElement(found, key)
      return writer.element(tag, element?.vr ?? vr, element)
    }
    return writeExpressible(returned, write, to)
  }
}
