import { ProtocolError } from '#protocol/errors.ts'
import { createElementParser } from '../dicom/element-parser.ts'
import { createInflater } from '../dicom/inflate.ts'
import { createGivingWay, deflatedPieces } from '../dicom/inflate-turns.ts'
import { encodingOf, isDeflated } from '../dicom/transfer-syntax.ts'

const studyInstanceUid = 0x0020000d

/**
 * Watches a data set stream by until it has told its study. Storing into one study refuses what belongs to another
 * (PS3.18 §10.5.1.1), before anything of it is kept.
 */
export function createStudyCheck(
  study: string,
  transferSyntax: string,
): { write(chunk: Uint8Array): Promise<void>; end(): void } {
  let found: string | undefined
  const parser = createElementParser(encodingOf(transferSyntax), {
    element({ tag, depth, length }) {
      if (depth > 0 || tag < studyInstanceUid) return 'skip'
      return tag === studyInstanceUid && length <= 64 ? 'collect' : 'stop'
    },
    value(_, bytes) {
      found = Buffer.from(bytes)
        .toString('latin1')
        .replaceAll(/[ \0]+$/g, '')
      if (found !== study) throw mismatch()
    },
    fragmentsBegin: () => 'stop',
  })
  const inflater = isDeflated(transferSyntax)
    ? createInflater((part) => parser.write(part))
    : undefined
  const giveWay = createGivingWay()
  const isOver = () => parser.stopped || found !== undefined
  return {
    async write(chunk) {
      if (isOver()) return
      if (inflater === undefined) return parser.write(chunk)
      for (const piece of deflatedPieces(chunk)) {
        await giveWay()
        inflater.write(piece)
        if (isOver()) return
      }
    },
    end() {
      if (found === undefined) throw mismatch()
    },
  }
}

const mismatch = () =>
  new ProtocolError('instance_mismatch', 'the instance belongs to another study')
