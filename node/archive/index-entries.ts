import { ProtocolError } from '#protocol/errors.ts'
import type { Archive } from './archive.ts'
import type { Catalog } from './catalog.ts'
import { entryRecord, spanOf } from './filing.ts'
import { digestOf, readPayload } from './payload.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

type EntryParts = { valueLog: ValueLog; catalog: Catalog; sequence: Sequence }

/** Records that others made and the log keeps: entries of the index log. */
export function createEntries({
  valueLog,
  catalog,
  sequence,
}: EntryParts): Pick<Archive, 'append' | 'replay'> {
  return {
    async append(_kind, payload) {
      await valueLog.checkSpace()
      const seq = sequence.next()
      try {
        const appended = await valueLog.append([entryRecord(seq, payload)])
        const location = appended[0]?.location
        if (location === undefined) throw new ProtocolError('internal', 'nothing was appended')
        const sha256 = digestOf(payload)
        await catalog.apply({ kind: 'entry', seq, location, sha256, span: spanOf(appended) })
      } finally {
        sequence.settle(seq)
      }
    },
    async *replay(_kind) {
      for await (const { location, sha256 } of catalog.entries()) {
        yield await readPayload(valueLog, location, sha256)
      }
    },
  }
}
