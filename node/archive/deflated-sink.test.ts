import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import {
  dataSet,
  declare,
  fetch,
  noise,
  openTestArchive,
  scanner,
  temporaryFolder,
} from './archive.fixture.ts'

const slice = { study: '1.2.3', series: '1.2.3.1', sop: '1.2.3.1.1', pixels: noise(200_000, 1) }
const declared = { ...declare(slice.sop), transferSyntax: '1.2.840.10008.1.2.1.99' }

test('a deflated data set is kept byte for byte, whether or not its sender waits', async () => {
  const bytes = deflateRawSync(dataSet(slice))
  for (const waits of [true, false]) {
    await using folder = await temporaryFolder()
    await using archive = await openTestArchive(folder.path)
    const sink = await archive.ingest(declared, scanner)
    const buffer = Buffer.alloc(7000)
    for (let at = 0; at < bytes.length; at += buffer.length) {
      // The same memory again and again, as a socket's.
      const length = bytes.copy(buffer, 0, at, at + buffer.length)
      const goesOn = sink.write(buffer.subarray(0, length))
      if (waits && !goesOn) await sink.drain()
    }
    const { outcome } = await sink.finish()
    assert.equal(outcome, 'stored')
    assert.deepEqual(await fetch(archive, slice.study, slice.sop), bytes)
  }
})

test('of a deflated data set that is given up nothing is kept, nor of one that ends early', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const bytes = deflateRawSync(dataSet(slice))
  const given = await archive.ingest(declared, scanner)
  given.write(bytes)
  const draining = given.drain()
  await given.abort()
  await draining
  await assert.rejects(given.finish(), { code: 'aborted' })
  const cut = await archive.ingest(declared, scanner)
  cut.write(bytes.subarray(0, -5))
  await assert.rejects(cut.finish(), { code: 'instance_truncated' })
  assert.equal((await archive.counts()).instances, 0)
})
