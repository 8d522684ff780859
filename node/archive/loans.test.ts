import { test } from 'node:test'
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import type { SopUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import {
  dataSet,
  declare,
  noise,
  openTestArchive,
  send,
  studyProof,
  temporaryFolder,
} from './archive.fixture.ts'
import type { StudyReader } from './archive.ts'
import { slice } from './conformance.fixture.ts'
import { createLoans, giveBack } from './loans.ts'
import { createRandom } from './simulated-disk.fixture.ts'

const { chunkBytes, windowBytes, spareWindowsMax } = storageLimits

test('what was given back is empty for whoever still looks at it, and its memory is used again', () => {
  const loans = createLoans()
  const taken = loans.take(chunkBytes * 2).fill(7)
  const piece = taken.subarray(100, 200)
  const kept = piece.subarray(10, 20)
  loans.lend(piece)
  giveBack(piece)
  assert.deepEqual(
    [taken, piece, kept].map(({ byteLength }) => byteLength),
    [0, 0, 0],
  )
  const next = loans.take(chunkBytes * 3)
  assert.equal(next.length, chunkBytes * 3)
  assert.equal(next[0], 7, 'the same memory')
  assert.equal(piece.byteLength, 0)
})

test('nothing is given back twice, and no memory has two owners', () => {
  const loans = createLoans()
  const piece = loans.take(windowBytes)
  loans.lend(piece)
  giveBack(piece)
  giveBack(piece)
  const [one, other] = [loans.take(windowBytes).fill(1), loans.take(windowBytes).fill(2)]
  assert.ok(one.every((byte) => byte === 1))
  assert.ok(other.every((byte) => byte === 2))
})

test('a part of a piece, a copy and what was never lent cannot be given back', () => {
  const loans = createLoans()
  const piece = loans.take(windowBytes).fill(3)
  loans.lend(piece)
  const strange = [piece.subarray(), piece.subarray(0, 10), Buffer.from(piece), Buffer.alloc(10)]
  for (const one of strange) giveBack(one)
  assert.equal(piece.byteLength, windowBytes)
  assert.ok(strange.every(({ byteLength }) => byteLength > 0))
})

test('no more memory is kept than is allowed', () => {
  const loans = createLoans()
  const many = Array.from({ length: spareWindowsMax + 5 }, () => loans.take(windowBytes).fill(9))
  for (const piece of many) {
    loans.lend(piece)
    giveBack(piece)
  }
  const again = many.map(() => loans.take(windowBytes).buffer)
  assert.equal(new Set(again).size, many.length)
})

/** Reads as somebody who sends: looks at a piece some turns later, and then gives it back, or does not. */
async function readSlowly(
  reader: StudyReader,
  sop: string,
  random: () => number,
): Promise<Buffer | undefined> {
  const sent: Promise<Buffer>[] = []
  const isForgetful = random() < 0.2
  for await (const piece of reader.read(sop as SopUid)) {
    // Goes away in the middle.
    if (random() < 0.05) return undefined
    const turns = Math.floor(random() * 6)
    const sending = async (): Promise<Buffer> => {
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      const copy = Buffer.from(piece)
      if (!isForgetful) giveBack(piece)
      return copy
    }
    sent.push(sending())
    if (random() < 0.5) await sent.at(-1)
  }
  return Buffer.concat(await Promise.all(sent))
}

test('many readers at once, some slow, some forgetful and some that leave, each get the right bytes', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const random = createRandom(11)
  const lengths = [10, 70_000, chunkBytes, 524_288, 530_000, windowBytes, 2_300_000, 5_000_000]
  const held = new Map<string, { study: string; bytes: Buffer }>()
  for (const [index, length] of lengths.entries()) {
    const [study, sop] = [`1.2.${index}`, `1.2.${index}.1.1`]
    const pixels = noise(length, index + 1)
    const bytes = dataSet(slice(sop, { study, series: `${study}.1`, pixels }))
    await send(archive, bytes, declare(sop))
    held.set(sop, { study, bytes })
  }
  const sops = [...held.keys()]
  let whole = 0
  const readMany = async (): Promise<void> => {
    for (let time = 0; time < 8; time++) {
      const sop = sops[Math.floor(random() * sops.length)] ?? ''
      const { study, bytes } = held.get(sop) ?? assert.fail()
      await using reader = await archive.open(studyProof(study))
      const read = await readSlowly(reader, sop, random)
      if (read === undefined) continue
      assert.ok(read.equals(bytes), sop)
      whole++
    }
  }
  await Promise.all(Array.from({ length: 24 }, readMany))
  assert.ok(whole > 100)
})
