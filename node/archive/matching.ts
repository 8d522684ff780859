import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../dicom/dicom-json.ts'
import { storageLimits } from '#protocol/limits.ts'
import * as folding from './folding.ts'

/** Names come again and again: in every instance of a study, in every search among them. */
function remembered(make: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    if (known.size >= storageLimits.foldedNamesMax) known.clear()
    const made = make(text)
    known.set(text, made)
    return made
  }
}

export const foldName = remembered(folding.foldName)
export const soundName = remembered(folding.soundName)

/**
 * Attribute matching of C-FIND and QIDO-RS (PS3.4 §C.2.2.2). Keys are tags `GGGGEEEE`, or paths into sequences
 * `GGGGEEEE.GGGGEEEE`; several values of one key are alternatives. A key that asks for nothing matches everything.
 */
export const matchesQuery = (attributes: DicomJson, match: Record<string, string[]>): boolean =>
  createMatcher(match)(attributes)

export type Matcher = (attributes: DicomJson) => boolean

/** The same for many: what can be known of the keys alone is found out once. */
export function createMatcher(match: Record<string, string[]>): Matcher {
  const wanted: Wanted = new Map()
  for (const [path, values] of Object.entries(match)) {
    if (!isUniversal(values)) addWanted(wanted, path.split('.'), values)
  }
  return (attributes) => matchesWanted(attributes, wanted)
}

/** By tag: alternatives for its value, and what one of its items must have, all of it in the same one (§C.2.2.2.6). */
type Wanted = Map<string, { tests?: ValueTest[]; item?: Wanted }>

function addWanted(wanted: Wanted, [tag = '', ...rest]: string[], values: readonly string[]): void {
  const known = wanted.get(tag) ?? {}
  wanted.set(tag, known)
  if (rest.length > 0) addWanted((known.item ??= new Map()), rest, values)
  else known.tests = values.map(createTest)
}

function matchesWanted(attributes: DicomJson, wanted: Wanted): boolean {
  for (const [tag, { tests, item }] of wanted) {
    const element = attributes[tag]
    if (element === undefined) return false
    if (tests?.some((test) => test(element)) === false) return false
    if (item === undefined) continue
    const items = (element.Value ?? []).filter(isItem)
    if (!items.some((one) => matchesWanted(one, item))) return false
  }
  return true
}

/** Universal matching (PS3.4 §C.2.2.2.3): no value, or a lone `*`. */
export function isUniversal(values: readonly string[]): boolean {
  return values.every((value) => /^\**$/.test(value.trim()))
}

export const hasWildcard = (value: string): boolean => /[*?]/.test(value)

const isItem = (value: DicomJsonValue): value is DicomJson =>
  typeof value === 'object' && value !== null

type ValueTest = (element: DicomJsonElement) => boolean

/** How a value is compared depends on the representation of what it is compared with. */
function createTest(wanted: string): ValueTest {
  const made = new Map<string, (values: DicomJsonValue[]) => boolean>()
  return ({ vr, Value: values }) => {
    if (values === undefined) return false
    const test = made.get(vr) ?? createTestOf(vr, wanted)
    made.set(vr, test)
    return test(values)
  }
}

function createTestOf(vr: string, wanted: string): (values: DicomJsonValue[]) => boolean {
  switch (vr) {
    case 'PN':
      return createNameTest(wanted)
    case 'DA':
    case 'TM':
    case 'DT': {
      const range = parseRange(vr, wanted)
      if (range === undefined) return () => false
      return (values) => values.some((value) => isPlain(value) && isWithin(range, String(value)))
    }
    case 'UI': {
      const list = new Set(wanted.split(/[\\,]/).map((uid) => uid.trim()))
      return (values) => values.some((value) => isPlain(value) && list.has(String(value)))
    }
    case 'IS':
    case 'DS':
    case 'US':
    case 'UL':
    case 'UV':
    case 'SS':
    case 'SL':
    case 'SV':
    case 'FL':
    case 'FD': {
      const number = Number(wanted)
      const isSame = (text: string) => text.trim() !== '' && Number(text) === number
      return (values) => values.some((value) => isPlain(value) && isSame(String(value)))
    }
    default: {
      const pattern = wanted.trim()
      const matches = createGlob(pattern)
      const isLike = (text: string) => matches(text.trim())
      return (values) => values.some((value) => isPlain(value) && isLike(String(value)))
    }
  }
}

