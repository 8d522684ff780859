import { judgeText, textCoding, type TextJudgement } from '../dicom/charsets.ts'
import type { WalkedText } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { textElement } from '../dicom/elements.ts'
import { assessPatient, codeOf, doseOf, type Finding } from '../dicom/quality.ts'
import { isStudyTag, textOf } from './attribute-levels.ts'
import type { InstanceRow, StudyRow } from './catalog-rows.ts'
import { isSurrogateId } from './patient-id.ts'

/** What the rules of reception found in the instances of a study. */
export type StudyQuality = {
  /** Each with the number of the record that said it first. */
  findings: (Finding & { seq: number })[]
  isIonising?: true
  hasDose?: true
  text?: StudyText
}

/** Text of a study that is not as declared. */
export type StudyText = {
  /** What it is taken for now. */
  judgement: TextJudgement
  /** Of the record whose attributes stand, and what it was taken for on its own. */
  seq: number
  own: TextJudgement
  declared: string[]
  raw: WalkedText['raw']
  /** The earliest record that was read. */
  read?: { seq: number; judgement: TextJudgement }
  /** Different texts of its instances, the earliest ones: they are judged together. */
  samples: { seq: number; hex: string }[]
}

const samplesMax = 32
const findingsMax = 64

/** A study's quality with one more instance; whatever the order in which they come, the result is the same. */
export function mergeQuality(
  before: StudyQuality | undefined,
  row: InstanceRow,
  seq: number,
): StudyQuality {
  const { isIonising, hasDose } = doseOf(row.attributes)
  const findings = mergeFindings(before?.findings ?? [], row.findings ?? [], seq)
  const text = mergeText(before?.text, row.text, seq)
  return {
    findings,
    ...((isIonising || before?.isIonising === true) && { isIonising: true as const }),
    ...((hasDose || before?.hasDose === true) && { hasDose: true as const }),
    ...(text !== undefined && { text }),
  }
}

type Known = StudyQuality['findings'][number]

const keyOf = ({ code, action, tag = '' }: Finding): string => `${code} ${action} ${tag}`
const byNumber = (a: { seq: number }, b: { seq: number }): number => a.seq - b.seq

function mergeFindings(before: Known[], more: readonly Finding[], seq: number): Known[] {
  const isOld = ({ seq: other, ...finding }: Known) =>
    more.every((one) => keyOf(one) !== keyOf(finding) || other <= seq)
  const kept = before.filter(isOld)
  const known = new Set(kept.map(keyOf))
  const added = more.filter((one) => !isOfPatient(one) && !known.has(keyOf(one)))
  if (added.length === 0 && kept.length === before.length) return before
  const all = [...kept, ...added.map((one) => ({ ...one, seq }))]
  return all
    .toSorted((a, b) => byNumber(a, b) || (keyOf(a) < keyOf(b) ? -1 : 1))
    .slice(0, findingsMax)
}

/** These are asked anew of what is shown, and a doubt of what is still in doubt. */
const isOfPatient = ({ code, action }: Finding): boolean =>
  code === 'DQ-03' ||
  code === 'DQ-04' ||
  (code === 'DQ-05' && action === 'warn') ||
  (code === 'DQ-06' && action === 'correct')

function mergeText(
  before: StudyText | undefined,
  text: WalkedText | undefined,
  seq: number,
): StudyText | undefined {
  if (text === undefined) return before
  const { declared, raw: all, ...judgement } = text
  const raw = Object.fromEntries(Object.entries(all).filter(([tag]) => isStudyTag(tag)))
  const own = { seq, declared, raw, own: withoutCandidates(judgement) }
  const first = before === undefined || seq < before.seq ? own : before
  const read = earlierRead(before?.read, judgement, seq)
  const hexes = Object.values(all).map(({ hex }) => ({ seq, hex }))
  const samples = mergeSamples(before?.samples ?? [], hexes)
  return {
    seq: first.seq,
    own: first.own,
    declared: first.declared,
    raw: first.raw,
    samples,
    ...(read !== undefined && { read }),
    judgement: isRead(first.own)
      ? first.own
      : (read?.judgement ?? withoutCandidates(judgeText(first.declared, bytesOf(samples)))),
  }
}

