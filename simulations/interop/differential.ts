import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { orthancMissing, orthancName, startOrthanc } from '../bench/orthanc.ts'
import { prepareNode, startNode } from '../bench/own-node.ts'
import { environment } from '../bench/peer-process.ts'
import { createRandom } from '../random.ts'
import { causeOf, causes } from './differential-causes.ts'
import { createQueries, uidTags, type Asked } from './differential-queries.ts'
import { createSet, instancesOf, type SetStudy } from './differential-set.ts'

/**
 * Gives the same studies to the product and to Orthanc, asks both the same, and lists every difference with its cause.
 *
 *     npm run differential [-- STUDIES QUERIES]
 */

type Side = {
  dimse: { host: string; port: number; aeTitle: string }
  root: string
  headers: Record<string, string>
  /** An answer has a limit, and the rest is asked for. */
  paged: boolean
}

const run = promisify(execFile)
const senders = 4
const pageRows = 1000

async function load(side: Side, set: readonly SetStudy[]): Promise<number> {
  const { host, port, aeTitle } = side.dimse
  const waiting = [...set]
  let stored = 0
  const sender = async (): Promise<void> => {
    await using scu = createStoreScu({ host, port, callingAe: 'STORESCU', calledAe: aeTitle })
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      for await (const { status } of scu.store(instancesOf(one))) {
        if (status !== 0) throw new Error(`an instance was refused: ${status}`)
        stored++
      }
    }
  }
  await Promise.all(Array.from({ length: senders }, sender))
  return stored
}

const ask = async (side: Side, asked: Asked): Promise<string[] | string> => {
  try {
    const found = await (asked.service === 'C-FIND' ? find(side, asked) : qido(side, asked))
    return [...new Set(found)].toSorted()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** dcmtk's findscu: a program of neither side. */
async function find({ dimse }: Side, { level, keys }: Asked): Promise<string[]> {
  const uidTag = uidTags[level]
  const wanted = { '00080005': 'ISO_IR 192', '00080052': level, [uidTag]: '', ...keys }
  const args = Object.entries(wanted).flatMap(([tag, value]) => [
    '-k',
    `${tag.slice(0, 4)},${tag.slice(4)}=${value}`,
  ])
  const { host, port, aeTitle } = dimse
  const root = level === 'PATIENT' ? '-P' : '-S'
  const { stdout, stderr } = await run(
    'findscu',
    ['-v', root, '-aet', 'FINDSCU', '-aec', aeTitle, ...args, host, String(port)],
    { env: environment, maxBuffer: 64 * 1024 * 1024, timeout: 60_000 },
  )
  const output = stdout + stderr
  if (!/Received Final Find Response \(Success\)/.test(output)) {
    throw new Error(/Final Find Response \((.*?)\)/.exec(output)?.[1] ?? 'no final response')
  }
  // The request is printed first.
  const responses = output.slice(output.search(/Find Response: 1 |Find Response 1\b/))
  const name = `(${uidTag.slice(0, 4)},${uidTag.slice(4)})`.toLowerCase()
  const values = responses.matchAll(/(\([0-9a-f]{4},[0-9a-f]{4}\)) [A-Z]{2} \[([^\]]*)\]/g)
  return [...values]
    .filter(([, tag]) => tag === name)
    .map(([, , value = '']) => value.replaceAll('\0', '').trim())
}

const pathOf = ({ level, keys }: Asked): string => {
  if (level === 'STUDY') return '/studies'
  const study = `/studies/${keys['0020000D']}`
  return level === 'SERIES' ? `${study}/series` : `${study}/series/${keys['0020000E']}/instances`
}

async function qido({ root, headers, paged }: Side, asked: Asked): Promise<string[]> {
  const query = new URLSearchParams()
  const inPath =
    asked.level === 'STUDY' ? [] : ['0020000D', ...(asked.level === 'IMAGE' ? ['0020000E'] : [])]
  for (const [tag, value] of Object.entries(asked.keys)) {
    // Lists are written with commas here (PS3.18 §8.3.4.1).
    if (!inPath.includes(tag)) query.set(tag, value.replaceAll('\\', ','))
  }
  const found: string[] = []
  for (;;) {
    if (paged) {
      query.set('limit', String(pageRows))
      query.set('offset', String(found.length))
    }
    const response = await fetch(
      `${root}${pathOf(asked)}?${query.toString().replaceAll('+', '%20')}`,
      {
        headers: { accept: 'application/dicom+json', ...headers },
      },
    )
    const text = await response.text()
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    const rows = text === '' ? [] : (JSON.parse(text) as Record<string, { Value?: string[] }>[])
    found.push(...rows.map((row) => row[uidTags[asked.level]]?.Value?.[0] ?? ''))
    if (!paged || rows.length < pageRows) return found
  }
}

type Difference = { asked: Asked; ours: string[] | string; theirs: string[] | string }

const sizeOf = (answer: string[] | string): string =>
  typeof answer === 'string' ? answer : String(answer.length)

function print(
  differences: readonly Difference[],
  asked: readonly Asked[],
  set: readonly SetStudy[],
): number {
  const byCause = Map.groupBy(differences, ({ asked, ours, theirs }) =>
    causeOf(asked, ours, theirs, set),
  )
  for (const [cause, list] of byCause) {
    const about = cause === undefined ? undefined : causes[cause]
    console.log(`\n${cause ?? 'unexplained'}: ${list.length}`)
    if (about !== undefined) console.log(`  right: ${about.right}. ${about.why}`)
    for (const { asked, ours, theirs } of list) {
      const keys = Object.entries(asked.keys).map(([tag, value]) => `${tag}=${value}`)
      console.log(
        `  ${asked.service} ${asked.level} ${asked.kind} [${keys.join(' ')}]: ours ${sizeOf(ours)}, theirs ${sizeOf(theirs)}`,
      )
    }
  }
  const unexplained = byCause.get(undefined)?.length ?? 0
  const same = asked.length - differences.length
  console.log(
    `\n${asked.length} queries: ${same} alike, ${differences.length} differ, ${unexplained} of them unexplained`,
  )
  return unexplained
}

async function main(): Promise<void> {
  const missing = orthancMissing()
  if (missing !== undefined) throw new Error(missing)
  const [studies = 1000, queries = 200] = process.argv.slice(2).map(Number)
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'cami-differential-'))
  try {
    await using own = await startNode(await prepareNode(path.join(scratch, 'own')))
    await using orthanc = await startOrthanc(path.join(scratch, 'orthanc'))
    const ours: Side = {
      dimse: own.dimse,
      root: `${own.url}/dicom-web`,
      headers: { authorization: `Bearer ${own.token}` },
      paged: true,
    }
    const theirs: Side = {
      dimse: orthanc.dimse,
      root: `${orthanc.url}/dicom-web`,
      headers: {},
      paged: false,
    }
    const set = createSet(studies, 856)
    const stored = [await load(ours, set), await load(theirs, set)]
    console.log(`${studies} studies, ${stored[0]} instances here, ${stored[1]} at ${orthancName()}`)
    const asked = createQueries(set, queries, createRandom(857))
    const differences: Difference[] = []
    for (const one of asked) {
      const [mine, other] = [await ask(ours, one), await ask(theirs, one)]
      if (String(mine) !== String(other))
        differences.push({ asked: one, ours: mine, theirs: other })
    }
    process.exitCode = print(differences, asked, set) === 0 ? 0 : 1
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

await main()
