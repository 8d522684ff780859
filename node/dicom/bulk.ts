import { ProtocolError } from '#protocol/errors.ts'
import type { RandomAccess } from './data-set.ts'
import { tagText } from './dictionary.ts'
import type { Element } from './element-parser.ts'
import { littleEndian } from './elements.ts'
import { parseStored } from './header-source.ts'
import { isDeflated } from './transfer-syntax.ts'

/** Bytes of a data set: a place in it, or the bytes themselves where it does not hold them as they are asked for. */
export type Bytes = { length: number; offset: number } | { length: number; bytes: Uint8Array }

/** The value that `bulk/<path>` refers to (see `readHeader`), little-endian; `not_found` when there is none. */
export async function bulkValue(
  data: RandomAccess,
  transferSyntax: string,
  path: string,
): Promise<Bytes & { vr: string }> {
  const search = createSearch(path, isDeflated(transferSyntax))
  await parseStored(data, transferSyntax, search.events)
  const { element, bytes } = search.found()
  if (element === undefined) throw new ProtocolError('not_found', 'no such value')
  const { vr, length, valueOffset, encoding } = element
  if (bytes !== undefined) return { vr, length, bytes }
  if (!encoding.bigEndian) return { vr, length, offset: valueOffset }
  const value = await data.read(valueOffset, length)
  return { vr, length, bytes: littleEndian(value, vr, true) }
}

function createSearch(path: string, mustCollect: boolean) {
  let element: Element | undefined
  let bytes: Uint8Array | undefined
  const sequences: { path: string; items: number }[] = []
  let prefix = ''
  const prefixes: string[] = []
  const isMeant = ({ tag }: Element) => `${prefix}${tagText(tag)}` === path
  return {
    found: () => ({ element, bytes }),
    events: {
      element(met: Element) {
        // What follows a value that was taken is of no interest.
        if (bytes !== undefined) return 'stop' as const
        if (element !== undefined || !isMeant(met)) return 'skip' as const
        element = met
        return mustCollect ? ('collect' as const) : ('stop' as const)
      },
      value(_: Element, value: Uint8Array) {
        bytes = value
      },
      sequenceBegins(met: Element) {
        sequences.push({ path: `${prefix}${tagText(met.tag)}/`, items: 0 })
      },
      itemBegins() {
        const sequence = sequences.at(-1)
        prefixes.push(prefix)
        if (sequence !== undefined) prefix = `${sequence.path}${sequence.items++}/`
      },
      itemEnds() {
        prefix = prefixes.pop() ?? ''
      },
      sequenceEnds() {
        sequences.pop()
      },
    },
  }
}
