import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { readPart10File } from '../../node/dicom/part10.ts'
import { createRandom } from '../random.ts'
import { fillArchive } from './archive-load.ts'
import type { Bench, BenchRun } from './bench-run.ts'
import { writeCtFiles, type CtSet } from './ct-files.ts'
import { checkRetrieved } from './get-client.ts'
import { median } from './line.ts'
import { orthancMissing, orthancName, startOrthanc } from './orthanc.ts'
import { prepareNode, startNode } from './own-node.ts'
import { freePort, missingProgram, runClient } from './peer-process.ts'
import { startStorescp } from './receivers.ts'
import { usageOf } from './usage.ts'

/**
 * One CT study of half a megabyte a slice, taken out of the product and of Orthanc by the same clients in turn: dcmtk's
 * getscu and movescu and curl, each a process of its own that throws away what it gets.
 */
export const retrieve: Bench = async (run) => {
  const count = run.quick ? 40 : 400
  const set = await writeCtFiles(path.join(run.dir, 'files'), { count, perStudy: count })
  const destination = { aeTitle: 'MOVEDEST', port: await freePort() }
  await using ours = await startOurs(run, set, destination)
  await using theirs =
    orthancMissing() === undefined ? await startTheirs(run, set, destination) : undefined
  await using _ =
    missingProgram('storescp') === undefined
      ? await startStorescp(run.dir, { ...destination, isKept: false })
      : undefined
  run.note(`C-GET from ours: ${await checkRetrieved(ours.dimse, set)} digests agree`)
  for (const [name, take] of Object.entries(ways)) {
    const wanted = { set, destination: destination.aeTitle }
    const work = (side: Side) => async () => {
      await take(side, wanted)
    }
    const both = { ours: work(ours), peer: theirs && work(theirs) }
    const pids = { ours: ours.pid, peer: theirs?.pid }
    const before = await cpuOf(pids)
    const rounds = run.quick ? 3 : 7
    const ms = await inTurn(run, name, { ...both, rounds })
    const rate = (one: number | undefined) => one && set.bytes / 1e6 / (one / 1000)
    const after = await cpuOf(pids)
    const perGB = (side: 'ours' | 'peer') =>
      (after[side] - before[side]) / ((set.bytes / 1e9) * (rounds + warmUpOf(rounds)))
    run.report({
      case: name,
      unit: 'MB/s',
      better: 'higher',
      ours: rate(ms.ours),
      peer: rate(ms.peer),
      peerName: orthancName(),
      missing: orthancMissing(),
    })
    run.report({
      case: `${name}, CPU of the server`,
      unit: 's/GB',
      better: 'lower',
      ours: perGB('ours'),
      peer: theirs && perGB('peer'),
      peerName: orthancName(),
      missing: orthancMissing(),
    })
  }
  await measureDestination(run, set, destination)
  await measureFrame(run, set, { ours, theirs })
}

/** What the destination of C-MOVE takes from a sender that reads files and looks nothing up: its own limit. */
async function measureDestination(
  run: BenchRun,
  { files, bytes }: CtSet,
  { aeTitle, port }: { aeTitle: string; port: number },
): Promise<void> {
  if (missingProgram('storescp') !== undefined) return
  const halves = [0, 1].map((half) => files.filter((_, index) => index % 2 === half))
  const to = ['-aet', 'STORESCU', '-aec', aeTitle, '127.0.0.1', String(port)]
  const ms = await inTurn(run, 'destination', {
    ours: async () => {
      await Promise.all(halves.map((half) => runClient('storescu', [...to, ...half])))
    },
    peer: async () => {
      await runClient('storescu', [...to, ...files])
    },
    rounds: run.quick ? 3 : 5,
  })
  const rate = (one: number | undefined) => one && bytes / 1e6 / (one / 1000)
  run.report({
    case: 'what the destination of C-MOVE takes by 2 associations',
    unit: 'MB/s',
    better: 'higher',
    ours: rate(ms.ours),
    peer: rate(ms.peer),
    peerName: 'by 1 association',
  })
}

/** CPU seconds that the servers have used: what a machine with other work shows as well. */
async function cpuOf(pids: { ours: number; peer: number | undefined }) {
  const seconds = async (pid: number | undefined) =>
    pid === undefined ? 0 : (await usageOf(pid)).cpuSeconds
  return { ours: await seconds(pids.ours), peer: await seconds(pids.peer) }
}

type Side = {
  pid: number
  dimse: { host: string; port: number; aeTitle: string }
  dicomweb: string
  headers: Record<string, string>
}
type Wanted = { set: CtSet; destination: string }

async function startOurs(
  run: BenchRun,
  set: CtSet,
  { aeTitle, port }: { aeTitle: string; port: number },
): Promise<Side & AsyncDisposable> {
  const device = {
    id: 'destination',
    aeTitle,
    addresses: ['127.0.0.1'],
    port,
    modality: 'OT',
    startDate: '2026-01-01',
    services: ['store' as const],
  }
  const own = await prepareNode(path.join(run.dir, 'ours'), (config) => ({
    ...config,
    devices: [...(config.devices ?? []), device],
  }))
  const items = await Promise.all(
    set.files.map(async (file) => readPart10File(await readFile(file))),
  )
  const { dataDir, organization } = own.config
  await fillArchive({ dataDir, holder: organization.oid }, items)
  const node = await startNode(own)
  const headers = { authorization: `Bearer ${node.token}` }
  return {
    pid: node.pid,
    dimse: node.dimse,
    dicomweb: `${node.url}/dicom-web`,
    headers,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  }
}

