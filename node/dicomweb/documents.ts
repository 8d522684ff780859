import type { InstanceEntry } from '../archive/archive.ts'
import { bulkValue } from '../dicom/bulk.ts'
import { type Answer, entityTag, isUnchanged } from './answer.ts'
import { checkAccepted } from './negotiation.ts'
import { type Opened, randomAccess, storedContent } from './retrieve.ts'
import { textAt } from './rows.ts'

const pdf = 'application/pdf'
const encapsulatedDocument = '00420011'
const mimeType = '00420012'
const encapsulatedDocumentLength = '00420015'

/** The instance that is shown as the document it holds: a picture of it is nothing that we could make. */
export function documentOf(entries: readonly InstanceEntry[]): InstanceEntry | undefined {
  const [only, ...others] = entries
  const isPdf =
    only?.sopClass === '1.2.840.10008.5.1.4.1.1.104.1' && textAt(only.attributes, mimeType) === pdf
  return isPdf && others.length === 0 ? only : undefined
}

/** The document itself (PS3.18 Table 8.7.4-1), without the byte that makes its value even. */
export async function documentAnswer(
  opened: Opened,
  entry: InstanceEntry,
  accept: string | undefined,
): Promise<Answer | undefined> {
  const { ctx, reader, signal, accessed } = opened
  checkAccepted(accept, pdf)
  if (isUnchanged(ctx, entityTag('document', entry.sha256))) return undefined
  await accessed('rendered', 1, entry.bytes)
  const [header] = await reader.metadata({ sop: entry.sop })
  const data = randomAccess(reader, entry, signal)
  const value = await bulkValue(data, entry.transferSyntax, encapsulatedDocument)
  // Any other length is wrong, and a report that is cut off worse than a byte behind it.
  const isPadded = header?.[encapsulatedDocumentLength]?.Value?.[0] === value.length - 1
  const length = isPadded ? value.length - 1 : value.length
  const place =
    'bytes' in value ? { length, bytes: value.bytes.subarray(0, length) } : { ...value, length }
  const content = storedContent(opened, entry.sop, [place])
  return { type: pdf, content, isRangeable: true }
}
