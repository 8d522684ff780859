import { after, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { codeOf } from '#protocol/errors.ts'
import type { RandomAccess } from '../data-set.ts'
import { corpusFile, corpusFiles, corpusPath, noCorpus } from '../data-set.fixture.ts'
import type { DicomJson } from '../dicom-json.ts'
import { openFrames } from '../frames.ts'
import { readHeader } from '../header.ts'
import { readPart10File } from '../part10.ts'
import { createPixelPool } from '../pixel-workers/pool.ts'
import { transferSyntaxes } from '../transfer-syntax.ts'
import { createWalker } from '../walker.ts'
import { canTranscode, htj2kLossless, transcode } from './transcode.ts'

const { explicitLittleEndian } = transferSyntaxes
const oneImage = 'transfer-syntaxes/ct-one-image-all-syntaxes/CTImage'
const pool = createPixelPool()
after(() => pool[Symbol.asyncDispose]())

const inMemory = (bytes: Uint8Array): RandomAccess => ({
  bytes: bytes.length,
  read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
})

/** A data set as the archive would describe it after its walk. */
function described(bytes: Uint8Array, transferSyntax: string) {
  const walker = createWalker(transferSyntax)
  walker.write(bytes)
  return { ...walker.end(), transferSyntax, data: inMemory(bytes) }
}

function opened(file: string) {
  const { dataSet, transferSyntax } = readPart10File(corpusFile(file))
  return described(dataSet, transferSyntax)
}

async function transcoded(source: ReturnType<typeof described>, target: string) {
  const result = await transcode(source, target, pool)
  const parts: Uint8Array[] = []
  for await (const part of result.read()) parts.push(part)
  const bytes = Buffer.concat(parts)
  assert.equal(bytes.length, result.bytes)
  return described(bytes, result.transferSyntax)
}

async function frameOf(source: ReturnType<typeof described>, number = 1): Promise<Buffer> {
  const frames = await openFrames(source)
  const places = await frames.frame(number, source.data)
  const parts: Uint8Array[] = []
  for (const place of places) {
    const isHere = 'bytes' in place
    parts.push(isHere ? place.bytes : await source.data.read(place.offset, place.length))
  }
  return Buffer.concat(parts)
}

const samples16 = (bytes: Uint8Array): Int16Array => new Int16Array(Uint8Array.from(bytes).buffer)

const headerOf = ({ data, transferSyntax, headerBytes }: ReturnType<typeof described>) =>
  readHeader(data, transferSyntax, headerBytes)

describe('one image in every syntax', { skip: noCorpus }, () => {
  const lossless = [
    'implicit_le',
    'explicit_be',
    'rle',
    'jpeg_lossless_57',
    'jpeg_lossless_sv1_70',
    'jpegls_lossless_80',
    'j2k_lossless_90',
    'htj2k_lossless_201_transcoded',
    'htj2k_lossless_rpcl_202_transcoded',
  ]
  for (const name of lossless) {
    test(`${name} becomes the very pixels of the uncompressed file`, async () => {
      const original = await frameOf(opened(`${oneImage}_explicit_le.dcm`))
      const result = await transcoded(opened(`${oneImage}_${name}.dcm`), explicitLittleEndian)
      assert.equal(result.damaged, undefined)
      assert.ok((await frameOf(result)).equals(original))
    })
  }

  test('with loss, it comes near them', async () => {
    const original = await frameOf(opened(`${oneImage}_explicit_le.dcm`))
    const lossy = ['jpegls_near_81', 'j2k_91', 'htj2k_lossy_203_transcoded']
    for (const name of lossy) {
      const result = await transcoded(opened(`${oneImage}_${name}.dcm`), explicitLittleEndian)
      const frame = await frameOf(result)
      let sum = 0
      for (let at = 0; at < frame.length; at += 2) {
        sum += Math.abs(frame.readInt16LE(at) - original.readInt16LE(at))
      }
      assert.ok(sum / (frame.length / 2) < 20, `${name}: ${sum / (frame.length / 2)}`)
    }
  })

  test('lossy JPEG of 8 and 12 bits is decoded as dcmtk decodes it', async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'cami-jpeg-'))
    for (const name of ['jpeg_extended_51', 'jpeg_baseline_50', 'jpeg_spectral_53_retired']) {
      const file = `${oneImage}_${name}.dcm`
      const plain = path.join(folder.path, `${name}.dcm`)
      execFileSync('dcmdjpeg', ['+cn', corpusPath(file), plain])
      const { dataSet } = readPart10File(readFileSync(plain))
      const theirs = samples16(await frameOf(described(dataSet, explicitLittleEndian)))
      const ours = samples16(await frameOf(await transcoded(opened(file), explicitLittleEndian)))
      assert.equal(ours.length, theirs.length, name)
      const differences = ours.map((sample, at) => Math.abs(sample - (theirs[at] ?? 0)))
      assert.ok(Math.max(...differences.slice(0, 65_536)) <= 1, name)
    }
  })

  test('what cannot be decoded is not promised', async () => {
    const source = opened(`${oneImage}_jpegxl_lossless_110_transcoded.dcm`)
    assert.equal(canTranscode(source, explicitLittleEndian), false)
    const wanted = transcode(source, explicitLittleEndian, pool)
    await assert.rejects(wanted, { code: 'not_acceptable' })
    assert.equal(
      canTranscode(opened(`${oneImage}_explicit_le.dcm`), '1.2.840.10008.1.2.4.50'),
      false,
    )
  })
})