const isRead = ({ source }: TextJudgement): boolean => source !== 'doubtful'

function withoutCandidates(judgement: TextJudgement): TextJudgement {
  const { candidates: _, ...rest } = judgement
  return rest
}

function earlierRead(
  before: StudyText['read'],
  judgement: TextJudgement,
  seq: number,
): StudyText['read'] {
  if (!isRead(judgement) || (before !== undefined && before.seq < seq)) return before
  return { seq, judgement: withoutCandidates(judgement) }
}

function mergeSamples(
  before: StudyText['samples'],
  more: StudyText['samples'],
): StudyText['samples'] {
  const earliest = new Map<string, number>()
  for (const { hex, seq } of [...before, ...more]) {
    earliest.set(hex, Math.min(earliest.get(hex) ?? seq, seq))
  }
  return [...earliest]
    .map(([hex, seq]) => ({ seq, hex }))
    .toSorted((a, b) => byNumber(a, b) || (a.hex < b.hex ? -1 : 1))
    .slice(0, samplesMax)
}

const bytesOf = (samples: StudyText['samples']): Buffer[] =>
  samples.map(({ hex }) => Buffer.from(hex, 'hex'))

/** Texts that a study has said so far and that are judged together with the next ones. */
export const samplesOf = (study: StudyRow | undefined): Buffer[] =>
  bytesOf(study?.quality?.text?.samples ?? [])

/** A study's attributes with the text that has become readable since its first instance. */
export function readable(attributes: DicomJson, text: StudyText | undefined): DicomJson {
  if (text === undefined || isRead(text.own) || !isRead(text.judgement)) return attributes
  return { ...attributes, ...decoded(text.raw, text.declared, text.judgement) }
}

/** Attributes from their bytes. */
export function decoded(
  raw: WalkedText['raw'],
  declared: readonly string[],
  judgement: TextJudgement,
): DicomJson {
  const coding = textCoding(declared, judgement)
  const attributes: DicomJson = {}
  for (const [tag, { vr, hex }] of Object.entries(raw)) {
    attributes[tag] = textElement(vr, Buffer.from(hex, 'hex'), coding)
    const code = codeOf(tag, textOf(attributes, tag))
    if (code !== undefined) attributes[tag] = { vr, Value: [code] }
  }
  return attributes
}

/** Everything there is to say about a study as it is shown. */
export function findingsOf(row: StudyRow): Finding[] {
  const { attributes, quality, lastReceivedAt } = row
  const stored = (quality?.findings ?? []).map(withoutNumber)
  const hasNoId = isSurrogateId(textOf(attributes, '00100020'))
  const doseIsMissing = quality?.isIonising === true && quality.hasDose !== true
  return [
    ...(hasNoId ? [{ code: 'DQ-02', action: 'correct', tag: '00100020' } as const] : []),
    ...assessPatient(attributes, lastReceivedAt).filter(
      ({ code }) => code !== 'DQ-03' || !isInDoubt(row),
    ),
    ...(isInDoubt(row) ? [{ code: 'DQ-06', action: 'correct' } as const] : []),
    ...stored,
    ...(doseIsMissing ? [{ code: 'DQ-20', action: 'warn' } as const] : []),
  ]
}

function withoutNumber(known: Known): Finding {
  const { seq: _, ...finding } = known
  return finding
}

/** Nobody can read it yet, and nobody has said what it is. */
export function isInDoubt({ quality, shown = {} }: StudyRow): boolean {
  const text = quality?.text
  if (text?.judgement.source !== 'doubtful') return false
  return Object.keys(text.raw).some((tag) => !(tag in shown))
}

export const needsCorrection = (row: StudyRow): boolean =>
  row.instances > 0 && findingsOf(row).some(({ action }) => action === 'correct')
