import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createPart10Header } from '../../node/dicom/part10.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import { createCt } from '../modality/ct.ts'
import type { StudyContext } from '../modality/study.ts'
import { createPerson } from '../people.ts'
import { createRandom, type Random } from '../random.ts'

export type CtSet = { files: string[]; bytes: number; study: string[]; items: CtFile[] }
export type CtFile = { file: string; study: string; series: string; sop: string; bytes: number }

/** A few slices are drawn; the others are theirs under other UIDs, which is all that an archive looks at. */
const drawnSlices = 12

/**
 * Writes `count` CT slices as DICOM files: `size`² pixels of 16 bits each (512: 0.5 MB, 5500: 60 MB), `perStudy` to a
 * study of one series.
 */
export async function writeCtFiles(
  dir: string,
  options: { count: number; size?: number; perStudy?: number; seed?: number },
): Promise<CtSet> {
  const { count, size = 512, perStudy = 250, seed = 1 } = options
  await mkdir(dir, { recursive: true })
  const random = createRandom(seed)
  const context = studyContext(random)
  const slices = Math.min(drawnSlices, count, size > 1024 ? 1 : drawnSlices)
  const drawn = [...createCt(context, random, { slices, size })].map(openSlice)
  const items: CtFile[] = []
  let study = ''
  let series = ''
  for (let index = 0; index < count; index++) {
    if (index % perStudy === 0) {
      study = uidOf(random)
      series = uidOf(random)
    }
    const slice = drawn[index % drawn.length]
    if (slice === undefined) throw new Error('nothing was drawn')
    const uids = { study, series, sop: uidOf(random) }
    const bytes = slice.under(uids)
    const file = path.join(dir, `${String(index).padStart(5, '0')}.dcm`)
    await writeFile(file, bytes)
    items.push({ file, ...uids, bytes: bytes.byteLength })
  }
  return {
    files: items.map(({ file }) => file),
    bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
    study: [...new Set(items.map(({ study }) => study))],
    items,
  }
}

export function studyContext(random: Random): StudyContext {
  return {
    patient: createPerson(random),
    issuer: '1.2.643.5.1.13.13.12.2.42.9001',
    institution: 'CAMI simulations',
    studyUid: uidOf(random),
    date: '20261001',
    time: '101500',
    accession: String(10_000_000 + random.int(89_999_999)),
    description: 'КТ органов грудной клетки',
    referrer: createPerson(random).name,
  }
}

const digits = 34

/** Of one length, so that one can stand in another's place. */
export function uidOf(random: Random): string {
  const rest = Array.from({ length: digits - 1 }, () => random.int(10)).join('')
  return `2.25.${1 + random.int(2)}${rest}`
}

type Uids = { study: string; series: string; sop: string }

/** A slice whose UIDs can be replaced. */
function openSlice(item: StoreItem): { under: (uids: Uids) => Buffer } {
  const dataSet = Buffer.from(item.dataSet)
  const place = (tag: string): { at: number; length: number } => {
    const at = dataSet.indexOf(Buffer.from(`${tag}5549`, 'hex'))
    if (at < 0) throw new Error('a UID is missing')
    return { at, length: dataSet.readUInt16LE(at + 6) }
  }
  const places = {
    sop: place('08001800'),
    study: place('20000d00'),
    series: place('20000e00'),
  }
  return {
    under(uids) {
      let bytes = Buffer.from(dataSet)
      // From the end, so that earlier places stay where they are.
      for (const name of ['series', 'study', 'sop'] as const) {
        const { at, length } = places[name]
        const text = Buffer.from(uids[name].length % 2 === 0 ? uids[name] : `${uids[name]}\0`)
        const head = Buffer.from(bytes.subarray(at, at + 8))
        head.writeUInt16LE(text.length, 6)
        bytes = Buffer.concat([bytes.subarray(0, at), head, text, bytes.subarray(at + 8 + length)])
      }
      const { sopClass, transferSyntax } = item
      return Buffer.concat([
        createPart10Header({ sopClass, sopUid: uids.sop, transferSyntax }),
        bytes,
      ])
    },
  }
}
