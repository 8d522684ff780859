import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import * as fc from 'fast-check'
import { storageLimits } from '#protocol/limits.ts'
import { noise, temporaryFolder } from './archive.fixture.ts'
import { blockBytes, createDirectWriter } from './direct-writes.ts'
import { openDisk } from './disk.ts'
import { writeAll } from './segment-writer.ts'

const { directBytesMin, directPieceBytes, directPiecesMax } = storageLimits

test('whole blocks at the beginning of a block are written, and nothing elsewhere', async (t) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'file')
  await writeFile(path, '')
  await using stack = new AsyncDisposableStack()
  const writer = createDirectWriter(path)
  stack.defer(() => writer.close())
  const bytes = noise(3 * blockBytes + 17, 1)
  const written = await writer.write([bytes.subarray(0, 5000), bytes.subarray(5000)], 0)
  if (written === 0) return t.skip('this file system has no writes past its cache')
  assert.equal(written, 3 * blockBytes)
  assert.equal(await writer.write([bytes], written + 1), 0)
  assert.equal(await writer.write([bytes.subarray(0, blockBytes - 1)], written), 0)
  assert.deepEqual(await readFile(path), bytes.subarray(0, 3 * blockBytes))
  const much = noise(directPieceBytes + blockBytes, 2)
  assert.equal(await writer.write([much], 0), directPieceBytes)
})

test('a file that is not there is an error, and one that is written otherwise is not', async () => {
  await using folder = await temporaryFolder()
  const writer = createDirectWriter(join(folder.path, 'none'))
  await assert.rejects(writer.write([noise(blockBytes, 1)], 0), { code: 'ENOENT' })
  await writer.close()
})

test('what comes after a file was closed is not written to it, also when nothing was before', async () => {
  await using folder = await temporaryFolder()
  const disk = await openDisk(folder.path)
  for (const before of [0, directPieceBytes]) {
    const file = await disk.open(String(before), 'create')
    await writeAll(file, [noise(before, 1)], 0)
    await file.close()
    await assert.rejects(writeAll(file, [noise(directPieceBytes, 2)], before), { code: 'EBADF' })
    assert.equal(await disk.size(String(before)), before)
  }
})

/** Prints what was written while there were no handles left, and afterwards. */
const withoutHandles = `
  const { open } = await import('node:fs/promises')
  const { openDisk } = await import('${import.meta.resolve('./disk.ts')}')
  const [folder] = process.argv.slice(1)
  const file = await (await openDisk(folder)).open('file', 'create')
  const others = []
  try {
    for (;;) others.push(await open(folder))
  } catch {}
  const bytes = Buffer.alloc(${directBytesMin}, 1)
  const first = await file.write([bytes], 0)
  for (const other of others) await other.close()
  console.log(first, await file.write([bytes], first))
  await file.close()`

test('a file that is open is written also when the process may open no other', async () => {
  await using folder = await temporaryFolder()
  const limited = ['-c', 'ulimit -n 100 && exec "$@"', 'sh', process.execPath]
  const script = ['--input-type=module', '-e', withoutHandles, folder.path]
  const { stdout } = await promisify(execFile)('sh', [...limited, ...script])
  assert.equal(stdout.trim(), `${directBytesMin} ${directBytesMin}`)
})

test('more writers than there is memory for write everything', async () => {
  await using folder = await temporaryFolder()
  const disk = await openDisk(folder.path)
  const all = await Promise.all(
    Array.from({ length: 2 * directPiecesMax + 1 }, async (_, index) => {
      const file = await disk.open(`f${index}`, 'create')
      const bytes = noise(2 * directPieceBytes + 1000 * index, index)
      await writeAll(file, [bytes], 0)
      await file.sync()
      await file.close()
      return bytes
    }),
  )
  for (const [index, bytes] of all.entries()) {
    assert.ok(bytes.equals(await readFile(join(folder.path, `f${index}`))))
  }
})

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 3 * blockBytes }),
  fc.integer({ min: directBytesMin - 10, max: directBytesMin + 3 * blockBytes }),
  fc.constantFrom(blockBytes, directBytesMin, directPieceBytes, directPieceBytes + blockBytes),
)
const step = fc.record({
  size: sizes,
  cut: fc.option(fc.nat(2 * blockBytes)),
  isRead: fc.boolean(),
})

test('large and small writes, cuts and readings in any order leave the bytes that were written', async () => {
  await using folder = await temporaryFolder()
  const disk = await openDisk(folder.path)
  let number = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const name = String(number++)
      const file = await disk.open(name, 'create')
      const reader = await disk.open(name, 'read')
      let model = Buffer.alloc(0)
      for (const [index, { size, cut, isRead }] of steps.entries()) {
        const bytes = noise(size, index)
        await writeAll(
          file,
          [bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)],
          model.length,
        )
        model = Buffer.concat([model, bytes])
        if (cut !== null) {
          model = model.subarray(0, Math.max(0, model.length - cut))
          await file.truncate(model.length)
        }
        if (!isRead) continue
        const read = Buffer.alloc(model.length + 10)
        assert.equal(await reader.read(read, 0), model.length)
        assert.ok(read.subarray(0, model.length).equals(model))
      }
      await file.sync()
      for (const one of [file, reader]) await one.close()
      assert.ok(model.equals(await readFile(join(folder.path, name))))
      await disk.remove(name)
    }),
    { numRuns: 60 },
  )
})
