import { ProtocolError } from '#protocol/errors.ts'
import { dicomwebLimits } from '#protocol/limits.ts'
import type { InstanceEntry } from '../archive/archive.ts'
import { isDecodable } from '../dicom/codecs/decode.ts'
import { framesOf } from '../dicom/pixel-facts.ts'
import type { Context } from './answer.ts'
import { frameNumbers } from './frames.ts'

/** One frame to be shown. */
export type Shot = { entry: InstanceEntry; frame: number }

/** What can be shown, in the order of the series; `not_acceptable` when nothing can. */
export function shotsOf(ctx: Context, entries: readonly InstanceEntry[]): Shot[] {
  const images = entries.filter(isShown).toSorted(byNumber)
  const { frames } = ctx.params
  const shots = images.flatMap((entry) => {
    const count = framesOf(entry.attributes)
    const numbers = frames === undefined ? [representative(count)] : frameNumbers(frames)
    if (numbers.some((number) => number > count)) {
      throw new ProtocolError('not_found', 'no such frame')
    }
    return numbers.map((frame) => ({ entry, frame }))
  })
  if (shots.length === 0) throw notShown('nothing here can be shown')
  if (shots.length > dicomwebLimits.framesPerRequest) throw notShown('too many pictures')
  return shots
}

/** The middle of a cine run shows more than its first frame, which is often black. */
const representative = (count: number): number => Math.ceil(count / 2)

/** Pixels that do not fit their description must not pass for an image (DQ-16). */
const isShown = ({ damaged, attributes, transferSyntax }: InstanceEntry): boolean =>
  damaged !== true && attributes['00280010'] !== undefined && isDecodable(transferSyntax)

const byNumber = (one: InstanceEntry, other: InstanceEntry): number =>
  numberAt(one, '00200011') - numberAt(other, '00200011') ||
  numberAt(one, '00200013') - numberAt(other, '00200013')

const numberAt = ({ attributes }: InstanceEntry, tag: string): number =>
  Number(attributes[tag]?.Value?.[0] ?? 0) || 0

const notShown = (why: string) => new ProtocolError('not_acceptable', why)
