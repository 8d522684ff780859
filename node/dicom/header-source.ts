import type { RandomAccess } from './data-set.ts'
import { createElementParser, type ParserEvents } from './element-parser.ts'
import { createInflater } from './inflate.ts'
import { createGivingWay, deflatedPieces } from './inflate-turns.ts'
import { encodingOf, isDeflated } from './transfer-syntax.ts'
import { instanceLimits } from '#protocol/limits.ts'

/**
 * Runs a parser over a stored data set from its beginning to `end`, or until it stops. Values that nobody wants are
 * not read where the bytes allow it.
 */
export async function parseStored(
  data: RandomAccess,
  transferSyntax: string,
  events: ParserEvents,
  end = data.bytes,
): Promise<void> {
  const parser = createElementParser(encodingOf(transferSyntax), events)
  const inflater = isDeflated(transferSyntax)
    ? createInflater((part) => parser.write(part))
    : undefined
  const giveWay = createGivingWay()
  let offset = 0
  while (offset < end && !parser.stopped) {
    const length = Math.min(instanceLimits.readBytes, end - offset)
    const part = await data.read(offset, length)
    offset += length
    if (inflater !== undefined) {
      for (const piece of deflatedPieces(part)) {
        if (parser.stopped) break
        await giveWay()
        inflater.write(piece)
      }
      continue
    }
    parser.write(part)
    const jump = Math.min(parser.skippable, end - offset)
    parser.skip(jump)
    offset += jump
  }
  // A header that ends where the pixels begin has nothing left open.
  if (end === data.bytes && !parser.stopped) {
    inflater?.end()
    parser.end()
  }
}
