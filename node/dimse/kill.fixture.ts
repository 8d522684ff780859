import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { StudyUid } from '#protocol/ids.ts'
import type { Archive } from '../archive/archive.ts'
import {
  dataSet,
  declare,
  noise,
  openTestArchive,
  readAll,
  studyProof,
  temporaryFolder,
} from '../archive/archive.fixture.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { sha256 } from './scp.fixture.ts'
import { createStoreScu, type StoreItem } from './scu.ts'

const child = path.join(import.meta.dirname, 'provider-child.fixture.ts')
const filesPerRound = 60

export type KillFigures = {
  acknowledged: number
  byDcmtk: number
  inFlight: number
  slowestMs: number
}

/**
 * Kills a receiving process in the middle of C-STOREs, again and again: dcmtk and two senders of our own at once.
 * Whatever was answered 0000 must be there with the digest of what was sent; whatever else is there must be whole.
 */
export async function killRepeatedly(kills: number, random: () => number): Promise<KillFigures> {
  await using folder = await temporaryFolder()
  const dir = path.join(folder.path, 'archive')
  const traffic = createTraffic(path.join(folder.path, 'files'))
  let slowestMs = 0
  for (let kill = 0; kill < kills; kill++) {
    await runAndKill(dir, traffic, 11 + Math.floor(random() * 20))
    const begin = performance.now()
    await using archive = await openTestArchive(dir, { segmentBytes: 8_000_000, clock: Date.now })
    slowestMs = Math.max(slowestMs, performance.now() - begin)
    await check(archive, traffic, kill === kills - 1 ? traffic.studies : [traffic.study()])
  }
  assert.ok(slowestMs < 5000, 'the archive opens within five seconds')
  const { acknowledged, sent } = traffic
  const byDcmtk = [...acknowledged].filter((sop) => sop.startsWith('1.9.3.')).length
  return {
    acknowledged: acknowledged.size,
    byDcmtk,
    inFlight: sent.size - acknowledged.size,
    slowestMs: Math.round(slowestMs),
  }
}

type Traffic = ReturnType<typeof createTraffic>

/** What is sent and what was acknowledged, over all rounds. */
function createTraffic(dir: string) {
  const sent = new Map<string, { study: string; digest: string }>()
  const studies: string[] = []
  let files = new Map<string, string>()
  const acknowledged = new Set<string>()
  let next = 0

  const make = (sender: number): StoreItem => {
    const number = next++
    const sopUid = `1.9.${sender}.${number}`
    // Most are gathered in memory by the archive, some are streamed to a segment of their own.
    const study = studies.at(-1) ?? ''
    const pixels = noise(number % 30 === 7 ? 5_000_000 : 2000 + (number % 40) * 1501, number)
    const bytes = dataSet({ study, series: `${study}.1`, sop: sopUid, pixels })
    sent.set(sopUid, { study, digest: sha256(bytes) })
    return { ...declare(sopUid), sopUid, dataSet: bytes }
  }
  return {
    sent,
    acknowledged,
    make,
    studies,
    study: () => studies.at(-1) ?? '',
    /** Begins another study, and writes files for dcmtk. */
    async begin(): Promise<string[]> {
      studies.push(`1.8.${next++}`)
      await mkdir(dir, { recursive: true })
      const names = Array.from({ length: filesPerRound }, async (_, index) => {
        const item = make(3)
        const name = path.join(dir, `${index}.dcm`)
        await writeFile(name, Buffer.concat([createPart10Header(item), item.dataSet]))
        return [name, item.sopUid] as const
      })
      files = new Map(await Promise.all(names))
      return [...files.keys()]
    },
    fileOf: (name: string) => files.get(name),
  }
}
/** After so many answers, however long a machine takes for them. */
async function runAndKill(dir: string, traffic: Traffic, answers: number): Promise<void> {
  const names = await traffic.begin()
  const provider = spawn(process.execPath, [child, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(provider, 'close')
  const [line] = (await once(provider.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  const senders = [1, 2].map(async (sender) => sendOwn(port, sender, traffic))
  const dcmtk = sendDcmtk(port, names, traffic)
  const enough = traffic.acknowledged.size + answers
  for (let wait = 0; wait < 6000 && traffic.acknowledged.size < enough; wait++) await pause(5)
  provider.kill('SIGKILL')
  await closed
  await Promise.all([...senders, dcmtk])
}

async function sendOwn(port: number, sender: number, traffic: Traffic): Promise<void> {
  const items = (function* () {
    for (;;) yield traffic.make(sender)
  })()
  const options = { host: '127.0.0.1', port, callingAe: 'STORESCU', calledAe: 'CAMI' }
  await using scu = createStoreScu(options)
  try {
    for await (const { status, sopUid } of scu.store(items)) {
      assert.equal(status, 0)
      traffic.acknowledged.add(sopUid)
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
  }
}

/** dcmtk tells of each file and of each answer; an answer belongs to the file before it. */
async function sendDcmtk(port: number, names: string[], traffic: Traffic): Promise<void> {
  const target = ['-aet', 'STORESCU', '-aec', 'CAMI', '127.0.0.1', String(port)]
  const scu: ChildProcess = spawn('storescu', ['-v', ...target, ...names], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TCP_NODELAY: '1' },
  })
  let output = ''
  for (const stream of [scu.stdout, scu.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  await once(scu, 'close')
  let current: string | undefined
  for (const line of output.split('\n')) {
    current = /Sending file: (.*)$/.exec(line)?.[1] ?? current
    const sop = current === undefined ? undefined : traffic.fileOf(current)
    if (line.includes('Received Store Response (Success)') && sop !== undefined) {
      traffic.acknowledged.add(sop)
    }
  }
}

/** Compares what is there of some studies with what was sent. */
async function check(
  archive: Archive,
  traffic: Traffic,
  studies: readonly string[],
): Promise<void> {
  const found = new Set<string>()
  for (const study of studies) {
    if ((await archive.facts(study as StudyUid)) === undefined) continue
    await using reader = await archive.open(studyProof(study))
    for (const { sop } of await reader.instances()) {
      const read = sha256(await readAll(reader.read(sop)))
      assert.equal(read, traffic.sent.get(sop)?.digest, `${sop} is not what was sent`)
      found.add(sop)
    }
  }
  const lost = [...traffic.acknowledged].filter((sop) => {
    const study = traffic.sent.get(sop)?.study ?? ''
    return studies.includes(study) && !found.has(sop)
  })
  assert.deepEqual(lost, [])
}
