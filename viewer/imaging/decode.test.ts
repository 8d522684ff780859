import { test } from 'node:test'
import assert from 'node:assert/strict'
import { codecs } from './codecs.fixture.ts'
import { decodeFrame } from './decode.ts'
import { corpus, readImage } from './dicom-file.fixture.ts'

const folder = 'transfer-syntaxes/ct-one-image-all-syntaxes'

async function decoded(file: string, frame = 0) {
  const { transferSyntax, format, frames } = readImage(file)
  // The node inflates deflated data sets before it cuts frames out of them.
  const bytes = frames[frame]
  assert.ok(bytes !== undefined)
  return decodeFrame({ bytes, transferSyntax, format }, codecs)
}

const lossless = [
  'CTImage_implicit_le',
  'CTImage_explicit_be',
  'CTImage_deflated',
  'CTImage_rle',
  'CTImage_jpeg_lossless_57',
  'CTImage_jpeg_lossless_sv1_70',
  'CTImage_jpegls_lossless_80',
  'CTImage_j2k_lossless_90',
  'CTImage_htj2k_lossless_201_transcoded',
  'CTImage_htj2k_lossless_rpcl_202_transcoded',
]

for (const name of lossless) {
  const { file, skip } = corpus(`${folder}/${name}.dcm`)
  test(`${name} decodes to the pixels of the uncompressed image`, { skip }, async () => {
    const original = await decoded(corpus(`${folder}/CTImage_explicit_le.dcm`).file)
    assert.deepEqual(await decoded(file), original)
  })
}

/** The greatest and the mean difference from the uncompressed image, in the values that a reader is shown. */
async function distance(file: string, rescale: { slope: number; intercept: number }) {
  const original = await decoded(corpus(`${folder}/CTImage_explicit_le.dcm`).file)
  const { samples } = await decoded(file)
  assert.equal(samples.length, original.samples.length)
  let worst = 0
  let sum = 0
  for (const [at, sample] of samples.entries()) {
    const value = sample * rescale.slope + rescale.intercept
    const difference = value - ((original.samples[at] ?? 0) - 1024)
    worst = Math.max(worst, Math.abs(difference))
    sum += difference
  }
  return { worst, mean: sum / samples.length }
}

const lossy = [
  { name: 'CTImage_jpegls_near_81', slope: 1, intercept: -1024, within: 3 },
  { name: 'CTImage_j2k_91', slope: 1, intercept: -1024, within: 40 },
  { name: 'CTImage_htj2k_lossy_203_transcoded', slope: 1, intercept: -1024, within: 40 },
  { name: 'CTImage_jpeg_extended_51', slope: 2.0002442, intercept: -4047, within: 120 },
  { name: 'CTImage_jpeg_spectral_53_retired', slope: 2.0002442, intercept: -4047, within: 120 },
  { name: 'CTImage_jpeg_progressive_55_retired', slope: 2.0002442, intercept: -4047, within: 120 },
  { name: 'CTImage_jpeg_baseline_50', slope: 32.1216, intercept: -4047, within: 400 },
]

for (const { name, within, ...rescale } of lossy) {
  const { file, skip } = corpus(`${folder}/${name}.dcm`)
  test(`${name} decodes to nearly the values of the uncompressed image`, { skip }, async () => {
    const { worst, mean } = await distance(file, rescale)
    assert.ok(worst <= within, `differs by ${worst}`)
    // Storing fewer bits rounds, by less than one of their steps.
    assert.ok(Math.abs(mean) < rescale.slope, `is shifted by ${mean}`)
  })
}

test('a frame that is cut short is an error and not half an image', async () => {
  const { file, skip } = corpus(`${folder}/CTImage_jpeg_extended_51.dcm`)
  if (skip !== false) return
  const { transferSyntax, format, frames } = readImage(file)
  const bytes = frames[0]?.slice(0, 20_000)
  assert.ok(bytes !== undefined)
  await assert.rejects(decodeFrame({ bytes, transferSyntax, format }, codecs), /is cut/)
})

test('an uncompressed frame shorter than its image is refused, a padding byte is not', async () => {
  const format = {
    rows: 1,
    columns: 3,
    samples: 1,
    bitsAllocated: 8,
    bitsStored: 8,
    signed: false,
    planar: false,
    photometric: 'MONOCHROME2',
  }
  const transferSyntax = '1.2.840.10008.1.2.1'
  const padded = await decodeFrame(
    { bytes: Uint8Array.of(7, 8, 9, 0), transferSyntax, format },
    codecs,
  )
  assert.deepEqual([...padded.samples], [7, 8, 9])
  assert.deepEqual([padded.min, padded.max], [7, 9])
  const job = { bytes: Uint8Array.of(7, 8), transferSyntax, format }
  await assert.rejects(decodeFrame(job, codecs), /is cut/)
})

test('an unknown transfer syntax is named in the error', async () => {
  const { file, skip } = corpus(`${folder}/CTImage_jpegxl_lossless_110_transcoded.dcm`)
  if (skip !== false) return
  await assert.rejects(decoded(file), /unsupported transfer syntax 1\.2\.840\.10008\.1\.2\.4\.110/)
})

const colour = [
  'modalities/US/nema_US1_J2KR_rgb.dcm',
  'transfer-syntaxes/htj2k/pydicom_HTJ2KLossless_08_RGB.dcm',
  'modalities/SC/cornerstone_TestPattern_JPEG-LS-Lossless.dcm',
  'modalities/US/weasis_ybrFull_RLE.dcm',
  'modalities/DX/vpop_idexx_jpeg_baseline_rgb.dcm',
  'transfer-syntaxes/small/pydicom_SC_rgb_rle_16bit_2frame.dcm',
]

for (const name of colour) {
  const { file, skip } = corpus(name)
  test(`${name} comes out as 8-bit RGB by pixel`, { skip }, async () => {
    const { format } = readImage(file)
    const { samples } = await decoded(file)
    assert.ok(samples instanceof Uint8Array)
    assert.equal(samples.length, format.rows * format.columns * 3)
  })
}

test('the ways of compressing one colour test card give one picture', async (t) => {
  const files = ['JPEG-LS-Lossless', 'JPEG-Lossless_RGB'].map((way) =>
    corpus(`modalities/SC/cornerstone_TestPattern_${way}.dcm`),
  )
  const missing = files.find(({ skip }) => skip !== false)
  if (missing !== undefined) return t.skip(String(missing.skip))
  const [one, other] = await Promise.all(files.map(({ file }) => decoded(file)))
  assert.deepEqual(one, other)
})

test('masks of single bits unpack whether they are packed, run-length coded or JPEG 2000', async (t) => {
  const files = ['liver_rle', 'liver_j2k'].map((way) => corpus(`modalities/SEG/pydicom_${way}.dcm`))
  const missing = files.find(({ skip }) => skip !== false)
  if (missing !== undefined) return t.skip(String(missing.skip))
  const [packed, wavelet] = await Promise.all(files.map(({ file }) => decoded(file, 1)))
  assert.deepEqual(packed, wavelet)
  assert.deepEqual([packed?.min, packed?.max], [0, 1])
})
