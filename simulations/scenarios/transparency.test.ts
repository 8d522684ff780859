import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { Kid } from '#protocol/ids.ts'
import { cosignedAt } from '#protocol/transparency/checkpoint.ts'
import { parseVerifierKey } from '#protocol/transparency/note.ts'
import { thumbprint } from '#protocol/keys.ts'
import { judgeLog, readFromUrl } from '../../certs/log.ts'
import { readEitherKeyFile } from '../../certs/key-file.ts'
import { eventually, signIn } from '../client.ts'
import { freePorts } from '../layout.ts'
import { createRegion } from '../region.ts'

type Seen = {
  transparency?: { size: number; witnessing: string; isWitness: boolean; alarms: number }
}

test('a region’s log is witnessed by its nodes, and its files alone prove who may do what', async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-region-'))
  const ports = await freePorts(3)
  const options = {
    seed: 9,
    mode: 'in-process',
    dataDir,
    ports,
    members: 3,
    samples: false,
  } as const
  await using _ = { [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }) }
  const authority: Kid = await (async () => {
    await using region = await createRegion(options)
    const node = region.node('crb1')
    const client = await signIn(node.url, region.account('crb1', 'radiologist'))
    const found = await thumbprint(await readEitherKeyFile(path.join(dataDir, 'root-key.jwk')))
    const read = readFromUrl(`http://127.0.0.1:${ports.registry.http}/log`)
    const judged = await eventually('every node has signed', async () => {
      const log = await judgeLog(read, found)
      const witnesses = (log.state.trust?.claims.log?.witnesses ?? []).map(parseVerifierKey)
      const signed = witnesses.filter((key) => cosignedAt(log.note, key) !== undefined)
      return signed.length === 3 ? log : undefined
    })
    assert.equal(Object.keys(judged.state.credentials).length, 3)
    assert.equal(Object.keys(judged.state.grants).length, 1)
    const seen = await client.json<Seen>('/api/region')
    const { transparency } = seen
    assert.deepEqual(
      [transparency?.witnessing, transparency?.isWitness, transparency?.alarms],
      ['fresh', true, 0],
    )
    assert.ok((transparency?.size ?? 0) >= judged.checkpoint.size)
    return found
  })()
  // After a restart of everything the log goes on where it was.
  await using region = await createRegion(options)
  const client = await signIn(region.node('okb').url, region.account('okb', 'radiologist'))
  await eventually('the log is followed again', async () => {
    const { transparency } = await client.json<Seen>('/api/region')
    return transparency?.witnessing === 'fresh' && transparency.alarms === 0 ? true : undefined
  })
  const again = await judgeLog(
    readFromUrl(`http://127.0.0.1:${ports.registry.http}/log`),
    authority,
  )
  assert.equal(Object.keys(again.state.grants).length, 1)
})
