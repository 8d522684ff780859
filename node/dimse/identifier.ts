import { ProtocolError } from '#protocol/errors.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { createElementParser } from '../dicom/element-parser.ts'
import { readHeader } from '../dicom/header.ts'
import { encodingOf } from '../dicom/transfer-syntax.ts'
import { charsetTerms } from '../dicom/walker.ts'

/** The data set of a request, decoded. */
export type Identifier = {
  /** Every element, text decoded, in the DICOM JSON model. */
  keys: DicomJson
  /** Values of (0008,0005), as the caller wrote them; empty when it did not. */
  characterSet: string[]
}

const specificCharacterSet = 0x00080005

/** Reads an identifier; throws `instance_*` for what is no data set. */
export async function readIdentifier(bytes: Buffer, transferSyntax: string): Promise<Identifier> {
  const whole = { bytes: bytes.length, read: readFrom(bytes) }
  const keys = await readHeader(whole, transferSyntax, bytes.length)
  return { keys, characterSet: characterSetOf(bytes, transferSyntax) }
}

/** An identifier that must be there; throws `bad_request` when it is not. */
export async function requireIdentifier(
  bytes: Buffer | undefined,
  transferSyntax: string,
): Promise<Identifier> {
  if (bytes === undefined) throw new ProtocolError('bad_request', 'a request without identifier')
  return readIdentifier(bytes, transferSyntax)
}

const readFrom = (bytes: Buffer) => async (offset: number, length: number) =>
  bytes.subarray(offset, offset + length)

function characterSetOf(bytes: Buffer, transferSyntax: string): string[] {
  let terms: string[] = []
  const parser = createElementParser(encodingOf(transferSyntax), {
    element({ tag, depth }) {
      if (depth > 0 || tag < specificCharacterSet) return 'skip'
      return tag === specificCharacterSet ? 'collect' : 'stop'
    },
    value(_element, value) {
      terms = charsetTerms(value).map((term) => term.trim())
    },
  })
  parser.write(bytes)
  return terms.every((term) => term === '') ? [] : terms
}
