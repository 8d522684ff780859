/**
 * Text in the character sets of (0008,0005) (PS3.3 §C.12.1.1.2): UTF-8, the single-byte sets, and those with code
 * extensions. Other sets are read only (`charsets.ts`); who asks in one of them is answered in another.
 */
export type TextEncoder = {
  /** Values of (0008,0005). */
  readonly terms: readonly string[]
  /** Writes `text` at `at`; where it ends, or -1 when it cannot be expressed. There is room for `bytesFor(text)`. */
  write(text: string, target: Buffer, at: number, isName: boolean): number
  bytesFor(text: string): number
}

type CodeSet = { escape: string; codes: ReadonlyMap<number, number> }

/** By the number of their defined term: the encoding's label, and the escape sequence that makes it the upper half. */
const singleByte: Record<string, [label: string, escape: string]> = {
  '100': ['iso-8859-1', '-A'],
  '101': ['iso-8859-2', '-B'],
  '109': ['iso-8859-3', '-C'],
  '110': ['iso-8859-4', '-D'],
  '144': ['iso-8859-5', '-L'],
  '127': ['iso-8859-6', '-G'],
  '126': ['iso-8859-7', '-F'],
  '138': ['iso-8859-8', '-H'],
  '148': ['iso-8859-9', '-M'],
  '166': ['windows-874', '-T'],
  '203': ['iso-8859-15', '-b'],
}

const made = new Map<string, CodeSet>()

function codeSet(number: string): CodeSet | undefined {
  const found = made.get(number)
  const entry = singleByte[number]
  if (found !== undefined || entry === undefined) return found
  const [label, escape] = entry
  const decoder = new TextDecoder(label)
  const codes = new Map<number, number>()
  // What lies below are control characters, whatever a browser makes of them.
  for (let byte = 0xa0; byte <= 0xff; byte++) {
    const code = decoder.decode(Uint8Array.of(byte)).codePointAt(0) ?? 0xfffd
    if (code !== 0xfffd) codes.set(code, byte)
  }
  const set = { escape: `\x1b${escape}`, codes }
  made.set(number, set)
  return set
}

export const utf8Encoder: TextEncoder = {
  terms: ['ISO_IR 192'],
  bytesFor: (text) => 3 * text.length,
  write: (text, target, at) => at + target.write(text, at, 'utf8'),
}

function singleByteEncoder(term: string, { codes }: CodeSet): TextEncoder {
  return {
    terms: [term],
    bytesFor: (text) => text.length,
    write(text, target, at) {
      let end = at
      for (let index = 0; index < text.length; index++) {
        const code = text.charCodeAt(index)
        const byte = code < 0x80 ? code : codes.get(code)
        if (byte === undefined) return -1
        target[end++] = byte
      }
      return end
    },
  }
}

/**
 * Code extensions (PS3.5 §6.1.2.5): the upper half changes by escape sequences, and is what it was in the beginning
 * before every delimiter and at the end.
 */
function extendedEncoder(
  terms: readonly string[],
  initial: CodeSet | undefined,
  others: readonly CodeSet[],
): TextEncoder {
  const sets = initial === undefined ? others : [initial, ...others]
  return {
    terms,
    // Each character may bring an escape sequence, and so may what follows it.
    bytesFor: (text) => 7 * text.length + 3,
    write(text, target, at, isName) {
      let end = at
      let current = initial
      const designate = (set: CodeSet | undefined) => {
        if (set !== undefined && set !== current) end += target.write(set.escape, end, 'latin1')
        current = set
      }
      for (let index = 0; index < text.length; index++) {
        const code = text.charCodeAt(index)
        if (code < 0x80) {
          if (isDelimiter(code, isName)) designate(initial)
          target[end++] = code
          continue
        }
        if (current?.codes.has(code) !== true) {
          const set = sets.find(({ codes }) => codes.has(code))
          if (set === undefined) return -1
          designate(set)
        }
        target[end++] = current?.codes.get(code) ?? 0x3f
      }
      designate(initial)
      return end
    },
  }
}

const isDelimiter = (code: number, isName: boolean): boolean =>
  code < 0x20 || code === 0x5c || (isName && (code === 0x5e || code === 0x3d))

/** The encoder of a declaration; nothing for one that we only read. */
export function textEncoder(declared: readonly string[]): TextEncoder | undefined {
  const terms = declared.map((term) => term.trim().toUpperCase())
  const [first = '', ...rest] = terms
  if (first === 'ISO_IR 192') return utf8Encoder
  const plain = /^ISO_IR (\d+)$/.exec(first)?.[1]
  if (plain !== undefined && rest.length === 0) {
    const set = codeSet(plain)
    return set && singleByteEncoder(first, set)
  }
  const numbers = terms.map((term) => /^ISO 2022 IR (\d+)$/.exec(term)?.[1])
  const initial = first === '' || numbers[0] === '6' ? undefined : codeSet(numbers[0] ?? '')
  if (initial === undefined && first !== '' && numbers[0] !== '6') return undefined
  if (initial === undefined && rest.length === 0) return undefined
  const others = numbers.slice(1).map((number) => codeSet(number ?? ''))
  return extendedEncoder(
    terms,
    initial,
    others.filter((set) => set !== undefined),
  )
}

/** What can always be answered in, in this order (dicom.md, section 4). */
const fallbacks = [['ISO_IR 144'], ['ISO_IR 192']]

/** Encoders to be tried one after the other: the caller's own, then Cyrillic, then everything. */
export function encodersFor(declared: readonly string[]): readonly TextEncoder[] {
  return [declared, ...fallbacks].map(textEncoder).filter((encoder) => encoder !== undefined)
}
