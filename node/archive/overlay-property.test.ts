import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { codeOf } from '#protocol/errors.ts'
import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import type { Archive } from './archive.ts'
import {
  correctionProof,
  openTestArchive,
  searchProof,
  sendSlice,
  stranger,
  temporaryFolder,
} from './archive.fixture.ts'
import { createRowBuilder } from './catalog-apply.ts'
import type { Change } from './catalog-rows.ts'
import { openDisk } from './disk.ts'
import { changeOf } from './filing.ts'
import { actOf } from './overlay.ts'
import type { OverlayRequest, OverlayTarget } from './overlay.ts'
import { openValueLog } from './value-log.ts'

type Step =
  | { do: 'send'; study: number; sop: number; patient: number; unknown: boolean; pixels: number }
  | { do: 'overlay'; request: OverlayRequest }
  | { do: 'release'; as: 'received' | 'same-patient' | 'other-patient'; nth: number }
  | { do: 'revert'; nth: number }

const small = fc.nat({ max: 2 })
const studyUid = (n: number) => `1.2.${n}` as StudyUid
const seriesUid = (n: number, s: number) => `1.2.${n}.${s % 2}` as SeriesUid
const sopUid = (n: number, s: number) => `1.2.${n}.${s % 2}.${s}` as SopUid

const target: fc.Arbitrary<Exclude<OverlayTarget, { level: 'patient' }>> = fc
  .tuple(fc.constantFrom('study', 'series', 'instance'), small, small)
  .map(([level, n, s]) => {
    const study = studyUid(n)
    if (level === 'study') return { level: 'study', study }
    const series = seriesUid(n, s)
    return level === 'series'
      ? { level: 'series', study, series }
      : { level: 'instance', study, series, sop: sopUid(n, s) }
  })
const patient = small.map((n) => ({ level: 'patient', id: `P${n}`, issuer: '' }) as const)
const tags = { study: '00081030', series: '0008103E', instance: '00200013', patient: '00100010' }

const request: fc.Arbitrary<OverlayRequest> = fc.oneof(
  fc.tuple(fc.oneof(target, patient), small).map(([target, n]) => ({
    kind: 'correct' as const,
    target,
    attributes: [{ tag: tags[target.level], new: [String(n)] }],
  })),
  fc.tuple(target, fc.constantFrom('113001', '113038')).map(([target, code]) => ({
    kind: 'reject' as const,
    target,
    code: code as '113001',
  })),
  fc.tuple(patient, small).map(([target, n]) => ({
    kind: 'merge' as const,
    target,
    survivor: { id: `P${n}`, issuer: '', name: '', birthDate: '', sex: '' as const },
  })),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      study: small,
      sop: small,
      patient: small,
      unknown: fc.boolean(),
      pixels: fc.nat({ max: 1 }),
    }),
  },
  { weight: 4, arbitrary: request.map((request) => ({ do: 'overlay' as const, request })) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      as: fc.constantFrom('received' as const, 'same-patient' as const, 'other-patient' as const),
      nth: small,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('revert' as const), nth: fc.nat(5) }) },
)

/** Requests that make no sense as things stand are refused; that too must leave the same view. */
const refusals = new Set(['bad_request', 'not_found', 'conflict'])

async function play(archive: Archive, steps: readonly Step[]): Promise<number> {
  const made: number[] = []
  let refused = 0
  for (const step of steps) {
    try {
      await playOne(archive, step, made)
    } catch (error) {
      assert.ok(refusals.has(codeOf(error)), String(error))
      refused++
    }
  }
  return refused
}

async function playOne(archive: Archive, step: Step, made: number[]): Promise<void> {
  if (step.do === 'send') {
    const { study, sop, patient, pixels } = step
    const slice = {
      study: studyUid(study),
      series: seriesUid(study, sop),
      sop: sopUid(study, sop),
      patientId: patient === 0 && sop === 0 ? '000' : `P${patient}`,
      name: `Имя${patient}`,
      pixels: new Uint8Array(8).fill(pixels),
    }
    await sendSlice(archive, slice, step.unknown ? stranger : undefined)
    return
  }
  const request = await requestOf(archive, step, made)
  if (request === undefined) return
  const reverted =
    request.kind === 'revert'
      ? (await archive.overlays(correctionProof('history'), { limit: 1000, offset: 0 })).find(
          ({ seq }) => seq === request.reverts,
        )
      : undefined
  const overlays = await archive.overlay(correctionProof(actOf(request, reverted)), request)
  made.push(...overlays.map(({ seq }) => seq))
}