async function startTheirs(
  run: BenchRun,
  set: CtSet,
  moveTo: { aeTitle: string; port: number },
): Promise<Side & AsyncDisposable> {
  const orthanc = await startOrthanc(path.join(run.dir, 'orthanc'), { moveTo })
  const { dimse, url } = orthanc
  const to = ['-aet', 'STORESCU', '-aec', dimse.aeTitle, dimse.host, String(dimse.port)]
  await runClient('storescu', [...to, ...set.files])
  return {
    pid: orthanc.pid,
    dimse,
    dicomweb: `${url}/dicom-web`,
    headers: {},
    [Symbol.asyncDispose]: () => orthanc[Symbol.asyncDispose](),
  }
}

const ways: Record<string, (side: Side, wanted: Wanted) => Promise<unknown>> = {
  'C-GET study': ({ dimse }, { set }) =>
    runClient('getscu', ['--ignore', '-aet', 'GETSCU', ...asked(dimse, set)]),
  // Orthanc knows a destination by the name that it has there, which its configuration calls so as well.
  'C-MOVE study': ({ dimse }, { set, destination }) =>
    runClient('movescu', ['-aem', destination, '-aet', 'MOVESCU', ...asked(dimse, set)]),
  'WADO-RS study': async ({ dicomweb, headers }, { set }) => {
    const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    const sent = Object.entries({ ...headers, accept }).map(([name, value]) => `${name}: ${value}`)
    const quietly = ['--silent', '--show-error', '--fail', '--output', '/dev/null']
    const headersOf = sent.flatMap((one) => ['--header', one])
    const url = `${dicomweb}/studies/${set.study[0]}`
    const counting = ['--write-out', '%{size_download}']
    const output = await runClient('curl', [...quietly, ...counting, ...headersOf, url])
    const bytes = Number(output)
    // Written so that what is no number fails too.
    if (!(bytes >= set.bytes)) throw new Error(`${output} bytes of a study of ${set.bytes}`)
  },
}

const asked = ({ host, port, aeTitle }: Side['dimse'], { study }: CtSet): string[] => {
  const keys = ['QueryRetrieveLevel=STUDY', `StudyInstanceUID=${study[0]}`]
  return ['-S', '-aec', aeTitle, host, String(port), ...keys.flatMap((key) => ['-k', key])]
}

async function bytesOf(url: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(url, { headers })
  if (!response.ok || response.body === null) throw new Error(`WADO-RS answered ${response.status}`)
  let bytes = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) bytes += chunk.length
  return bytes
}

const frames = 40

/** One slice here and there in the study, as somebody scrolls. */
async function measureFrame(
  run: BenchRun,
  set: CtSet,
  { ours, theirs }: { ours: Side; theirs: Side | undefined },
): Promise<void> {
  const accept = 'multipart/related; type="application/octet-stream"'
  const take = ({ dicomweb, headers }: Side) => {
    const random = createRandom(3)
    return async () => {
      const item = set.items[random.int(set.items.length)]
      if (item === undefined) throw new Error('the set is empty')
      const { study, series, sop } = item
      const at = `${dicomweb}/studies/${study}/series/${series}/instances/${sop}/frames/1`
      const bytes = await bytesOf(at, { ...headers, accept })
      if (bytes < 512 * 512 * 2) throw new Error(`${bytes} bytes are no frame`)
    }
  }
  const both = { ours: take(ours), peer: theirs && take(theirs) }
  const ms = await inTurn(run, 'WADO-RS frame', { ...both, rounds: frames })
  run.report({
    case: 'WADO-RS frame',
    unit: 'ms',
    better: 'lower',
    ...ms,
    peerName: orthancName(),
    missing: orthancMissing(),
  })
}

type Turns = {
  ours: () => Promise<void>
  peer: (() => Promise<void>) | undefined
  rounds: number
}

const warmUpOf = (rounds: number): number => Math.ceil(rounds / 4)

/** Median milliseconds of each, after what warms both. */
async function inTurn(
  run: BenchRun,
  name: string,
  { ours, peer, rounds }: Turns,
): Promise<{ ours: number; peer: number | undefined }> {
  const times: { ours: number[]; peer: number[] } = { ours: [], peer: [] }
  const warmUp = warmUpOf(rounds)
  for (let round = -warmUp; round < rounds; round++) {
    const [one, other] = [await timed(ours), peer && (await timed(peer))]
    if (round < 0) continue
    times.ours.push(one)
    if (other !== undefined) times.peer.push(other)
  }
  const text = (list: number[]) => list.map((ms) => ms.toFixed(rounds < 10 ? 0 : 1)).join(' ')
  run.note(`${name}: ours ${text(times.ours)} ms; peer ${text(times.peer)} ms`)
  return {
    ours: median(times.ours),
    peer: times.peer.length === 0 ? undefined : median(times.peer),
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}
