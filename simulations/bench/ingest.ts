import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { median, type Figure } from './line.ts'
import type { Bench, BenchRun } from './bench-run.ts'
import { writeCtFiles } from './ct-files.ts'
import { orthancMissing, orthancName } from './orthanc.ts'
import { missingProgram, runClient } from './peer-process.ts'
import { startReceiver, type Receiver, type ReceiverName } from './receivers.ts'
import { childrenOf, usageOf } from './usage.ts'

/** dcmtk's storescu sends the same files to each receiver in turn: instances/s, CPU and memory of the receiver beside. */
export const ingest: Bench = async (run) => {
  const { quick } = run
  const [count, large] = quick ? [200, 2] : [2000, 5]
  const small = await writeCtFiles(path.join(run.dir, 'small'), { count })
  const warm = await writeCtFiles(path.join(run.dir, 'warm'), { count: quick ? 20 : 100, seed: 2 })
  const warmUp = warm.files
  await measureCase(run, {
    name: 'C-STORE 2000 x 0.5 MB, 1 association',
    ...small,
    warmUp,
    associations: 1,
  })
  await measureCase(run, {
    name: 'C-STORE 2000 x 0.5 MB, 4 associations',
    ...small,
    warmUp,
    associations: 4,
  })
  await rm(path.join(run.dir, 'small'), { recursive: true })
  const big = await writeCtFiles(path.join(run.dir, 'large'), { count: large, size: 5500 })
  await measureCase(run, {
    name: 'C-STORE 5 x 60 MB, 1 association',
    ...big,
    warmUp,
    associations: 1,
  })
}

type Case = { name: string; files: string[]; bytes: number; associations: number; warmUp: string[] }
type Sample = { perSecond: number; cpuPerGB: number; peakRssMB: number }

const repetitions = 3
/** No further repetition of a case begins after this time. */
const caseSeconds = 40
const names: readonly ReceiverName[] = ['ours', 'orthanc', 'storescp']

async function measureCase(run: BenchRun, one: Case): Promise<void> {
  const missing: Record<ReceiverName, string | undefined> = {
    ours: undefined,
    orthanc: orthancMissing(),
    storescp: missingProgram('storescp'),
  }
  const samples = new Map<ReceiverName, Sample[]>(names.map((name) => [name, []]))
  const disk: number[] = []
  const rounds = run.quick ? 1 : repetitions
  const end = performance.now() + caseSeconds * 1000
  for (let round = 0; round < rounds && (round === 0 || performance.now() < end); round++) {
    disk.push(await measureDisk(run, one))
    // Whoever comes first finds the disk quiet: each has its turn.
    const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)]
    for (const name of order.filter((name) => missing[name] === undefined)) {
      const sample = await measure(run, name, one)
      samples.get(name)?.push(sample)
      run.note(`${one.name}: ${name} ${sample.perSecond.toFixed(0)} instances/s`)
    }
  }
  const middle = (name: ReceiverName, key: keyof Sample): number | undefined => {
    const values = samples.get(name)?.map((sample) => sample[key]) ?? []
    return values.length === 0 ? undefined : median(values)
  }
  const figures: [suffix: string, key: keyof Sample, Pick<Figure, 'unit' | 'better'>][] = [
    ['', 'perSecond', { unit: 'instances/s', better: 'higher' }],
    [', CPU of the receiver', 'cpuPerGB', { unit: 's/GB', better: 'lower' }],
    [', peak memory of the receiver', 'peakRssMB', { unit: 'MB', better: 'lower' }],
  ]
  run.report({
    case: one.name,
    unit: 'instances/s',
    better: 'higher',
    ours: middle('ours', 'perSecond'),
    peer: median(disk),
    peerName: diskName,
  })
  for (const [suffix, key, kind] of figures) {
    for (const peer of ['orthanc', 'storescp'] as const) {
      run.report({
        ...kind,
        case: one.name + suffix,
        ours: middle('ours', key),
        peer: middle(peer, key),
        peerName: peer === 'orthanc' ? orthancName() : 'dcmtk storescp',
        missing: missing[peer],
      })
    }
  }
}

const diskName = 'write and fdatasync alone'

/**
 * What a receiver could reach that does nothing but write and sync as many instances at a time as come at a time: no
 * one who answers after the sync is faster on this disk.
 */
async function measureDisk(run: BenchRun, { files, bytes, associations }: Case): Promise<number> {
  const file = path.join(run.dir, 'disk')
  const group = Buffer.alloc(Math.round((bytes / files.length) * associations), 1)
  const groups = Math.ceil(Math.min(diskInstances, files.length) / associations)
  await runClient('sync', ['-f', run.dir])
  const handle = await open(file, 'w')
  try {
    const begin = performance.now()
    for (let at = 0; at < groups; at++) {
      await handle.write(group)
      await handle.datasync()
    }
    return (groups * associations) / ((performance.now() - begin) / 1000)
  } finally {
    await handle.close()
    await rm(file)
  }
}

const diskInstances = 400

async function measure(run: BenchRun, name: ReceiverName, one: Case): Promise<Sample> {
  const { files, bytes, associations } = one
  const dir = path.join(run.dir, name)
  try {
    await using receiver = await startReceiver(name, dir)
    // A receiver runs for months: what its first minute costs is not asked here.
    await send(receiver, one.warmUp)
    // What earlier runs left to be written would be paid for by this one.
    await runClient('sync', ['-f', run.dir])
    const before = await usageOfAll(receiver.pid)
    const begin = performance.now()
    await Promise.all(
      Array.from({ length: associations }, async (_, part) => {
        await send(
          receiver,
          files.filter((_, index) => index % associations === part),
        )
      }),
    )
    const seconds = (performance.now() - begin) / 1000
    const after = await usageOfAll(receiver.pid)
    const cpuPerGB = (after.cpuSeconds - before.cpuSeconds) / (bytes / 1e9)
    return { perSecond: files.length / seconds, cpuPerGB, peakRssMB: after.peakRssMB }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function send({ dimse }: Receiver, files: readonly string[]): Promise<void> {
  const { host, port, aeTitle } = dimse
  await runClient('storescu', ['-aet', 'STORESCU', '-aec', aeTitle, host, String(port), ...files])
}

/** A receiver that forks for each association: what its living children use belongs to it. */
async function usageOfAll(pid: number): Promise<{ cpuSeconds: number; peakRssMB: number }> {
  const all = [pid, ...(await childrenOf(pid))]
  const used = await Promise.all(all.map((one) => usageOf(one).catch(() => undefined)))
  return {
    cpuSeconds: used.reduce((sum, one) => sum + (one?.cpuSeconds ?? 0), 0),
    peakRssMB: Math.max(...used.map((one) => one?.peakRssMB ?? 0)),
  }
}