test('HTJ2K and back gives the same samples, grey and colour', { skip: noCorpus }, async () => {
  for (const file of [
    `${oneImage}_implicit_le.dcm`,
    `${oneImage}_rle.dcm`,
    'transfer-syntaxes/small/pydicom_emri_small_RLE.dcm',
    'modalities/US/weasis_ybrFull_RLE.dcm',
    'transfer-syntaxes/small/pydicom_SC_rgb_jpeg_gdcm.dcm',
    'modalities/US/pydicom_OBXXXX1A_rle_2frame_palette.dcm',
  ]) {
    const source = opened(file)
    const dense = await transcoded(source, htj2kLossless)
    const back = await transcoded(dense, explicitLittleEndian)
    const direct = await transcoded(source, explicitLittleEndian)
    const last = (await openFrames(source)).count
    assert.ok((await frameOf(back, last)).equals(await frameOf(direct, last)), file)
    assert.ok(dense.bytes < direct.bytes, file)
  }
})

/** What decoding changes in a header, and the VR of pixels, which their syntax decides. */
const changing = ['00280004', '00280006', '7FE00010', '7FE00001', '7FE00002']

function withoutChanging(header: DicomJson): DicomJson {
  const entries = Object.entries(header).filter(
    ([tag]) => !changing.includes(tag) && !tag.endsWith('0000'),
  )
  return Object.fromEntries(entries)
}

test('no element of any real file is lost or changed on the way', { skip: noCorpus }, async () => {
  let count = 0
  for (const file of corpusFiles().filter((name) => !name.startsWith('series/'))) {
    let source
    try {
      source = opened(file)
    } catch {
      continue
    }
    if (source.transferSyntax === explicitLittleEndian) continue
    if (!canTranscode(source, explicitLittleEndian)) continue
    let result
    try {
      result = await transcoded(source, explicitLittleEndian)
    } catch (error) {
      // Some are damaged on purpose.
      assert.equal(codeOf(error), 'instance_malformed', file)
      continue
    }
    const [before, now] = [await headerOf(source), await headerOf(result)]
    // Lengths that are odd against the standard get a byte of padding.
    if (file.startsWith('malformed/')) continue
    assert.deepEqual(withoutChanging(now), withoutChanging(before), file)
    count++
  }
  assert.ok(count > 60, String(count))
})
