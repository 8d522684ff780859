import type { Archive } from './archive.ts'
import type { StudyUid } from '#protocol/ids.ts'
import {
  correctionProof,
  dataSet,
  noise,
  scanner,
  searchProof,
  sendSlice,
  stranger,
} from './archive.fixture.ts'
import type { Slice } from './archive.fixture.ts'
import { digestOfDataSet } from './chunk-digests.ts'
import { digestOf } from './payload.ts'
import type { FindCopy } from './record-copy.ts'

/** One of many instances of three studies; some are so large that they are streamed. */
export const manySlice = (i: number, more: Partial<Slice> = {}): Slice => ({
  study: `1.${i % 3}`,
  series: `1.${i % 3}.${i % 2}`,
  sop: `1.${i % 3}.9.${i}`,
  patientId: `P${i % 3}`,
  date: `2024010${1 + (i % 3)}`,
  accession: `A${i % 3}`,
  modality: i % 2 === 0 ? 'CT' : 'MR',
  pixels: noise(300 + i, i),
  ...more,
})

/** What `fill` sends that is kept apart: another content, an unknown sender, another patient. */
const apart = [
  manySlice(0, { pixels: noise(50, 99) }),
  manySlice(100),
  manySlice(101, { study: '1.1', patientId: 'other' }),
]
const entries = ['one', 'two']

/** Another place that has everything that `fill` sends. */
export const replicaOf =
  (count = 12): FindCopy =>
  async ({ sha256 }) => {
    const slices = [...Array.from({ length: count }, (_, i) => manySlice(i)), ...apart]
    const found =
      slices.map(dataSet).find((bytes) => digestOfDataSet(bytes).toString('hex') === sha256) ??
      entries.map((entry) => Buffer.from(entry)).find((bytes) => digestOf(bytes) === sha256)
    return found && inPieces(found)
  }

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += 100_000) yield bytes.subarray(at, at + 100_000)
}

/** Something of everything that an archive keeps. */
export async function fill(archive: Archive, count = 12): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => sendSlice(archive, manySlice(i))))
  for (const [i, slice] of apart.entries()) {
    await sendSlice(archive, slice, i === 1 ? stranger : scanner)
  }
  for (const entry of entries) await archive.append('index-entry', Buffer.from(entry))
  const target = { level: 'study', study: manySlice(1).study as StudyUid } as const
  const attributes = [{ tag: '00081030', new: ['исправлено'] }]
  await archive.overlay(correctionProof('attributes'), { kind: 'correct', target, attributes })
}

/** Everything an archive says about what it holds, but for where the bytes are. */
export async function describe(archive: Archive): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = { counts: await archive.counts() }
  for (const level of ['study', 'series', 'instance'] as const) {
    const query = { level, match: {}, limit: 1000, offset: 0 }
    const { matches, more } = await archive.search(searchProof, query)
    found[level] = { matches: matches.map((match) => ({ ...match, '00080056': {} })), more }
  }
  for (const tag of ['00100020', '00080050', '00100010', '00080061']) {
    const match = {
      [tag]: [{ '00100020': 'P1', '00080050': 'A2', '00100010': 'иванов*' }[tag] ?? 'MR'],
    }
    found[tag] = await archive.search(searchProof, { level: 'study', match, limit: 100, offset: 0 })
  }
  const changes = await archive.changes(0, 1000)
  found['changes'] = changes
  found['records'] = await Promise.all(changes.map(({ study }) => archive.record(study)))
  found['overlays'] = await archive.overlays(correctionProof('history'), { limit: 100, offset: 0 })
  found['quarantine'] = await archive.quarantine(searchProof)
  const entries: string[] = []
  for await (const entry of archive.replay('index-entry')) {
    entries.push(Buffer.from(entry).toString())
  }
  found['entries'] = entries
  return found
}
