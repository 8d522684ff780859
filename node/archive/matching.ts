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
export function matchesQuery(attributes: DicomJson, match: Record<string, string[]>): boolean {
  return Object.entries(match).every(([path, values]) =>
    isUniversal(values) ? true : matchesPath(attributes, path.split('.'), values),
  )
}

/** Universal matching (PS3.4 §C.2.2.2.3): no value, or a lone `*`. */
export function isUniversal(values: readonly string[]): boolean {
  return values.every((value) => /^\**$/.test(value.trim()))
}

export const hasWildcard = (value: string): boolean => /[*?]/.test(value)

function matchesPath(attributes: DicomJson, path: string[], values: string[]): boolean {
  const [tag, ...rest] = path
  const element = tag === undefined ? undefined : attributes[tag]
  if (element === undefined) return false
  if (rest.length === 0) return values.some((value) => matchesElement(element, value))
  return (element.Value ?? []).some((item) => isItem(item) && matchesPath(item, rest, values))
}

const isItem = (value: DicomJsonValue): value is DicomJson =>
  typeof value === 'object' && value !== null

function matchesElement(element: DicomJsonElement, wanted: string): boolean {
  const values = element.Value ?? []
  switch (element.vr) {
    case 'PN': {
      const [pattern, sound] = [foldName(wanted), soundName(wanted)]
      return values.some((value) =>
        groupsOf(value).some(
          (name) =>
            matchesGlob(pattern, foldName(name)) ||
            (folding.differInScript(wanted, name) && matchesGlob(sound, soundName(name))),
        ),
      )
    }
    case 'DA':
    case 'TM':
    case 'DT': {
      const range = parseRange(element.vr, wanted)
      return range !== undefined && textsOf(values).some((value) => isWithin(range, value))
    }
    case 'UI': {
      const list = wanted.split(/[\\,]/).map((uid) => uid.trim())
      return textsOf(values).some((value) => list.includes(value))
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
      return textsOf(values).some((value) => value.trim() !== '' && Number(value) === number)
    }
    default: {
      const pattern = wanted.trim()
      return textsOf(values).some((value) => matchesGlob(pattern, value.trim()))
    }
  }
}

const textsOf = (values: DicomJsonValue[]): string[] =>
  values.filter((value) => typeof value === 'string' || typeof value === 'number').map(String)

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

/** `*` is any text and `?` one character. Two pointers instead of a regular expression: no input makes it slow. */
export function matchesGlob(pattern: string, text: string): boolean {
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
