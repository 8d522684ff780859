import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtocolError } from '#protocol/errors.ts'
import type { RandomAccess } from './data-set.ts'
import { corpusFile, corpusFiles, image, noCorpus, randomFrom } from './data-set.fixture.ts'
import { openFrames } from './frames.ts'
import { readHeader } from './header.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

const runs = Number(process.env['CAMI_FUZZ_RUNS'] ?? 20_000_000)
/** It ends after this time with what it has done by then. */
const endMs = Number(process.env['CAMI_FUZZ_SECONDS'] ?? 600) * 1000
const heldMax = 4 * 1024 * 1024

test(
  'mutated files end in an error of the instance or are read, within 1 ms/KB and little memory (T16)',
  { skip: noCorpus },
  async (t) => {
    const seeds = corpusFiles()
      .map((file) => corpusFile(file))
      .filter((bytes) => bytes.length > 0 && bytes.length < 12_000)
    seeds.push(image({ frames: 2 }))
    const random = randomFrom(20_260_102)
    const below = (max: number) => Math.floor(random() * max)
    const begin = performance.now()
    const used = () => process.threadCpuUsage().user / 1000
    let [slowest, bytesRead, held, run] = [0, 0, 0, 0]
    const before = process.threadCpuUsage().user / 1000
    for (; run < runs && performance.now() - begin < endMs; run++) {
      const bytes = Buffer.from(seeds[below(seeds.length)] ?? Buffer.alloc(0))
      for (let i = below(5); i >= 0; i--) mutate(bytes, below)
      const cut = below(5) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes
      const started = used()
      const heldBefore = process.memoryUsage().arrayBuffers
      try {
        await readEverything(cut)
      } catch (error) {
        assert.ok(error instanceof ProtocolError, `run ${run}: ${String((error as Error).stack)}`)
      }
      bytesRead += cut.length
      slowest = Math.max(slowest, used() - started)
      held = Math.max(held, process.memoryUsage().arrayBuffers - heldBefore - 2 * cut.length)
    }
    const perKilobyte = (used() - before) / (bytesRead / 1024)
    t.diagnostic(
      `${run} files, ${perKilobyte.toFixed(3)} ms/KB, slowest ${slowest.toFixed(0)} ms, ${held} bytes above`,
    )
    assert.ok(perKilobyte <= 1, `${perKilobyte} ms/KB`)
    // Twice the file, and what one inflation or one chunk takes.
    assert.ok(held <= heldMax, `${held} bytes`)
    assert.ok(slowest < 2000, `${slowest} ms`)
  },
)

function mutate(bytes: Buffer, below: (max: number) => number): void {
  const at = below(bytes.length)
  switch (below(4)) {
    case 0:
      bytes[at] = below(256)
      break
    case 1:
      bytes.subarray(at, at + 4).fill(0xff)
      break
    case 2:
      bytes.copyWithin(at, below(bytes.length), below(bytes.length))
      break
    default:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
  }
}

async function readEverything(bytes: Uint8Array): Promise<void> {
  const { dataSet, transferSyntax } = readPart10File(bytes)
  const walker = createWalker(transferSyntax)
  walker.write(dataSet)
  const { headerBytes, attributes, pixel } = walker.end()
  const data: RandomAccess = {
    bytes: dataSet.length,
    read: async (offset, length) => dataSet.subarray(offset, offset + length),
  }
  JSON.stringify(await readHeader(data, transferSyntax, headerBytes))
  if (pixel === undefined) return
  const frames = await openFrames({ data, transferSyntax, headerBytes, attributes })
  for (let number = 1; number <= Math.min(frames.count, 3); number++)
    await frames.frame(number, data)
}
