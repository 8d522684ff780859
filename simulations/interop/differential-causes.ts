import type { Asked } from './differential-queries.ts'
import type { SetStudy } from './differential-set.ts'

/**
 * Why two archives may answer one query differently, and who is right by the standard. What is cited was compared with
 * the words of PS3.4 §C.2.2 and §C.4.1.1.3.2, PS3.5 §6.2 and PS3.18 §8.3.4.1.
 */
export const causes = {
  'names written otherwise': {
    right: 'both',
    why:
      'Person names may be matched without regard to case, position, accent or other variants of encoding (PS3.4 ' +
      '§C.2.2.2.1.1), and wildcards in them as an archive states (§C.2.2.2.4). Here ё is е, and a Cyrillic letter is the ' +
      'Latin one that looks like it; Orthanc compares letters.',
  },
  'letters of answers': {
    right: 'both',
    why:
      'The same patients are found. An archive may answer in another character set than it was asked in (PS3.4 ' +
      '§C.4.1.1.3.2); that of Orthanc is Latin 1 by default, in which Cyrillic is lost.',
  },
  'letters of a query in a URL': {
    right: 'ours',
    why:
      'Letters beyond ASCII are percent-encoded in QIDO-RS as RFC 3986 has it (PS3.18 §8.3.4.1), so as UTF-8; Orthanc ' +
      'compares them with text in its default character set and finds nothing.',
  },
  'case of what is no name': {
    right: 'ours',
    why:
      'Matching of everything but person names regards case (PS3.4 §C.2.2.2.1, §C.2.2.2.4); the plugin of Orthanc ' +
      'disregards it in QIDO-RS.',
  },
  'times without seconds': {
    right: 'both',
    why:
      'Times are matched by their meaning, in a manner that an archive states (PS3.4 §C.2.2.2.1.3); one without seconds ' +
      'is not precise to them (PS3.5 §6.2, TM), so 0933 finds 093312 as well here; Orthanc compares texts.',
  },
  'no date in a range': {
    right: 'theirs',
    why:
      'A required key that has no value is unknown and matches everything (PS3.4 §C.2.2.1.2). Here what has no date lies ' +
      'neither before nor behind one, which is stated as a deviation; Orthanc compares texts, an empty one comes before ' +
      'every date, and so ranges without a beginning find it.',
  },
} as const satisfies Record<string, { right: 'ours' | 'theirs' | 'both'; why: string }>

export type Cause = keyof typeof causes
type Answer = string[] | string

/** What goes through any character set unharmed; the numbers of patients alone tell them apart. */
const plain = (level: Asked['level'], value: string): string =>
  level === 'PATIENT' ? value.replaceAll(/\D/g, '') : value
const identifiers: Record<string, (one: SetStudy) => string> = {
  '00100020': ({ patientId }) => patientId,
  '00080050': ({ accession }) => accession,
  '00081030': ({ description }) => description,
}

/** Nothing when no known cause makes exactly this difference. */
export function causeOf(
  { service, level, keys }: Asked,
  ours: Answer,
  theirs: Answer,
  set: readonly SetStudy[],
): Cause | undefined {
  if (typeof ours === 'string' || typeof theirs === 'string') return undefined
  const own = ours.map((one) => plain(level, one))
  const other = theirs.map((one) => plain(level, one))
  const more = own.filter((one) => !other.includes(one))
  const fewer = other.filter((one) => !own.includes(one))
  if (more.length === 0 && fewer.length === 0) {
    return level === 'PATIENT' && ours.length === theirs.length ? 'letters of answers' : undefined
  }
  const values = Object.values(keys).join('')
  if (service === 'QIDO-RS' && /[^ -~]/.test(values) && fewer.length === 0) {
    return 'letters of a query in a URL'
  }
  if (keys['00100010'] !== undefined && fewer.length === 0) return 'names written otherwise'
  if (keys['00080030'] !== undefined && fewer.length === 0) return 'times without seconds'
  if (more.length > 0) return undefined
  const extra = set.filter((one) => fewer.includes(level === 'PATIENT' ? one.patientId : one.study))
  if (extra.length < fewer.length) return undefined
  const isUndated = ({ date, birthDate }: SetStudy) =>
    level === 'PATIENT' ? birthDate === '' : date === ''
  if (values.includes('-') && extra.every(isUndated)) return 'no date in a range'
  const isOtherCase = (one: SetStudy) =>
    Object.entries(identifiers).some(([tag, valueOf]) => {
      const asked = keys[tag]?.replace(/\*$/, '')
      const stored = valueOf(one)
      const isSame = (a: string, b: string) => a.startsWith(b)
      return (
        asked !== undefined &&
        isSame(stored.toLowerCase(), asked.toLowerCase()) &&
        !isSame(stored, asked)
      )
    })
  return extra.every(isOtherCase) ? 'case of what is no name' : undefined
}