function createNameTest(wanted: string): (values: DicomJsonValue[]) => boolean {
  const [matches, sounds] = [createGlob(foldName(wanted)), createGlob(soundName(wanted))]
  const isLike = (name: string): boolean =>
    matches(foldName(name)) || (folding.differInScript(wanted, name) && sounds(soundName(name)))
  return (values) => values.some((value) => groupsOf(value).some(isLike))
}

const isPlain = (value: DicomJsonValue): value is string | number =>
  typeof value === 'string' || typeof value === 'number'

/** What a person name is found under: its component groups folded, and their sound in another alphabet. */
export const nameKeys = (value: DicomJsonValue | undefined): string[] => [
  ...new Set(groupsOf(value).flatMap((group) => [foldName(group), soundName(group)])),
]

/** The component groups of a person name; each is matched on its own. */
function groupsOf(value: DicomJsonValue | undefined): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value)
    .filter((group): group is string => typeof group === 'string')
    .filter((group) => foldName(group) !== '')
}

/**
 * `*` is any text and `?` one character. Most patterns say what a text is, begins or ends with, or has in it: those are
 * not walked through.
 */
export function createGlob(pattern: string): (text: string) => boolean {
  const [, before, piece, after] = /^(\*?)([^*?]*)(\*?)$/.exec(pattern) ?? []
  if (piece === undefined) return (text) => matchesGlob(pattern, text)
  if (before === '*') {
    return after === '*' ? (text) => text.includes(piece) : (text) => text.endsWith(piece)
  }
  return after === '*' ? (text) => text.startsWith(piece) : (text) => text === piece
}

/** Two pointers instead of a regular expression: no input makes it slow. */
function matchesGlob(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let star = -1
  let resume = 0
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/** Bounds in the comparable form of `comparable`; an open end is absent. */
export type Range = { vr: 'DA' | 'TM' | 'DT'; from?: string; to?: string }

const rangePatterns = {
  DA: /^([\d.]*)(-?)([\d.]*)$/,
  TM: /^([\d.:]*)(-?)([\d.:]*)$/,
  DT: /^(\d*(?:\.\d+)?)(?:[+-]\d{4}(?=-|$))?(-?)(\d*(?:\.\d+)?)(?:[+-]\d{4})?$/,
} as const

/** Range matching (PS3.4 §C.2.2.2.5); a value of lower precision stands for its whole span. */
export function parseRange(vr: Range['vr'], wanted: string): Range | undefined {
  const parts = rangePatterns[vr].exec(wanted.trim())
  if (parts === null) return undefined
  const [, first = '', dash = '', last = ''] = parts
  const to = dash === '' ? first : last
  if (first === '' && to === '') return undefined
  return {
    vr,
    ...(first !== '' && { from: comparable(vr, first, '0') }),
    ...(to !== '' && { to: comparable(vr, to, '9') }),
  }
}

function isWithin(range: Range, value: string): boolean {
  if (value.trim() === '') return false
  const plain = range.vr === 'DT' ? value.replace(/[+-]\d{4}$/, '') : value
  const text = comparable(range.vr, plain, '0')
  if (range.from !== undefined && text < range.from) return false
  return range.to === undefined || text <= range.to
}

/** Digits of one width, so that text order is time order. Dates of ACR-NEMA are written with points. */
function comparable(vr: Range['vr'], value: string, pad: '0' | '9'): string {
  const text = value.trim()
  if (vr === 'DA') return text.replaceAll(/[.-]/g, '').padEnd(8, pad)
  const [whole = '', fraction = ''] = text.replaceAll(':', '').split('.')
  return whole.padEnd(vr === 'TM' ? 6 : 14, pad) + fraction.padEnd(6, pad)
}
