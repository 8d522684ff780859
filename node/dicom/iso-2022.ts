/** Code extensions (PS3.3 §C.12.1.1.2, ISO 2022): which characters the bytes of each half stand for. */
export type CodeSets = { low: CodeSet; high: CodeSet }
type CodeSet = {
  width: 1 | 2
  decode(bytes: Uint8Array): string
}

const decoders = new Map<string, InstanceType<typeof TextDecoder>>()

/** Never throws; bytes that mean nothing become U+FFFD. */
export function decodeAs(label: string, bytes: Uint8Array): string {
  let decoder = decoders.get(label)
  if (decoder === undefined) {
    decoder = new TextDecoder(label, { ignoreBOM: true })
    decoders.set(label, decoder)
  }
  return decoder.decode(bytes)
}

export const singleByte = (label: string): CodeSet => ({
  width: 1,
  decode: (bytes) => decodeAs(label, bytes),
})
const ascii = singleByte('windows-1252')
/** JIS X 0201, half-width katakana in the upper half. */
export const katakana: CodeSet = {
  width: 1,
  decode: (bytes) =>
    Array.from(bytes, (byte) =>
      byte >= 0xa1 && byte <= 0xdf ? String.fromCharCode(0xff61 + byte - 0xa1) : '\ufffd',
    ).join(''),
}
/** A 94×94 set, decoded through the encoding that keeps it in its upper half. */
const doubleByte = (label: string, prefix: number[] = []): CodeSet => ({
  width: 2,
  decode: (bytes) => {
    const raised: number[] = []
    for (let at = 0; at < bytes.length; at += 2) {
      raised.push(...prefix, (bytes[at] ?? 0) | 0x80, (bytes[at + 1] ?? 0) | 0x80)
    }
    return decodeAs(label, Uint8Array.from(raised))
  },
})

/** Escape sequences after ESC, and the half that each sets. */
const escapes: [sequence: string, half: keyof CodeSets, set: CodeSet][] = [
  ['(B', 'low', ascii],
  ['(J', 'low', ascii],
  [')I', 'high', katakana],
  ['-A', 'high', ascii],
  ['-B', 'high', singleByte('iso-8859-2')],
  ['-C', 'high', singleByte('iso-8859-3')],
  ['-D', 'high', singleByte('iso-8859-4')],
  ['-L', 'high', singleByte('iso-8859-5')],
  ['-G', 'high', singleByte('iso-8859-6')],
  ['-F', 'high', singleByte('iso-8859-7')],
  ['-H', 'high', singleByte('iso-8859-8')],
  ['-M', 'high', singleByte('iso-8859-9')],
  ['-T', 'high', singleByte('windows-874')],
  ['-b', 'high', singleByte('iso-8859-15')],
  ['$B', 'low', doubleByte('euc-jp')],
  ['$@', 'low', doubleByte('euc-jp')],
  ['$(D', 'low', doubleByte('euc-jp', [0x8f])],
  ['$)C', 'high', doubleByte('euc-kr')],
  ['$)A', 'high', doubleByte('gbk')],
]

export const initialSets = (high: CodeSet): CodeSets => ({ low: ascii, high })

/**
 * Decodes text that may hold escape sequences. A value delimiter, a control character and, in person names, `^` and `=`
 * bring the initial sets back (PS3.5 §6.1.2.5.3), so one component without its closing escape does not spoil the next.
 */
export function decodeIso2022(bytes: Uint8Array, initial: CodeSets, isName: boolean): string {
  let sets = { ...initial }
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0
    if (byte === 0x1b) {
      const escape = escapeAt(bytes, at + 1)
      at += 1 + (escape?.[0].length ?? 0)
      if (escape === undefined) text += '\ufffd'
      else sets = { ...sets, [escape[1]]: escape[2] }
    } else if (byte < 0x20 || (sets.low.width === 1 && isDelimiter(byte, isName))) {
      sets = { ...initial }
      text += String.fromCharCode(byte)
      at++
    } else {
      const end = runEnd(bytes, at, sets)
      text += (byte < 0x80 ? sets.low : sets.high).decode(bytes.subarray(at, end))
      at = end
    }
  }
  return text
}

const isDelimiter = (byte: number, isName: boolean): boolean =>
  byte === 0x5c || (isName && (byte === 0x5e || byte === 0x3d))

/** Where the run of bytes of one half ends. Delimiters belong to no run unless the low half is a double-byte set. */
function runEnd(bytes: Uint8Array, start: number, sets: CodeSets): number {
  const isHigh = (bytes[start] ?? 0) >= 0x80
  const { width } = isHigh ? sets.high : sets.low
  let end = start
  while (end < bytes.length) {
    const byte = bytes[end] ?? 0
    if (byte < 0x20 || byte >= 0x80 !== isHigh) break
    if (width === 1 && !isHigh && (byte === 0x5c || byte === 0x5e || byte === 0x3d) && end > start)
      break
    end += width
  }
  return Math.max(start + 1, Math.min(end, bytes.length))
}

function escapeAt(bytes: Uint8Array, at: number): (typeof escapes)[number] | undefined {
  return escapes.find(([sequence]) =>
    Array.from(sequence).every((char, index) => bytes[at + index] === char.charCodeAt(0)),
  )
}
