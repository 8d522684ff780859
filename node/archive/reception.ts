import { judgeKnown, judgeText, type KnownEncoding, type TextJudgement } from '../dicom/charsets.ts'
import type { WalkedText, Walker } from '../dicom/data-set.ts'
import { assess, clockReading, type DeviceFacts, valueOf } from '../dicom/quality.ts'
import { createWalker } from '../dicom/walker.ts'
import type { Origin } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import type { InstanceHeader } from './filing.ts'
import { samplesOf } from './study-quality.ts'

/** What is known of those who send: given by whoever has the register of devices. */
export type Reception = {
  device(origin: Origin): DeviceFacts | undefined
  /** What the sender is known to write, whatever it declares. */
  encoding(origin: Origin): KnownEncoding | undefined
  /** A whole object's text was not as declared: it tells what its device writes. */
  judged(origin: Origin, study: string, judgement: TextJudgement): void
  /** By how many minutes the sender's clock was ahead when it made a live object; 0 when it was plausible. */
  timed(origin: Origin, study: string, aheadMinutes: number): void
}

/** Where nothing is known of anybody. */
export const plainReception: Reception = {
  device: () => undefined,
  encoding: () => undefined,
  judged: () => undefined,
  timed: () => undefined,
}

/**
 * Walks what a sender sends with what is known of it: its text is judged together with what the study has said so far,
 * and the rules of reception are applied (DQ-03 … DQ-17).
 */
export const createReceptionWalker =
  ({ catalog, reception }: { catalog: Pick<Catalog, 'study' | 'read'>; reception: Reception }) =>
  (transferSyntax: string, { origin, receivedAt }: InstanceHeader): Walker => {
    const walker = createWalker(transferSyntax, ({ declared, samples, study }) => {
      // A renamed copy has the text of the entry that it is of.
      if (origin.kind === 'release') {
        return judgeKnown(declared, samples, keptText(catalog, origin.entry))
      }
      const before = samplesOf(catalog.study(study))
      const judgement = judgeText(declared, [...samples, ...before], reception.encoding(origin))
      if (judgement.source !== 'declared') reception.judged(origin, study, judgement)
      return judgement
    })
    return {
      write: (chunk) => walker.write(chunk),
      end() {
        const walk = walker.end()
        const device = reception.device(origin)
        const arrival = {
          attributes: walk.attributes,
          damaged: walk.damaged === true,
          receivedAt,
          isLive: origin.kind === 'dimse',
          ...(walk.text !== undefined && { text: walk.text }),
          ...(device !== undefined && { device }),
        }
        const aheadMinutes = arrival.isLive ? clockReading(arrival) : undefined
        if (aheadMinutes !== undefined) {
          reception.timed(origin, valueOf(walk.attributes, '0020000D'), aheadMinutes)
        }
        const { attributes, findings } = assess(arrival)
        return { ...walk, attributes, ...(findings.length > 0 && { findings }) }
      },
    }
  }

const keptText = ({ read }: Pick<Catalog, 'read'>, entry: number): WalkedText | undefined =>
  (read(keys.quarantineKey(entry)) as QuarantineRow | undefined)?.entry.text
