import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  bombLimits,
  bombs,
  bombStudy,
  costOf,
  fileOfBomb,
  plainBomb,
  preambles,
} from '../dicom/bombs.fixture.ts'
import { createMediaWorld, writeTree, zipOf } from './media.fixture.ts'
import { openZip } from './zip.ts'

test('no bomb on a medium holds, fills or ends the process (T17)', async (t) => {
  await using world = await createMediaWorld()
  let disc = 0
  const take = async (file: Buffer) => {
    const folder = `disc${++disc}`
    await writeTree(path.join(world.mountDir, folder), { IMAGE: file })
    const cost = await costOf(() => world.importFolder(folder))
    return { ...cost, outcome: cost.result[0]?.outcome }
  }
  const honest = async () => (await take(fileOfBomb(plainBomb(`1.2.78.${disc + 1}`)))).outcome
  for (const bomb of bombs()) {
    await t.test(`${bomb.name} is ${bomb.fate}`, async () => {
      const { outcome, blockMs, grownBytes } = await take(fileOfBomb(bomb))
      t.diagnostic(`${bomb.name}: ${blockMs.toFixed(0)} ms, ${grownBytes >> 20} MiB`)
      assert.equal(outcome, bomb.fate)
      assert.ok(blockMs <= bombLimits.blockMs, `${blockMs} ms`)
      assert.ok(grownBytes <= bombLimits.grownBytes, `${grownBytes} bytes`)
      assert.equal(await honest(), 'stored')
    })
  }
  for (const [index, [name, bytes]] of preambles.entries()) {
    await t.test(`a file that is ${name} as well is taken for what it holds`, async () => {
      const bomb = plainBomb(`${bombStudy}.9.${index + 1}`)
      assert.equal((await take(fileOfBomb(bomb, bytes))).outcome, 'stored')
    })
  }
  assert.deepEqual(readdirSync(world.dir).toSorted(), ['archive', 'mounted', 'uploads'])
})

test('a ZIP file of zeros takes neither memory nor the process (T17)', async () => {
  await using world = await createMediaWorld()
  const plain = fileOfBomb(plainBomb('1.2.78.1'))
  const zip = await zipOf(world.dir, [
    { name: 'zeros', bytes: new Uint8Array(96 << 20) },
    { name: 'good', bytes: plain },
  ])
  const { result, blockMs, grownBytes } = await costOf(() => world.importZip(zip))
  assert.equal(result.find(({ path }) => path === 'good')?.outcome, 'stored')
  assert.notEqual(result.find(({ path }) => path === 'zeros')?.outcome, 'stored')
  assert.ok(blockMs <= bombLimits.blockMs, `${blockMs} ms`)
  assert.ok(grownBytes <= bombLimits.grownBytes, `${grownBytes} bytes`)
})

test('of a large file in a ZIP file nothing is held that was read already', async () => {
  await using world = await createMediaWorld()
  const file = path.join(world.dir, 'large.zip')
  await writeFile(file, await zipOf(world.dir, [{ name: 'a', bytes: new Uint8Array(32 << 20) }]))
  await using medium = await openZip(file)
  const { signal } = new AbortController()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const read: WeakRef<Uint8Array>[] = []
  for await (const entry of medium.entries(signal)) {
    if (entry.kind !== 'file') continue
    for await (const part of entry.file.read(signal)) {
      read.push(new WeakRef(part))
      if (read.length % 100 !== 0) continue
      await new Promise(setImmediate)
      collect()
      const held = read.filter((part) => part.deref() !== undefined).length
      assert.ok(held < 10, `${held} of ${read.length} parts are held`)
    }
  }
  assert.ok(read.length >= 100)
})
