import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillRepeatedly } from './full-disk.fixture.ts'
import { killRepeatedly } from './kill.fixture.ts'
import { injectFaults, lostByPowerCut } from './power.fixture.ts'
import { loseRepeatedly, rotRepeatedly } from './rot.fixture.ts'

/**
 * The archive's fault tests at full volume (T1 … T6). `CAMI_VOLUME` is the fraction of it that is run, `CAMI_SEED` where
 * the states begin: so a run can be cut into pieces.
 */
const volume = Number(process.env['CAMI_VOLUME'] ?? 1)
const seed = Number(process.env['CAMI_SEED'] ?? 1)
const part = (full: number): number => Math.max(1, Math.round(full * volume))

test('T1: a thousand kills lose nothing that was acknowledged', async (t) => {
  const kills = part(1000)
  const { acknowledged } = await killRepeatedly(kills, seed)
  t.diagnostic(`seed ${seed}: ${kills} kills, ${acknowledged} acknowledged, 0 lost`)
})

test('T2: five thousand power cuts lose nothing that was acknowledged', async (t) => {
  const states = part(5000)
  for (let i = 0; i < states; i++) {
    assert.deepEqual(await lostByPowerCut(seed + i, false), [], `seed ${seed + i}`)
  }
  let lost = 0
  const mutants = part(100)
  for (let i = 0; i < mutants; i++) lost += (await lostByPowerCut(seed + i, true)).length
  t.diagnostic(`seed ${seed}: ${states} states, 0 lost; ${mutants} without syncs, ${lost} lost`)
  assert.ok(lost > 0)
})

test('T3: two hundred points at which a real file system is full', async (t) => {
  const figures = await fillRepeatedly(part(200), seed)
  if (figures === undefined) return t.skip('this process may not mount a file system')
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.deepEqual([figures.lost, figures.unreadWhileFull], [0, 0])
})

test('T4: five thousand flipped bits', async (t) => {
  const figures = await rotRepeatedly(part(5000), seed)
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.deepEqual([figures.wrong, figures.unrepaired], [0, 0])
  // Of LevelDB's files some parts count for nothing; of the log none does.
  assert.deepEqual(
    Object.keys(figures.unused).filter((part) => part.startsWith('.seg')),
    [],
  )
})

test('T5: every kind of file deleted and cut, twenty times', async (t) => {
  const figures = await loseRepeatedly(part(20), seed)
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.equal(figures.lost, 0)
})

test('T6: two thousand failures of the disk', async (t) => {
  const figures = await injectFaults(part(2000), seed)
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.deepEqual([figures.lost, figures.lies], [0, 0])
})
