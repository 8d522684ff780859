import { bodyPartOf, lateralityOf } from './body-parts.ts'
import type { WalkedText } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'

/** Rules of reception that look at one object (requirements.md, section 4). Those of quarantine are the archive's. */
export const qualityCodes = [
  'DQ-02',
  'DQ-03',
  'DQ-04',
  'DQ-05',
  'DQ-06',
  'DQ-07',
  'DQ-12',
  'DQ-13',
  'DQ-14',
  'DQ-15',
  'DQ-16',
  'DQ-17',
  'DQ-20',
] as const
export type QualityCode = (typeof qualityCodes)[number]

/** What a rule found. It never keeps an object out. */
export type Finding = {
  code: QualityCode
  /** `correct`: somebody must. `warn`: somebody should know. `note`: handled, or without consequence. */
  action: 'correct' | 'warn' | 'note'
  /** The attribute that it is about. */
  tag?: string
  /** What was received where the index shows something else, or what is odd about it; no free text of people. */
  detail?: string
}

/** What is known of the device that sent an object. */
export type DeviceFacts = {
  /** Modalities that it may send; empty: nothing is known. */
  modalities: readonly string[]
  /** Chest screening devices send all kinds of codes (vocabulary, section 5). */
  isFluorography: boolean
  /** Its clock's offset from UTC. */
  utcOffsetMinutes: number
  /** By how much its clock is known to be ahead. */
  clockAheadMinutes?: number
}

export type Arrival = {
  attributes: DicomJson
  text?: WalkedText
  damaged: boolean
  /** Milliseconds. */
  receivedAt: number
  /** Sent by a device as it was made, not imported. */
  isLive: boolean
  device?: DeviceFacts
}

export const tags = {
  sopClass: '00080016',
  studyDate: '00080020',
  seriesDate: '00080021',
  contentDate: '00080023',
  studyTime: '00080030',
  seriesTime: '00080031',
  contentTime: '00080033',
  modality: '00080060',
  timezone: '00080201',
  name: '00100010',
  patientId: '00100020',
  birthDate: '00100030',
  sex: '00100040',
  bodyPart: '00180015',
  laterality: '00200060',
  imageLaterality: '00200062',
  rows: '00280010',
  burnedIn: '00280301',
} as const

/** What the index shows of an object and what was found about it. */
export type Assessment = { attributes: DicomJson; findings: Finding[] }

/** Applies every rule. Attributes that a rule maps are changed in the copy for the index, never in the bytes. */
export function assess(arrival: Arrival): Assessment {
  const attributes = { ...arrival.attributes }
  const findings: Finding[] = []
  for (const map of mappings) {
    for (const { tag, value, ...finding } of map(arrival)) {
      attributes[tag] = { vr: attributes[tag]?.vr ?? 'CS', Value: [value] }
      findings.push({ ...finding, tag })
    }
  }
  const shown = { ...arrival, attributes }
  for (const rule of rules) findings.push(...rule(shown))
  return { attributes, findings }
}

/** First value as text; a name by its alphabetic group. */
export function valueOf(attributes: DicomJson, tag: string): string {
  const value = attributes[tag]?.Value?.[0]
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object' || value === null) return ''
  const name = (value as { Alphabetic?: unknown }).Alphabetic
  return typeof name === 'string' ? name.trim() : ''
}

type Mapping = (arrival: Arrival) => (Finding & { tag: string; value: string })[]

const sexes: Record<string, string> = {
  м: 'M',
  муж: 'M',
  мужской: 'M',
  ж: 'F',
  жен: 'F',
  женский: 'F',
  m: 'M',
  f: 'F',
  o: 'O',
}

const mappings: readonly Mapping[] = [mapCodes, mapModality]

/** What a code string written in Russian means, or nothing when it needs no other form or has none. */
export function codeOf(tag: string, text: string): string | undefined {
  if (tag === tags.sex) return sexes[text.toLowerCase().replaceAll('.', '')]
  if (!isLetters(text)) return undefined
  if (tag === tags.bodyPart) return bodyPartOf(text)
  return tag === tags.laterality || tag === tags.imageLaterality ? lateralityOf(text) : undefined
}

