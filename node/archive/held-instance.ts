import { ProtocolError } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import type { CorrectedInstance, InstanceEntry } from './archive.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import { createWalker } from '../dicom/walker.ts'

/** A corrected instance in memory, as transcoding wants to read it; `not_acceptable` when it is too large for that. */
export async function heldInstance(
  entry: InstanceEntry,
  { bytes, transferSyntax, read }: CorrectedInstance,
): Promise<InstanceEntry & { data: RandomAccess }> {
  if (bytes > pixelLimits.compressedBytes) {
    throw new ProtocolError(
      'not_acceptable',
      'the corrected instance is too large to be transcoded',
    )
  }
  const walker = createWalker(transferSyntax)
  const parts: Uint8Array[] = []
  for await (const part of read()) {
    walker.write(part)
    parts.push(part)
  }
  const whole = Buffer.concat(parts)
  const { headerBytes, attributes } = walker.end()
  return {
    ...entry,
    transferSyntax,
    headerBytes,
    attributes,
    bytes: whole.length,
    data: {
      bytes: whole.length,
      read: (offset, length) => Promise.resolve(whole.subarray(offset, offset + length)),
    },
  }
}
