import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { openTestArchive, temporaryFolder } from '../archive/archive.fixture.ts'
import { bombLimits, bombs, costOf, plainBomb, type Bomb } from '../dicom/bombs.fixture.ts'
import { startScp } from './scp.fixture.ts'
import { createStoreScu } from './scu.ts'

/** What is stored or kept apart is acknowledged, what cannot be read is not (PS3.4 §B.2.3). */
const statusOf = { stored: 0, quarantined: 0, refused: 0xc000 } as const
/** Deflated data sets are not taken by C-STORE at all. */
const expected = ({ fate, transferSyntax }: Bomb) =>
  transferSyntax === '1.2.840.10008.1.2.1.99' ? 0x0122 : statusOf[fate]

test('no bomb that comes by C-STORE holds, fills or ends the process (T17)', async (t) => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(path.join(folder.path, 'deep', 'archive'))
  await using scp = await startScp({ archive })
  const send = async ({ sopClass, sopUid, transferSyntax, dataSet }: Bomb) => {
    await using scu = createStoreScu({
      host: '127.0.0.1',
      port: scp.port,
      callingAe: 'STORESCU',
      calledAe: 'CAMI',
    })
    const item = { sopClass, sopUid, transferSyntax, dataSet }
    for await (const { status } of scu.store([item])) return status
    return undefined
  }
  let honest = 0
  assert.equal(await send(plainBomb(`1.2.78.${++honest}`)), 0)
  for (const bomb of bombs()) {
    await t.test(`${bomb.name} is ${bomb.fate}`, async () => {
      const { result, blockMs, grownBytes } = await costOf(() => send(bomb))
      t.diagnostic(`${bomb.name}: ${blockMs.toFixed(0)} ms, ${grownBytes >> 20} MiB`)
      assert.equal(result, expected(bomb))
      assert.ok(blockMs <= bombLimits.blockMs, `${blockMs} ms`)
      assert.ok(grownBytes <= bombLimits.grownBytes, `${grownBytes} bytes`)
      assert.equal(await send(plainBomb(`1.2.78.${++honest}`)), 0)
    })
  }
  assert.deepEqual(readdirSync(folder.path), ['deep'])
  assert.deepEqual(readdirSync(path.join(folder.path, 'deep')), ['archive'])
})