async function requestOf(
  archive: Archive,
  step: Exclude<Step, { do: 'send' }>,
  made: readonly number[],
): Promise<OverlayRequest | undefined> {
  if (step.do === 'overlay') return step.request
  if (step.do === 'revert') {
    const reverts = made[step.nth % Math.max(made.length, 1)]
    return reverts === undefined ? undefined : { kind: 'revert', reverts }
  }
  const open = await archive.quarantine(searchProof)
  const entry = open[step.nth % Math.max(open.length, 1)]
  return entry && { kind: 'release', entries: [entry.id], as: step.as }
}

/** Everything that anybody can see. */
async function viewOf(archive: Archive): Promise<unknown> {
  const query = { match: {}, limit: 1000, offset: 0 } as const
  const lists = []
  for (const level of ['study', 'series', 'instance'] as const) {
    lists.push((await archive.search(searchProof, { ...query, level })).matches)
  }
  const found = []
  for (const id of ['P0', 'P1', 'P2', '000']) {
    const match = { '00100020': [id] }
    const { matches } = await archive.search(searchProof, { ...query, level: 'study', match })
    found.push(matches.map((row) => row['0020000D']))
  }
  const changes = await archive.changes(0, 1000)
  const records = []
  for (const { study } of changes) records.push(await archive.record(study))
  const quarantine = await archive.quarantine(searchProof)
  const overlays = await archive.overlays(correctionProof('history'), { limit: 1000, offset: 0 })
  return { lists, found, changes, records, quarantine, overlays, counts: await archive.counts() }
}

/** All changes that the log of an archive tells, and the rows that they make in that order. */
async function rowsOf(changes: readonly Change[], batches: number): Promise<string[]> {
  const rows = new Map<string, Buffer>()
  const builder = createRowBuilder(
    {
      get: (key) => rows.get(key),
      async *keys({ gte, lt }) {
        for (const key of [...rows.keys()].sort()) if (key >= gte && key < lt) yield key
      },
    },
    '42.1',
  )
  for (let at = 0; at < changes.length; at += batches) {
    for (const [key, row] of await builder.build(changes.slice(at, at + batches))) {
      if (row === undefined) rows.delete(key)
      else rows.set(key, row)
    }
  }
  return [...rows].map(([key, row]) => `${key} ${row.toString('utf8')}`).sort()
}

async function changesIn(dir: string): Promise<Change[]> {
  const disk = await openDisk(join(dir, 'log'))
  await using valueLog = openValueLog({
    disk,
    log: silentLog,
    clock: Date.now,
    random: (bytes) => new Uint8Array(bytes),
    freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
    segmentBytes: 1_000_000,
  })
  const changes: Change[] = []
  for await (const record of valueLog.replay(new Map())) {
    const change = changeOf(record)
    if (change !== 'orphan') changes.push(change)
  }
  return changes
}

test('the order in which changes are taken in makes no difference', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      async (steps, order) => {
        await using folder = await temporaryFolder()
        {
          await using archive = await openTestArchive(folder.path)
          await play(archive, steps)
        }
        const changes = await changesIn(folder.path)
        const shuffled = changes
          .map((change) => ({ change, at: order.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ change }) => change)
        const expected = new Set(await rowsOf(changes, 1000))
        const found = await rowsOf(shuffled, 3)
        assert.deepEqual(
          found.filter((row) => !expected.has(row)),
          [],
        )
        assert.equal(found.length, expected.size)
      },
    ),
    { numRuns: 12, seed: 11 },
  )
})

test('whatever was corrected and reverted, a catalog made again from the log shows the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), async (steps) => {
      await using folder = await temporaryFolder()
      let before: unknown
      {
        await using archive = await openTestArchive(folder.path)
        await play(archive, steps)
        before = await viewOf(archive)
      }
      await rm(join(folder.path, 'catalog'), { recursive: true })
      await using again = await openTestArchive(folder.path)
      assert.deepEqual(await viewOf(again), before)
    }),
    { numRuns: 15, seed: 7 },
  )
})
