/** What a value representation is made of (PS3.5 §6.2). */
export type ValueKind = 'text' | 'number' | 'binary' | 'tag' | 'sequence'

const kinds: Record<string, ValueKind> = {
  ...Object.fromEntries(
    'AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT'.split(' ').map((vr) => [vr, 'text']),
  ),
  ...Object.fromEntries('FL FD SL SS SV UL US UV'.split(' ').map((vr) => [vr, 'number'])),
  AT: 'tag',
  SQ: 'sequence',
}

export const kindOf = (vr: string): ValueKind => kinds[vr] ?? 'binary'

/** Of the numeric representations. */
export const numberBytes: Record<string, number> = {
  FL: 4,
  FD: 8,
  SL: 4,
  SS: 2,
  SV: 8,
  UL: 4,
  US: 2,
  UV: 8,
}

const code = (vr: string): number => (vr.charCodeAt(0) << 8) | vr.charCodeAt(1)

const shortNames = 'AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' ')
const longNames = 'OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' ')
const known = new Map([...shortNames, ...longNames].map((vr) => [code(vr), vr]))
const long = new Set(longNames)

/** The representation that two bytes name; nothing when the standard knows none. */
export const vrOfBytes = (first: number, second: number): string | undefined =>
  known.get((first << 8) | second)

/** Written with a 32-bit length (PS3.5 §7.1.2). */
export const hasLongLength = (vr: string): boolean => long.has(vr)

/** Text in the data set's character set (PS3.5 §6.1.2.2); the others are ASCII by definition. */
export const isLocalizedText = (vr: string): boolean =>
  ['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT'].includes(vr)

/** Where letters beyond ASCII are met: code strings may hold none, and Russian devices write them all the same (DQ-07). */
export const mayHoldLetters = (vr: string): boolean => vr === 'CS' || isLocalizedText(vr)
