import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SopUid } from '#protocol/ids.ts'
import type { CyrillicEncoding } from '../dicom/cyrillic.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { element, item, sequence } from '../dicom/data-set.fixture.ts'
import type { Archive } from './archive.ts'
import {
  correctionProof,
  declare,
  openTestArchive,
  readAll,
  searchProof,
  send,
  studyProof,
  temporaryFolder,
} from './archive.fixture.ts'
import { find, headerOf, series, sop, study } from './overlay.fixture.ts'
import { plainReception } from './reception.ts'

/** The inverse of a single-byte decoding, padded. */
function bytesOf(encoding: CyrillicEncoding, text: string): Buffer {
  const decoder = new TextDecoder(encoding)
  const codes = new Map(
    Array.from({ length: 256 }, (_, code) => [decoder.decode(Uint8Array.of(code)), code]),
  )
  const even = text.length % 2 === 0 ? text : `${text} `
  return Buffer.from(Array.from(even, (char) => codes.get(char) ?? 0x3f))
}

const scheduled = 'ЦКБ'
type Texts = { encoding: CyrillicEncoding; declared?: string; name: string; institution: string }

/** An image whose text is in an encoding that it does not declare, in an item too. */
function imageIn({ encoding, declared, name, institution }: Texts, uid: string = sop): Buffer {
  const text = (tag: string, vr: string, value: string) =>
    element(tag, vr, bytesOf(encoding, value))
  return Buffer.concat([
    ...(declared === undefined ? [] : [element('00080005', 'CS', declared)]),
    element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    element('00080018', 'UI', uid),
    element('00080020', 'DA', '20260102'),
    element('00080060', 'CS', 'CT'),
    text('00080080', 'LO', institution),
    text('00100010', 'PN', name),
    element('00100020', 'LO', '42'),
    element('0020000D', 'UI', study),
    element('0020000E', 'UI', series),
    sequence('00400275', [item(text('00400007', 'LO', scheduled))]),
    element('7FE00010', 'OW', new Uint8Array(8)),
  ])
}

