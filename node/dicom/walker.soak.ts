import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtocolError } from '#protocol/errors.ts'
import type { RandomAccess } from './data-set.ts'
import { corpusFile, corpusFiles, image, noCorpus, randomFrom } from './data-set.fixture.ts'
import { openFrames } from './frames.ts'
import { readHeader } from './header.ts'
import { readPart10File } from './part10.ts'
import { createWalker } from './walker.ts'

const runs = Number(process.env['CAMI_FUZZ_RUNS'] ?? 1_000_000)

test(
  'a million mutated files end in an error of the instance or are read, each in bounded time',
  { skip: noCorpus },
  async () => {
    const seeds = corpusFiles()
      .map((file) => corpusFile(file))
      .filter((bytes) => bytes.length > 0 && bytes.length < 12_000)
    seeds.push(image({ frames: 2 }))
    const random = randomFrom(20_260_102)
    const below = (max: number) => Math.floor(random() * max)
    let slowest = 0
    for (let run = 0; run < runs; run++) {
      const bytes = Buffer.from(seeds[below(seeds.length)] ?? Buffer.alloc(0))
      for (let i = below(5); i >= 0; i--) mutate(bytes, below)
      const cut = below(5) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes
      const started = performance.now()
      try {
        await readEverything(cut)
      } catch (error) {
        assert.ok(error instanceof ProtocolError, `run ${run}: ${String((error as Error).stack)}`)
      }
      slowest = Math.max(slowest, performance.now() - started)
    }
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