/** DQ-05, DQ-07: М and Ж mean M and F, ОГК is the chest. */
function mapCodes({ attributes }: Arrival): ReturnType<Mapping> {
  return [tags.sex, tags.bodyPart, tags.laterality, tags.imageLaterality].flatMap((tag) => {
    const was = valueOf(attributes, tag)
    const value = codeOf(tag, was)
    if (value === undefined || value === was) return []
    const code = tag === tags.sex ? 'DQ-05' : 'DQ-07'
    return [{ code, action: 'note', tag, value, detail: was.slice(0, 64) } as const]
  })
}

/** DQ-14: what a fluorograph calls "other" is a chest radiograph. */
function mapModality({ attributes, device }: Arrival): ReturnType<Mapping> {
  const was = valueOf(attributes, tags.modality)
  if (device?.isFluorography !== true || (was !== 'OT' && was !== '')) return []
  return [{ code: 'DQ-14', action: 'note', tag: tags.modality, value: 'DX', detail: was }]
}

const isLetters = (text: string): boolean => /[^\x20-\x7e]/.test(text)

type Rule = (arrival: Arrival) => Finding[]

const rules: readonly Rule[] = [
  ({ attributes, receivedAt }) => assessPatient(attributes, receivedAt),
  assessText,
  assessCodes,
  assessClock,
  assessTimezone,
  assessModality,
  assessSpacing,
  ({ damaged }) => (damaged ? [{ code: 'DQ-16', action: 'warn' }] : []),
  assessBurnedIn,
]

/** DQ-03 … DQ-05: what is shown of the patient. Asked again when somebody has corrected it. */
export function assessPatient(attributes: DicomJson, now: number): Finding[] {
  return [
    ...assessName(valueOf(attributes, tags.name)),
    ...assessBirthDate(valueOf(attributes, tags.birthDate), now),
    ...assessSex(valueOf(attributes, tags.sex)),
  ]
}

function assessName(name: string): Finding[] {
  const letters = name.replaceAll(/[\s^=.,_-]/g, '')
  const isName = letters.length > 1 && /\p{L}/u.test(letters) && !isPlaceholderName(letters)
  return isName ? [] : [{ code: 'DQ-03', action: 'correct', tag: tags.name }]
}

const isPlaceholderName = (letters: string): boolean =>
  /^(noname|unknown|anonymous|test|тест|аноним|неизвестный|неизвестно)$/iu.test(letters)

const yearMs = 365.25 * 24 * 3600 * 1000
const dayMs = 24 * 3600 * 1000

function assessBirthDate(text: string, now: number): Finding[] {
  const about = { code: 'DQ-04', tag: tags.birthDate } as const
  if (text === '') return [{ ...about, action: 'warn', detail: 'absent' }]
  const at = momentOf(text, '', 0)
  if (at === undefined) return [{ ...about, action: 'correct', detail: 'not a date' }]
  // Somewhere on Earth it is tomorrow already.
  if (at > now + dayMs) return [{ ...about, action: 'correct', detail: 'in the future' }]
  return now - at > 120 * yearMs ? [{ ...about, action: 'correct', detail: 'older than 120' }] : []
}

function assessSex(sex: string): Finding[] {
  if (sex === 'M' || sex === 'F' || sex === 'O') return []
  return [
    { code: 'DQ-05', action: 'warn', tag: tags.sex, detail: sex === '' ? 'absent' : 'not M, F, O' },
  ]
}

/** DQ-06. */
function assessText({ text }: Arrival): Finding[] {
  if (text === undefined) return []
  const action = text.source === 'doubtful' ? 'correct' : 'note'
  return [{ code: 'DQ-06', action, detail: [text.source, text.encoding].filter(Boolean).join(' ') }]
}

