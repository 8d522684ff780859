// @ts-expect-error -- dcmjs brings no types; what is used of it is typed below.
import { data } from 'dcmjs'

type Entry = { keyword: string; vr: string }

/** Value representations that depend on the data set (PS3.6 "US or SS", "OB or OW"), as dcmjs abbreviates them. */
const ambiguous: Record<string, string> = { xs: 'US', ox: 'OW', lt: 'OW', up: 'UL', na: 'UN' }

const nameMap: Record<string, { tag: string; vr: string; name: string }> =
  data.DicomMetaDictionary.nameMap

const byTag = new Map<number, Entry>()
const byKeyword = new Map<string, number>()
for (const { tag, vr, name } of Object.values(nameMap)) {
  const number = /^\(([0-9A-F]{4}),([0-9A-F]{4})\)$/i.exec(tag)
  if (number === null) continue
  const value = Number.parseInt(`${number[1]}${number[2]}`, 16)
  const known = byTag.get(value)
  // Retired names are listed too; the first is the current one.
  if (known === undefined) byTag.set(value, { keyword: name, vr })
  byKeyword.set(name, value)
}

/** A tag as a number: group in the high half. */
export const tagNumber = (tag: string): number => Number.parseInt(tag, 16)

/** `GGGGEEEE`, as the DICOM JSON model names attributes. */
export const tagText = (tag: number): string => tag.toString(16).toUpperCase().padStart(8, '0')

/** The tag of a keyword, of eight hexadecimal digits, or of `(gggg,eeee)`. */
export function tagOf(name: string): string | undefined {
  const digits = /^\(?([0-9a-f]{4}),?([0-9a-f]{4})\)?$/i.exec(name)
  if (digits !== null) return `${digits[1]}${digits[2]}`.toUpperCase()
  const tag = byKeyword.get(name)
  return tag === undefined ? undefined : tagText(tag)
}

export const keywordOf = (tag: string): string | undefined => entryOf(tagNumber(tag))?.keyword

export const vrOf = (tag: string): string => vrOfTag(tagNumber(tag))

/** `UN` for what no dictionary knows; `US` and `OW` where the standard leaves a choice. */
export function vrOfTag(tag: number): string {
  const vr = entryOf(tag)?.vr
  if (vr !== undefined) return ambiguous[vr] ?? vr
  const element = tag & 0xffff
  if (element === 0) return 'UL'
  const isPrivate = ((tag >>> 16) & 1) === 1
  return isPrivate && element >= 0x10 && element <= 0xff ? 'LO' : 'UN'
}

/** Whether the value is signed when Pixel Representation says so (PS3.6 "US or SS"). */
export const isSignDependent = (tag: number): boolean => entryOf(tag)?.vr === 'xs'

function entryOf(tag: number): Entry | undefined {
  const entry = byTag.get(tag)
  if (entry !== undefined) return entry
  const group = tag >>> 16
  // Repeating groups of curves and overlays (PS3.5 §7.6) are listed once.
  const repeats = (group & 1) === 0 && ((group & 0xff00) === 0x5000 || (group & 0xff00) === 0x6000)
  return repeats ? byTag.get((tag & 0xff00ffff) >>> 0) : undefined
}
