import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { createWalker } from '../../node/dicom/walker.ts'
import { readPart10File } from '../../node/dicom/part10.ts'
import { signIn } from '../client.ts'
import { corpusDir, corpusMissing } from '../corpus.ts'
import { sendFolder, type FolderResult } from '../folder.ts'
import { testRegion, type TestRegion } from './region.fixture.ts'
import { retrieve, sha256 } from './scenario.ts'

/** Every file of the corpus over real C-STORE: each is judged, none hurts the node, what was accepted comes back. */

let world: TestRegion

before(
  async () => {
    if (corpusMissing === false) world = await testRegion(7)
  },
  { timeout: 240_000 },
)

after(() => world?.[Symbol.asyncDispose]())

test(
  'each file is accepted, quarantined or refused with a reason, and what was accepted is served byte for byte',
  { skip: corpusMissing, timeout: 240_000 },
  async (t) => {
    const node = world.region.node('okb')
    const results: FolderResult[] = []
    for await (const result of sendFolder({ node, folder: corpusDir })) results.push(result)
    const counts = Object.groupBy(results, ({ outcome }) => outcome)
    assert.ok(results.length >= 440, `${results.length} files were judged`)
    for (const { outcome, file, reason } of results) {
      assert.ok(outcome === 'accepted' || reason !== '', `${file} has no reason`)
    }
    const client = await signIn(node.url, world.region.account('okb', 'radiologist'))
    for (const { file } of counts.accepted ?? []) {
      const item = readPart10File(await readFile(path.join(corpusDir, file)))
      const walker = createWalker(item.transferSyntax)
      walker.write(item.dataSet)
      const dataSet = await retrieve(client, walker.end().attributes)
      assert.equal(sha256(dataSet), sha256(item.dataSet), file)
    }
    const status = await readFile(`/proc/${node.pid}/status`, 'utf8')
    const peakKiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1])
    const table = Object.entries(counts).map(([outcome, all]) => `${all.length} ${outcome}`)
    t.diagnostic(`${table.join(', ')}; peak memory of the node ${Math.round(peakKiB / 1024)} MiB`)
    assert.ok(peakKiB < 1024 * 1024, 'memory is bounded')
    assert.equal((await fetch(`${node.url}/health`)).status, 200)
  },
)