/** DQ-07: code strings that no dictionary knows. */
function assessCodes({ attributes }: Arrival): Finding[] {
  return Object.entries(attributes).flatMap(([tag, { vr }]) =>
    vr === 'CS' && isLetters(valueOf(attributes, tag))
      ? [{ code: 'DQ-07' as const, action: 'warn' as const, tag }]
      : [],
  )
}

const dates = [
  [tags.studyDate, tags.studyTime],
  [tags.seriesDate, tags.seriesTime],
  [tags.contentDate, tags.contentTime],
] as const
const earliest = Date.UTC(1995, 0, 1)
const clockToleranceMs = 10 * 60_000
const liveToleranceMs = dayMs
const kuzbassMinutes = 7 * 60

/** DQ-12: the device's clock. The detail is by how many minutes it is ahead of the receipt. */
function assessClock(arrival: Arrival): Finding[] {
  return dates.flatMap(([dateTag, timeTag]): Finding[] => {
    const at = momentAt(arrival, dateTag, timeTag)
    if (at === undefined) return []
    const known = (arrival.device?.clockAheadMinutes ?? 0) * 60_000
    const ahead = at - known - arrival.receivedAt
    // A date alone is right all day long.
    const slack = valueOf(arrival.attributes, timeTag) === '' ? dayMs : 0
    const isOff =
      at < earliest ||
      ahead > clockToleranceMs + slack ||
      (arrival.isLive && Math.abs(ahead) > liveToleranceMs + slack)
    if (!isOff) return []
    return [{ code: 'DQ-12', action: 'warn', tag: dateTag, detail: `${minutes(ahead)} min` }]
  })
}

const minutes = (ms: number): number => Math.round(ms / 60_000)

/**
 * By how many minutes the clock is ahead that wrote the newest time of a live object; 0 when that time is plausible.
 * What is known of the clock already is not taken off. Nothing without a time.
 */
export function clockReading(arrival: Arrival): number | undefined {
  for (const [dateTag, timeTag] of dates.toReversed()) {
    const at = momentAt(arrival, dateTag, timeTag)
    if (at === undefined || valueOf(arrival.attributes, timeTag) === '') continue
    const ahead = at - arrival.receivedAt
    const isPlausible = ahead <= clockToleranceMs && ahead >= -liveToleranceMs
    return isPlausible ? 0 : minutes(ahead)
  }
  return undefined
}

/** DQ-13: no time zone, and a shift of exactly the region's offset, which is a clock in UTC. */
function assessTimezone(arrival: Arrival): Finding[] {
  const { attributes, isLive, receivedAt } = arrival
  if (valueOf(attributes, tags.timezone) !== '') return []
  const offset = arrival.device?.utcOffsetMinutes ?? kuzbassMinutes
  const note: Finding = { code: 'DQ-13', action: 'note', tag: tags.timezone, detail: 'absent' }
  const at = momentAt(arrival, tags.contentDate, tags.contentTime)
  if (!isLive || offset === 0 || at === undefined) return [note]
  const shift = Math.abs(Math.abs(at - receivedAt) - Math.abs(offset) * 60_000)
  return shift > clockToleranceMs
    ? [note]
    : [{ ...note, action: 'warn', detail: `shifted by ${offset} min` }]
}

function momentAt(arrival: Arrival, dateTag: string, timeTag: string): number | undefined {
  const { attributes, device } = arrival
  const zone = /^([+-])(\d\d)(\d\d)$/.exec(valueOf(attributes, tags.timezone))
  const own = zone && (zone[1] === '-' ? -1 : 1) * (Number(zone[2]) * 60 + Number(zone[3]))
  const offset = own ?? device?.utcOffsetMinutes ?? kuzbassMinutes
  return momentOf(valueOf(attributes, dateTag), valueOf(attributes, timeTag), offset)
}

