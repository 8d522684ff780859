import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '#protocol/errors.ts'
import type { RandomAccess } from './data-set.ts'
import { corpusFile, corpusFiles, noCorpus } from './data-set.fixture.ts'
import { openFrames } from './frames.ts'
import { readHeader } from './header.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

/** Every file that is refused, and why; all others of the corpus are walked to their end. */
const refused: Record<string, string> = {
  'malformed/pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm': 'instance_truncated',
  'malformed/pydicom/MR_truncated.dcm': 'instance_truncated',
  'malformed/pydicom/no_meta.dcm': 'instance_malformed',
  'malformed/pydicom/rtplan_truncated.dcm': 'instance_truncated',
  'malformed/synthetic/deep_nesting_1000_levels.dcm': 'instance_too_complex',
  'malformed/synthetic/pixel_data_length_claims_2GiB.dcm': 'instance_truncated',
  'malformed/synthetic/preamble_only_132_bytes.dcm': 'instance_malformed',
  'malformed/synthetic/text_not_dicom.dcm': 'instance_malformed',
  'malformed/synthetic/trailing_garbage_1000_bytes.dcm': 'instance_malformed',
  'malformed/synthetic/truncated_in_file_meta.dcm': 'instance_malformed',
  'malformed/synthetic/truncated_in_pixel_data.dcm': 'instance_truncated',
  'malformed/synthetic/truncated_mid_header.dcm': 'instance_truncated',
  'malformed/synthetic/unknown_vr_code_ZZ.dcm': 'instance_malformed',
  'malformed/synthetic/zero_length_file.dcm': 'instance_malformed',
  // The lengths of the directory's records pass the end of the file.
  'media/dicomdir-variants/DICOMDIR-nooffset': 'instance_malformed',
}
const damaged = [
  'malformed/pydicom/meta_missing_tsyntax.dcm',
  'malformed/pydicom/nested_priv_SQ.dcm',
  'malformed/synthetic/rows_columns_larger_than_pixel_data.dcm',
]

test(
  'the whole corpus: each file is walked to its end or refused for a known reason',
  { skip: noCorpus },
  () => {
    const reasons: Record<string, string> = {}
    const found: string[] = []
    let slowest = 0
    const files = corpusFiles()
    for (const file of files) {
      const bytes = corpusFile(file)
      const started = performance.now()
      try {
        const { dataSet, transferSyntax } = readPart10File(bytes)
        const walker = createWalker(transferSyntax)
        walker.write(dataSet)
        const walk = walker.end()
        assert.equal(walk.bytes, dataSet.length, file)
        if (walk.damaged === true) found.push(file)
      } catch (error) {
        reasons[file] = codeOf(error)
      }
      slowest = Math.max(slowest, performance.now() - started)
    }
    assert.equal(files.length, 440)
    assert.deepEqual(reasons, refused)
    assert.deepEqual(found, damaged)
    assert.ok(slowest < 2000, `${slowest} ms`)
  },
)

test(
  'every image of the corpus that is not damaged gives each of its frames',
  { skip: noCorpus },
  async () => {
    for (const file of corpusFiles()) {
      if (file in refused || damaged.includes(file) || file.startsWith('series/')) continue
      const { dataSet, transferSyntax } = readPart10File(corpusFile(file))
      const walker = createWalker(transferSyntax)
      walker.write(dataSet)
      const { headerBytes, attributes, pixel } = walker.end()
      const data: RandomAccess = {
        bytes: dataSet.length,
        read: async (offset, length) => dataSet.subarray(offset, offset + length),
      }
      const header = await readHeader(data, transferSyntax, headerBytes)
      assert.deepEqual(header['00080018'], attributes['00080018'], file)
      if (pixel === undefined) continue
      const frames = await openFrames({ data, transferSyntax, headerBytes, attributes })
      for (let number = 1; number <= frames.count; number++) {
        const parts = await frames.frame(number, data)
        assert.ok(
          parts.every((part) => part.length > 0),
          `${file} ${number}`,
        )
      }
    }
  },
)
