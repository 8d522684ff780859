import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import {
  correctionProof,
  fetch,
  openTestArchive,
  searchProof,
  temporaryFolder,
} from './archive.fixture.ts'
import type { Archive } from './archive.ts'
import { textOf } from './attribute-levels.ts'
import { createRandom } from './simulated-disk.fixture.ts'
import { digestOf } from './payload.ts'

const child = join(import.meta.dirname, 'intake-child.fixture.ts')

/** What is checked again after each kill, beside what came before it. All of it is checked at the end. */
const rechecked = 100
/** Lists, entries and overlays are compared whole after so many kills. */
const wholeEvery = 100

/** Kills a process that stores, again and again; checks after each kill that what it acknowledged is there. */
export async function killRepeatedly(
  kills: number,
  seed: number,
): Promise<{ acknowledged: number }> {
  const random = createRandom(seed)
  await using folder = await temporaryFolder()
  const acknowledged = new Map<string, string>()
  const entries = new Set<string>()
  const overlays = new Set<number>()
  for (let kill = 0; kill < kills; kill++) {
    const text = await runAndKill(folder.path, kill * 100_000, 20 + random() * 170, random() * 20)
    const before = [...acknowledged.entries()]
    const sample = Array.from<unknown, [string, string]>(
      { length: Math.min(rechecked, before.length) },
      () => before[Math.floor(random() * before.length)] ?? ['', ''],
    )
    const recent = new Map<string, string>(sample)
    for (const line of text.split('\n').slice(0, -1)) {
      const [sop = '', sha256 = ''] = line.split(' ')
      if (sop === 'entry') entries.add(line)
      else if (sop === 'overlay') overlays.add(Number(sha256))
      else {
        acknowledged.set(sop, sha256)
        recent.set(sop, sha256)
      }
    }
    const opening = process.cpuUsage()
    await using archive = await openTestArchive(folder.path, { segmentBytes: 3_000_000 })
    // As work done: a machine that does other things as well makes it longer and no worse.
    const { user, system } = process.cpuUsage(opening)
    assert.ok(user + system < 5e6, 'the archive opens within five seconds')
    await checkBytes(archive, recent)
    if (kill % wholeEvery !== wholeEvery - 1 && kill < kills - 1) continue
    await check(archive, acknowledged, entries)
    await checkOverlays(archive, overlays)
  }
  return { acknowledged: acknowledged.size }
}

/** Kills after so many acknowledgements, not after a time: so that a slow machine proves as much as a fast one. */
async function runAndKill(
  dir: string,
  first: number,
  afterLines: number,
  thenMs: number,
): Promise<string> {
  const process_ = spawn(process.execPath, [child, dir, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  process_.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  const closed = once(process_, 'close')
  while (text.split('\n').length <= afterLines) {
    await Promise.race([once(process_.stdout, 'data'), closed])
    assert.equal(process_.exitCode, null, 'the child ended by itself')
  }
  await pause(thenMs)
  process_.kill('SIGKILL')
  await closed
  return text
}

async function checkOverlays(archive: Archive, acknowledged: ReadonlySet<number>): Promise<void> {
  const found = new Set<number>()
  const filter = { limit: 100_000, offset: 0 }
  const overlays = await archive.overlays(correctionProof('history'), filter)
  const shown = new Map<string, string>()
  for (const overlay of overlays) {
    found.add(overlay.seq)
    if (overlay.kind !== 'correct' || overlay.target.level !== 'study') continue
    const { study } = overlay.target
    if (!shown.has(study)) shown.set(study, overlay.content.attributes[0]?.new[0] ?? '')
  }
  for (const seq of acknowledged) assert.ok(found.has(seq), `overlay ${seq} is not there`)
  for (const [study, name] of shown) {
    assert.equal((await archive.record(study as StudyUid))?.patient.name, name)
  }
}

/** Looked up one by one: what it costs does not grow with what is there. */
async function checkBytes(
  archive: Archive,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [sop, sha256] of acknowledged) {
    const found = await archive.verify(sop as SopUid)
    assert.ok(found !== undefined, `${sop} was acknowledged and is not there`)
    assert.equal(digestOf(await fetch(archive, found.study, sop)), sha256)
  }
}

async function check(
  archive: Archive,
  acknowledged: ReadonlyMap<string, string>,
  entries: ReadonlySet<string>,
): Promise<void> {
  const found = new Map<string, string>()
  for (let offset = 0, more = true; more; offset += 1000) {
    const query = { level: 'instance', match: {}, limit: 1000, offset } as const
    const page = await archive.search(searchProof, query)
    for (const match of page.matches) {
      found.set(textOf(match, '00080018'), textOf(match, '0020000D'))
    }
    more = page.more
  }
  assert.equal((await archive.counts()).instances, found.size)
  for (const [sop, sha256] of acknowledged) {
    const study = found.get(sop)
    assert.ok(study !== undefined, `${sop} was acknowledged and is not there`)
    assert.equal(digestOf(await fetch(archive, study, sop)), sha256)
  }
  const left = new Set<string>()
  for await (const entry of archive.replay('index-entry')) left.add(Buffer.from(entry).toString())
  for (const entry of entries) assert.ok(left.has(entry), `${entry} was appended and is not there`)
}