/** An archive that knows for certain in which encoding its device writes, or does not know it. */
async function openWith(encoding?: CyrillicEncoding) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const known = encoding && { encoding, isCertain: true }
  const reception = { ...plainReception, encoding: () => known }
  const archive = stack.use(await openTestArchive(folder.path, { reception }))
  const owned = stack.move()
  return { archive, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const nameIn = (header: DicomJson | undefined): unknown =>
  (header?.['00100010']?.Value?.[0] as { Alphabetic?: string } | undefined)?.Alphabetic
const nestedIn = (header: DicomJson | undefined): unknown =>
  (header?.['00400275']?.Value?.[0] as DicomJson | undefined)?.['00400007']?.Value?.[0]
const institutionIn = (header: DicomJson | undefined): unknown => header?.['00080080']?.Value?.[0]

async function shown(archive: Archive, uid: SopUid = sop) {
  await using reader = await archive.open(studyProof(study))
  const [metadata] = await reader.metadata({ sop: uid })
  const [row] = await find(archive)
  const entry = await reader.instance(uid)
  return { list: nameIn(row), entry: entry?.attributes, metadata }
}

for (const declared of [undefined, 'ISO_IR 100', 'ISO_IR 144', 'ISO_IR 192']) {
  test(`a short text of a device whose encoding is certain is read alike everywhere: ${declared}`, async () => {
    for (const encoding of ['windows-1251', 'koi8-r', 'ibm866'] as const) {
      await using world = await openWith(encoding)
      const texts = { encoding, name: 'Ли^Ян', institution: 'ЦРБ' }
      await send(world.archive, imageIn({ ...texts, ...(declared && { declared }) }), declare(sop))
      const { list, entry, metadata } = await shown(world.archive)
      assert.deepEqual([list, nameIn(entry), nameIn(metadata)], Array(3).fill('Ли^Ян'), encoding)
      assert.deepEqual([institutionIn(entry), institutionIn(metadata)], ['ЦРБ', 'ЦРБ'], encoding)
      assert.equal(nestedIn(metadata), scheduled, encoding)
    }
  })
}

const correct = async (archive: Archive, name: string) =>
  archive.overlay(correctionProof('demographics'), {
    kind: 'correct',
    target: { level: 'study', study },
    attributes: [{ tag: '00100010', new: [name] }],
  })

async function correctedOf(archive: Archive): Promise<Buffer> {
  await using reader = await archive.open(studyProof(study))
  const corrected = await reader.corrected?.(sop)
  assert.ok(corrected !== undefined)
  return readAll(corrected.read())
}

const replacedName = (header: DicomJson): unknown => {
  const [original] = (header['04000561']?.Value ?? []) as DicomJson[]
  return nameIn(original?.['04000550']?.Value?.[0] as DicomJson | undefined)
}

for (const encoding of ['koi8-r', 'windows-1251'] as const) {
  test(`a corrected copy says what lists say of a device that writes ${encoding}, whatever it declares`, async () => {
    for (const declared of [undefined, 'ISO_IR 100', 'ISO_IR 144']) {
      await using world = await openWith(encoding)
      const texts = { encoding, name: 'ИВАНОВ^ПЕТР', institution: 'ГОРБОЛЬНИЦА' }
      await send(world.archive, imageIn({ ...texts, ...(declared && { declared }) }), declare(sop))
      await correct(world.archive, 'ИВАНОВ^ПЁТР')
      const header = await headerOf(await correctedOf(world.archive))
      assert.equal(nameIn(header), 'ИВАНОВ^ПЁТР', declared)
      assert.deepEqual([institutionIn(header), nestedIn(header)], ['ГОРБОЛЬНИЦА', scheduled])
      assert.equal(replacedName(header), 'ИВАНОВ^ПЕТР')
    }
  })
}

test('a corrected copy keeps the bytes of text that nobody can read', async () => {
  for (const declared of [undefined, 'ISO_IR 144', 'ISO_IR 192']) {
    await using world = await openWith()
    const texts = { encoding: 'koi8-r', name: 'ЦОЙ^ЮЛИЯ', institution: 'ЦРБ' } as const
    await send(world.archive, imageIn({ ...texts, ...(declared && { declared }) }), declare(sop))
    assert.match(String((await shown(world.archive)).list), /^<[0-9A-F]+>/)
    await correct(world.archive, 'ЦОЙ^ЮЛИЯ')
    const copy = await correctedOf(world.archive)
    const written = declared === 'ISO_IR 144' ? bytesOf('iso-8859-5', texts.name) : texts.name
    assert.ok(copy.includes(written), declared)
    for (const text of [texts.name, texts.institution, scheduled]) {
      assert.ok(copy.includes(bytesOf('koi8-r', text)), `${declared} ${text}`)
    }
    assert.doesNotMatch(copy.toString('latin1'), /<[0-9A-F]{2,}>/)
  }
})

test('what is let in from quarantine under another UID is read as it was before', async () => {
  for (const as of ['received', 'same-patient'] as const) {
    await using world = await openWith('koi8-r')
    const texts = { encoding: 'koi8-r', declared: 'ISO_IR 144', name: 'Ли^Ян' } as const
    const other = { ...texts, ...(as === 'same-patient' && { name: 'Хан^Ю' }), institution: 'ЦКБ' }
    await send(world.archive, imageIn({ ...texts, institution: 'ЦРБ' }), declare(sop))
    await send(world.archive, imageIn(other), declare(sop))
    const entries = (await world.archive.quarantine(searchProof)).map(({ id }) => id)
    const proof = correctionProof('quarantine')
    const [overlay] = await world.archive.overlay(proof, { kind: 'release', entries, as })
    const [[, renamed] = []] = (overlay?.kind === 'release' && overlay.content.renamed) || []
    const { entry, metadata } = await shown(world.archive, renamed as SopUid)
    assert.deepEqual([nameIn(entry), nameIn(metadata)], ['Ли^Ян', 'Ли^Ян'], as)
    assert.deepEqual([institutionIn(entry), institutionIn(metadata)], ['ЦКБ', 'ЦКБ'], as)
    assert.equal(nestedIn(metadata), scheduled)
  }
})