/** Milliseconds of a DICOM date and time; a date alone stands for its noon, so that it is never a day off. */
export function momentOf(date: string, time: string, offsetMinutes: number): number | undefined {
  const day = /^(\d{4})[.-]?(\d\d)[.-]?(\d\d)$/.exec(date)
  if (day === null) return undefined
  const [year, month, dayOfMonth] = day.slice(1).map(Number)
  const midnight = Date.UTC(year ?? 0, (month ?? 0) - 1, dayOfMonth)
  const check = new Date(midnight)
  if (check.getUTCMonth() + 1 !== month || check.getUTCDate() !== dayOfMonth) return undefined
  const clock = /^(\d\d):?(\d\d)?:?(\d\d)?/.exec(time)
  const seconds =
    clock === null
      ? 12 * 3600
      : Number(clock[1]) * 3600 + Number(clock[2] ?? 0) * 60 + Number(clock[3] ?? 0)
  return midnight + (seconds - offsetMinutes * 60) * 1000
}

/** What any device may send beside its images. */
const accompanying = new Set(['SR', 'PR', 'KO', 'SEG', 'REG', 'DOC'])

/** DQ-14. */
function assessModality({ attributes, device }: Arrival): Finding[] {
  const modality = valueOf(attributes, tags.modality)
  const allowed = device?.modalities ?? []
  if (allowed.length === 0 || allowed.includes(modality) || accompanying.has(modality)) return []
  return [{ code: 'DQ-14', action: 'warn', tag: tags.modality, detail: modality.slice(0, 16) }]
}

/** Where a millimetre is written elsewhere: regions of ultrasound, functional groups of enhanced objects. */
const calibratedElsewhere = new Set(['US', 'IVUS', 'SM', 'ES', 'XC'])
const enhanced =
  /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(2\.[12]|4\.[13]|12\.[12]\.1|13\.1\.[1-5]|130|128\.1|30|66\.\d)$/

/** DQ-15. */
function assessSpacing({ attributes }: Arrival): Finding[] {
  const isImage = valueOf(attributes, tags.rows) !== ''
  const isElsewhere =
    calibratedElsewhere.has(valueOf(attributes, tags.modality)) ||
    enhanced.test(valueOf(attributes, tags.sopClass))
  const isKnown = ['00280030', '00181164', '00182010'].some(
    (tag) => Number(valueOf(attributes, tag)) > 0,
  )
  return !isImage || isElsewhere || isKnown
    ? []
    : [{ code: 'DQ-15', action: 'warn', tag: '00280030', detail: 'not calibrated' }]
}

const captured = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(7(\.\d)?|6(\.\d)?|3(\.1)?)$/

/** DQ-17: text in the pixels, which de-identification must not miss. */
function assessBurnedIn({ attributes }: Arrival): Finding[] {
  const said = valueOf(attributes, tags.burnedIn).toUpperCase()
  const isImage = valueOf(attributes, tags.rows) !== ''
  if (!isImage || said === 'NO') return []
  const isCaptured = captured.test(valueOf(attributes, tags.sopClass))
  if (said !== 'YES' && !isCaptured) return []
  return [
    {
      code: 'DQ-17',
      action: 'warn',
      tag: tags.burnedIn,
      detail: said === 'YES' ? 'said' : 'likely',
    },
  ]
}

const ionising = new Set([
  'CT',
  'CR',
  'DX',
  'DR',
  'RG',
  'MG',
  'XA',
  'RF',
  'PX',
  'IO',
  'PT',
  'NM',
  'BMD',
])
const doseReport = '1.2.840.10008.5.1.4.1.1.88.67'
/** CTDIvol, dose–area product, entrance dose (two forms), organ dose, and radionuclide total dose. */
const doseTags = ['00189345', '0018115E', '00400302', '00408302', '00400316', '00181074']

/** DQ-20, which a whole study decides: whether an object calls for a dose, and whether it says one. */
export function doseOf(attributes: DicomJson): { isIonising: boolean; hasDose: boolean } {
  const isReport = valueOf(attributes, tags.sopClass) === doseReport
  return {
    isIonising: ionising.has(valueOf(attributes, tags.modality)),
    hasDose: isReport || doseTags.some((tag) => valueOf(attributes, tag) !== ''),
  }
}
