import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { createRandom } from '../random.ts'
import { fillArchive } from './archive-load.ts'
import type { Bench, BenchRun } from './bench-run.ts'
import { openFindClient, type FindClient } from './find-client.ts'
import { median } from './line.ts'
import { orthancMissing, orthancName, startOrthanc, type Orthanc } from './orthanc.ts'
import { prepareNode, startNode, type OwnNode, type Prepared } from './own-node.ts'
import { qido } from './qido-client.ts'
import { pickStudy, queryKinds, titleOf, type Wanted } from './queries.ts'
import { createStudySet, type StudySet } from './study-set.ts'
import { usageOf } from './usage.ts'

/** The same studies in the product and in Orthanc, and the same searches of both in turn; and how ours grow with the studies. */
export const query: Bench = async (run) => {
  const sizes = run.quick ? [100, 300] : [1000, 5000, 20_000]
  const set = createStudySet(sizes.at(-1) ?? 0)
  const own = await prepareNode(await folder(run, 'ours'))
  const missing = orthancMissing()
  await using orthanc =
    missing === undefined ? await startOrthanc(path.join(run.dir, 'orthanc')) : undefined
  const loaded = orthanc === undefined ? undefined : await loadOrthanc(run, orthanc, set)
  const size = loaded ?? set.studies.length
  let filled = 0
  for (const count of [...sizes.filter((one) => one < size), size]) {
    await fill(own, set, filled, count)
    filled = count
    run.note(`ours holds ${count} studies`)
    await using node = await startNode(own)
    await settle(run, node)
    if (count < size) await measureGrowth(run, node, { set, count })
    else await measureBeside(run, { node, orthanc, missing, set, count })
  }
  const instances = await fillStudies(run, own, set, filled)
  run.note(`ours holds ${filled} studies of ${instances} instances`)
  await using node = await startNode(own)
  await settle(run, node)
  await measureGrowth(run, node, { set, count: filled, of: ` of ${instances} instances` })
}

type Side = {
  find: (wanted: Wanted) => Promise<string[]>
  qido: (wanted: Wanted) => Promise<string[]>
}

const repetitions = 15
/** A node and its peer run for months: what the first questions of a kind cost, while code is compiled, is not asked here. */
const warmUp = 60

async function folder(run: BenchRun, name: string): Promise<string> {
  const dir = path.join(run.dir, name)
  await mkdir(dir, { recursive: true })
  return dir
}

async function fill(own: Prepared, set: StudySet, from: number, to: number): Promise<void> {
  const { dataDir, organization } = own.config
  function* items() {
    for (const study of set.studies.slice(from, to)) yield* set.instances(study, 0, 1)
  }
  await fillArchive({ dataDir, holder: organization.oid }, items())
}

const perStudy = 50
const fillSeconds = 480

/** The rest of each study, which Orthanc takes too long for; as many as there is time for. Gives how many there are. */
async function fillStudies(
  run: BenchRun,
  own: Prepared,
  set: StudySet,
  count: number,
): Promise<number> {
  const { dataDir, organization } = own.config
  const end = performance.now() + (run.quick ? 10 : fillSeconds) * 1000
  function* items() {
    for (const study of set.studies.slice(0, count)) {
      if (performance.now() > end) return
      yield* set.instances(study, 1, perStudy)
    }
  }
  return count + (await fillArchive({ dataDir, holder: organization.oid }, items()))
}

/** For as long as there is time; gives how many studies came in. */
async function loadOrthanc(run: BenchRun, orthanc: Orthanc, set: StudySet): Promise<number> {
  const end = performance.now() + (run.quick ? 20 : loadSeconds) * 1000
  let next = 0
  let stored = 0
  const sender = async (): Promise<void> => {
    const { host, port, aeTitle } = orthanc.dimse
    await using scu = createStoreScu({ host, port, callingAe: 'STORESCU', calledAe: aeTitle })
    while (next < set.studies.length && performance.now() < end) {
      const study = set.studies[next++]
      if (study === undefined) return
      for await (const { status } of scu.store(set.instances(study, 0, 1))) {
        if (status !== 0) throw new Error(`orthanc refused an instance: ${status}`)
        stored++
      }
    }
  }
  await Promise.all([sender(), sender(), sender(), sender()])
  run.note(`orthanc holds ${stored} studies`)
  return stored
}

