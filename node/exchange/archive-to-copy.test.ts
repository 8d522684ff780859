import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { randomBytes } from 'node:crypto'
import type { SeriesUid, SopUid } from '#protocol/ids.ts'
import type { Archive, Query } from '../archive/archive.ts'
import { openArchive } from '../archive/level-archive.ts'
import { searchReader } from '../archive/reader-search.ts'
import { correctionProof, dataSet, sendSlice, studyProof } from '../archive/archive.fixture.ts'
import { silentLog } from '../log.ts'
import { digestOf } from './digests.ts'
import {
  collect,
  holderOid,
  patterned,
  startGrantee,
  startHolder,
  studyUid,
  until,
} from './exchange.fixture.ts'

const openHolding = (dir: string): Promise<Archive> =>
  openArchive({
    dir,
    holder: holderOid,
    log: silentLog,
    clock: () => Date.now(),
    random: (bytes) => randomBytes(bytes),
    freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
  })

test('from a real archive to a copy: bytes, lists and metadata are the same at both ends', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-holder-'))
  await using archive = await openHolding(dir)
  const slices = [1, 2, 3, 4, 5].map((number) => ({
    study: studyUid,
    series: `${studyUid}.${number === 5 ? 2 : 1}`,
    sop: `${studyUid}.1.${number}`,
    number,
    pixels: patterned(number === 5 ? 3_000_000 : 300_000, number),
  }))
  for (const slice of slices) await sendSlice(archive, slice)
  const opened = await archive.open(studyProof(studyUid))
  // The archive's own reader, however often the holder opens it.
  await using holder = await startHolder({
    archive: {
      open: () => archive.open(studyProof(studyUid)),
      record: (study) => archive.record(study),
    },
  })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  assert.deepEqual(await reader.series(), await opened.series())
  const bySop = (a: { sop: string }, b: { sop: string }): number => (a.sop < b.sop ? -1 : 1)
  assert.deepEqual((await reader.instances()).sort(bySop), (await opened.instances()).sort(bySop))
  assert.deepEqual(await reader.metadata({}), await opened.metadata({}))
  for (const level of ['series', 'instance'] as const) {
    for (const [match, count] of [
      [{}, level === 'series' ? 2 : 5],
      [{ '00100020': ['42'], '00080061': ['CT'], '00200013': ['5'] }, 1],
      [{ '00080062': ['1.2.840.10008.5.1.4.1.1.2'], '00200013': ['5'] }, 1],
      [{ '00201206': ['2'], '0020000E': [`${studyUid}.2`] }, 1],
      [{ '00100020': ['43'] }, 0],
    ] as const) {
      const query = { level, match: match as Query['match'], limit: 10, offset: 0 }
      const there = await searchReader(opened, query)
      assert.equal(there.matches.length, count, JSON.stringify(match))
      assert.deepEqual(await searchReader(reader, query), there)
    }
  }
  for (const slice of slices) {
    const sop = slice.sop as SopUid
    const sent = digestOf(dataSet(slice))
    assert.equal(digestOf(await collect(reader.read(sop))), sent)
    assert.deepEqual(await reader.chunks(sop), await opened.chunks(sop))
    const { sha256 = '' } = (await opened.instance(sop)) ?? {}
    const names = await readdir(path.join(grantee.dir, 'copies', sha256.slice(0, 2)))
    assert.ok(names.includes(sha256))
  }
  await until('all is here', () => grantee.remote.progress(studyUid)?.state === 'complete')
  assert.deepEqual(await readdir(path.join(grantee.dir, 'transfers')), [])
  await opened[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

test('what the holder rejected is in no manifest and is not served, also to who read before', async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-holder-'))
  await using archive = await openHolding(dir)
  const sops = [1, 2].map((number) => `${studyUid}.1.${number}` as SopUid)
  const series = `${studyUid}.1`
  for (const sop of sops) {
    await sendSlice(archive, { study: studyUid, series, sop, pixels: patterned(300_000, 1) })
  }
  await using holder = await startHolder({
    archive: {
      open: () => archive.open(studyProof(studyUid)),
      record: (study) => archive.record(study),
    },
  })
  await using before = await startGrantee(holder)
  await using early = await before.open()
  const [rejected] = sops
  assert.ok(rejected !== undefined && (await early.instances()).length === 2)
  const proof = { ...correctionProof('rejection'), organization: holderOid }
  const target = { level: 'instance', study: studyUid, series: series as SeriesUid, sop: rejected }
  await archive.overlay(proof, { kind: 'reject', target: target as never, code: '113037' })
  await using after = await startGrantee(holder)
  await using late = await after.open()
  assert.deepEqual(
    (await late.instances()).map(({ sop }) => sop),
    sops.slice(1),
  )
  assert.equal((await late.metadata({})).length, 1)
  await using reader = await archive.open(studyProof(studyUid))
  assert.throws(() => reader.read(rejected), { code: 'not_found' })
  await rm(dir, { recursive: true, force: true })
})
