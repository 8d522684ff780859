import { detectCyrillic } from './cyrillic.ts'
import { decodeAs, decodeIso2022, initialSets, katakana, singleByte } from './iso-2022.ts'

/** How the text of one data set is decoded (PS3.3 §C.12.1.1.2). */
export type TextCoding = (bytes: Uint8Array, vr: string) => string

/** Defined terms of (0008,0005) that name a single-byte set, without their prefix `ISO_IR` or `ISO 2022 IR`. */
const singleByteTerms: Record<string, string> = {
  '6': 'windows-1252',
  '100': 'windows-1252',
  '101': 'iso-8859-2',
  '109': 'iso-8859-3',
  '110': 'iso-8859-4',
  '144': 'iso-8859-5',
  '127': 'iso-8859-6',
  '126': 'iso-8859-7',
  '138': 'iso-8859-8',
  '148': 'iso-8859-9',
  '166': 'windows-874',
  '203': 'iso-8859-15',
}
/** Sets that own the whole value: no escape sequences, and a second byte may look like a delimiter. */
const wholeTerms: Record<string, string> = {
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gbk',
}
/** Declared like this, bytes beyond ASCII may be Cyrillic that nobody declared. */
const doubtful = new Set(['', '6', '100', '101', '109', '110', '148', '203'])

/**
 * The decoding that (0008,0005) declares. `samples` are texts of the same data set, judged together when the
 * declaration is missing, Latin, or clearly contradicted by the bytes.
 */
export function textCoding(
  declared: readonly string[],
  samples: readonly Uint8Array[] = [],
): TextCoding {
  const terms = declared.map((term) => term.trim().toUpperCase())
  const first = terms[0] ?? ''
  const whole = wholeTerms[first]
  if (whole !== undefined) return wholeCoding(whole, samples)
  const number = numberOf(first)
  const undeclared = terms.length <= 1 && (doubtful.has(number ?? '') || !isKnown(number))
  const isCyrillic = terms.length === 1 && number === '144'
  const detected = undeclared
    ? detectCyrillic(samples)
    : isCyrillic
      ? detectCyrillic(samples, 'iso-8859-5')
      : undefined
  if (detected !== undefined) return (bytes) => decodeAs(detected, bytes)
  const high =
    number === '13' ? katakana : singleByte(singleByteTerms[number ?? ''] ?? 'windows-1252')
  const initial = initialSets(high)
  return (bytes, vr) => decodeIso2022(bytes, initial, vr === 'PN')
}

/** Decodes one value on its own; never throws. */
export const decodeText = (bytes: Uint8Array, declared: readonly string[], vr: string): string =>
  textCoding(declared, [bytes])(bytes, vr)

function wholeCoding(label: string, samples: readonly Uint8Array[]): TextCoding {
  if (label === 'utf-8' && !samples.every(isUtf8)) {
    const detected = detectCyrillic(samples)
    if (detected !== undefined) return (bytes) => decodeAs(detected, bytes)
  }
  return (bytes) => decodeAs(label, bytes)
}

/** `ISO_IR 144`, `ISO 2022 IR 144`, and how real devices misspell them, down to `ISO-IR 144` and `ISO_IR144`. */
const numberOf = (term: string): string | undefined =>
  /^ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?(\d+)$/.exec(term)?.[1] ?? (term === '' ? '' : undefined)

const isKnown = (number: string | undefined): boolean =>
  number !== undefined &&
  (number in singleByteTerms || ['13', '58', '87', '149', '159'].includes(number))

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Text that means the same in every character set. Escape sequences are ASCII bytes too, and mean that it is not. */
export function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80 || byte === 0x1b) return false
  return true
}

/** Most values are short, and for those a loop costs less than a call out of the engine. */
export function asciiText(bytes: Uint8Array): string {
  if (bytes.length > 64) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  }
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