/** How long the peer may take to be loaded; both sides are asked for what it could take. */
const loadSeconds = Number(process.env['CAMI_LOAD_SECONDS'] ?? 600)

/** A node that has just started publishes its index; that is over when it rests. */
async function settle(run: BenchRun, { pid }: OwnNode): Promise<void> {
  const end = performance.now() + (run.quick ? 20_000 : 120_000)
  let before = await usageOf(pid)
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const now = await usageOf(pid)
    if (now.cpuSeconds - before.cpuSeconds < 0.06) return
    before = now
  }
  run.note('the node is still at work')
}

function sideOf(
  dimse: OwnNode['dimse'],
  base: string,
  how: { headers?: Record<string, string>; paged: boolean },
): Side & AsyncDisposable {
  // Peers end an association that has been idle for a while, so it begins with the first question.
  let client: FindClient | undefined
  return {
    async find(wanted) {
      client ??= await openFindClient(dimse, 'FINDSCU')
      return client.find(wanted)
    },
    qido: (wanted) => qido(base, wanted, how),
    async [Symbol.asyncDispose]() {
      await client?.[Symbol.asyncDispose]()
    },
  }
}

const ownSide = ({ dimse, url, token }: OwnNode) =>
  sideOf(dimse, `${url}/dicom-web`, {
    headers: { authorization: `Bearer ${token}` },
    paged: true,
  })

const peerSide = ({ dimse, url }: Orthanc) => sideOf(dimse, `${url}/dicom-web`, { paged: false })

async function timed(work: () => Promise<string[]>): Promise<{ ms: number; found: string[] }> {
  const begin = performance.now()
  const found = await work()
  return { ms: performance.now() - begin, found: found.toSorted() }
}

async function measureBeside(
  run: BenchRun,
  about: {
    node: OwnNode
    orthanc: Orthanc | undefined
    missing: string | undefined
    set: StudySet
    count: number
  },
): Promise<void> {
  const { set, count, missing } = about
  await using ours = ownSide(about.node)
  await using theirs = about.orthanc === undefined ? undefined : peerSide(about.orthanc)
  for (const [service, ask] of services) {
    for (const [kind, make] of Object.entries(queryKinds)) {
      const random = createRandom(7)
      const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] }
      let rows = 0
      for (let round = -warmUp; round < repetitions; round++) {
        const wanted = make(pickStudy(set, count, random), random)
        const one = await timed(() => ask(ours, wanted))
        const other = theirs && (await timed(() => ask(theirs, wanted)))
        if (other !== undefined && other.found.join() !== one.found.join()) {
          run.note(
            `${service} ${kind}: ${one.found.length} studies here, ${other.found.length} there`,
          )
        }
        if (round < 0) continue
        rows += one.found.length / repetitions
        times.ours.push(one.ms)
        if (other !== undefined) times.theirs.push(other.ms)
      }
      run.note(`${service} ${kind}: ${Math.round(rows)} rows of ${count} studies`)
      run.report({
        case: titleOf(service, kind),
        unit: 'ms',
        better: 'lower',
        ours: median(times.ours),
        peer: times.theirs.length === 0 ? undefined : median(times.theirs),
        peerName: orthancName(),
        missing,
      })
    }
  }
}

const services: ['QIDO' | 'C-FIND', (side: Side, wanted: Wanted) => Promise<string[]>][] = [
  ['QIDO', (side, wanted) => side.qido(wanted)],
  ['C-FIND', (side, wanted) => side.find(wanted)],
]

async function measureGrowth(
  run: BenchRun,
  node: OwnNode,
  { set, count, of = '' }: { set: StudySet; count: number; of?: string },
): Promise<void> {
  await using ours = ownSide(node)
  for (const [kind, make] of Object.entries(queryKinds)) {
    const random = createRandom(7)
    const times: number[] = []
    for (let round = -warmUp; round < repetitions; round++) {
      const wanted = make(pickStudy(set, count, random), random)
      const { ms } = await timed(() => ours.qido(wanted))
      if (round >= 0) times.push(ms)
    }
    run.report({
      case: `${titleOf('QIDO', kind)}, ${count} studies${of}`,
      unit: 'ms',
      better: 'lower',
      ours: median(times),
    })
  }
}
