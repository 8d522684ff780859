import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { dimseLimits, instanceLimits } from '#protocol/limits.ts'
import { readPart10File } from '../../node/dicom/part10.ts'
import { commandField } from '../../node/dimse/command-set.ts'
import { encodeDataSet } from '../../node/dimse/data-set-writer.ts'
import { getModels } from '../../node/dimse/query/models.ts'
import { openAssociation, type Pair } from '../../node/dimse/scu-association.ts'
import { encodersFor } from '../../node/dicom/text-encoder.ts'
import { corpusDir } from '../corpus.ts'
import { sendFolder } from '../folder.ts'
import { retrieve, sha256 } from '../scenarios/scenario.ts'
import { runTool, words } from './call.ts'
import type { Stage } from './stage.ts'
import { subjectOf, type Subject } from './subjects.ts'

/** A file of the corpus that the node accepted, and the digest of its data set. */
export type Accepted = Subject & { transferSyntax: string; digest: string }

/** How instances came back on one way: byte for byte, or not and why. */
export type Way = { name: string; same: number; exceptions: { file: string; why: string }[] }

/** Sends the corpus; what was accepted, and counts of what became of the rest. */
export async function sendCorpus({ node }: Stage): Promise<{ accepted: Accepted[]; told: string }> {
  const results = []
  for await (const result of sendFolder({ node, folder: corpusDir })) results.push(result)
  const counts = Object.entries(Object.groupBy(results, ({ outcome }) => outcome))
  const accepted: Accepted[] = []
  for (const { file } of results.filter(({ outcome }) => outcome === 'accepted')) {
    const full = path.join(corpusDir, file)
    const { dataSet, transferSyntax } = readPart10File(await readFile(full))
    accepted.push({ ...subjectOf(full), transferSyntax, digest: sha256(dataSet) })
  }
  const others = results.filter(({ outcome }) => outcome !== 'accepted')
  for (const [why, all] of Map.groupBy(others, ({ outcome, reason }) => `${outcome}: ${reason}`)) {
    console.log(`${all.length} × ${why}`)
  }
  return { accepted, told: counts.map(([outcome, all]) => `${all.length} ${outcome}`).join(', ') }
}

/** Every way out of the node for every accepted file. */
export async function roundTrip(stage: Stage, accepted: readonly Accepted[]): Promise<Way[]> {
  const studies = [...Map.groupBy(accepted, ({ study }) => study).values()]
  return [
    await byHttp('WADO-RS', accepted, async (one) => retrieve(stage.reader, rowOf(one))),
    await byHttp('WADO-URI', accepted, async (one) => byUri(stage, one)),
    await byGet(stage, studies),
    await byGetscu(stage, studies),
    await byMove(stage, studies),
  ]
}

const rowOf = ({ study, series, sop }: Subject) => ({
  '0020000D': { Value: [study] },
  '0020000E': { Value: [series] },
  '00080018': { Value: [sop] },
})

async function byHttp(
  name: string,
  accepted: readonly Accepted[],
  fetchOne: (one: Accepted) => Promise<Uint8Array>,
): Promise<Way> {
  const judge = createJudge(name)
  for (const one of accepted) {
    try {
      judge.came(one, await fetchOne(one))
    } catch (error) {
      judge.failed(one, String(error))
    }
  }
  return judge.way
}

async function byUri({ reader }: Stage, { study, series, sop }: Subject): Promise<Uint8Array> {
  const query = new URLSearchParams({
    requestType: 'WADO',
    studyUID: study,
    seriesUID: series,
    objectUID: sop,
    contentType: 'application/dicom',
    transferSyntax: '*',
  }).toString()
  const answer = await reader.get(`/dicom-web/wado?${query}`)
  if (answer.status !== 200) throw new Error(`answered ${answer.status}`)
  return readPart10File(new Uint8Array(await answer.arrayBuffer())).dataSet
}

function createJudge(name: string) {
  const way: Way = { name, same: 0, exceptions: [] }
  const failed = ({ file }: Accepted, why: string) =>
    void way.exceptions.push({ file: path.relative(corpusDir, file), why })
  return {
    way,
    failed,
    came(one: Accepted, dataSet: Uint8Array | undefined, why = 'did not come') {
      if (dataSet === undefined) failed(one, why)
      else if (sha256(dataSet) === one.digest) way.same++
      else failed(one, `came re-encoded, as the receiver did not take ${one.transferSyntax}`)
    },
  }
}

/** C-GET by our own client, which proposes for each study exactly what is in it. */
async function byGet({ node }: Stage, studies: readonly Accepted[][]): Promise<Way> {
  const judge = createJudge('C-GET (own client, the stored syntaxes proposed)')
  const [, model = ''] = getModels.keys()
  for (const instances of studies) {
    const came = new Map<string, Uint8Array>()
    const pairs: Pair[] = [
      { abstractSyntax: model, transferSyntax: explicit },
      ...new Map(
        instances.map(({ sopClass: abstractSyntax, transferSyntax }) => [
          `${abstractSyntax} ${transferSyntax}`,
          { abstractSyntax, transferSyntax, roles: { user: false, provider: true } },
        ]),
      ).values(),
    ]
    const association = await openAssociation({
      host: node.dimse.host,
      port: node.dimse.port,
      calledAe: node.dimse.aeTitle,
      callingAe: 'GETSCU',
      pairs,
      limits: { ...dimseLimits, identifierBytes: instanceLimits.instanceBytes },
      async onRequest({ sopUid }, dataSet) {
        if (dataSet !== undefined) came.set(sopUid, dataSet)
        return { status: 0 }
      },
    })
    const context = association.contextOf(model)
    const asked = { field: commandField.getRequest, sopClass: model, sopUid: '' }
    try {
      const keys = studyKeys(instances[0]?.study ?? '')
      for await (const _ of association.askMany(context?.id ?? 0, asked, keys)) continue
    } finally {
      await association.release()
    }
    for (const one of instances) judge.came(one, came.get(one.sop))
  }
  return judge.way
}

const explicit = '1.2.840.10008.1.2.1'

const studyKeys = (study: string): Buffer =>
  encodeDataSet(
    { '00080052': { vr: 'CS', Value: ['STUDY'] }, '0020000D': { vr: 'UI', Value: [study] } },
    { isExplicit: true, encoders: encodersFor([]) },
  )

function studyAt({ node }: Stage, callingAe: string, study: string): string[] {
  const { aeTitle, host, port } = node.dimse
  const keys = `-k 0008,0052=STUDY -k 0020,000D=${study}`
  return words(`-aet ${callingAe} -aec ${aeTitle} -S ${host} ${port} ${keys}`)
}

/** dcmtk's `getscu` negotiates a fixed list of SOP classes, in uncompressed syntaxes. */
async function byGetscu(stage: Stage, studies: readonly Accepted[][]): Promise<Way> {
  const judge = createJudge('C-GET (getscu, what it negotiates)')
  const folder = path.join(stage.scratch, 'getscu')
  for (const instances of studies) {
    await mkdir(folder)
    const asked = studyAt(stage, 'GETSCU', instances[0]?.study ?? '')
    const { output } = await runTool('getscu', ['+B', '-xe', '-od', folder, ...asked])
    const came = await dataSetsIn(folder)
    await rm(folder, { recursive: true })
    for (const one of instances) judge.came(one, came.get(one.sop), reasonIn(output))
  }
  return judge.way
}

async function byMove(stage: Stage, studies: readonly Accepted[][]): Promise<Way> {
  const judge = createJudge('C-MOVE (movescu to storescp)')
  const { aeTitle, folder } = stage.receiver
  for (const instances of studies) {
    for (const file of await readdir(folder)) await rm(path.join(folder, file))
    const asked = studyAt(stage, 'MOVESCU', instances[0]?.study ?? '')
    const { output } = await runTool('movescu', ['-v', '-aem', aeTitle, ...asked])
    const came = await dataSetsIn(folder)
    for (const one of instances) judge.came(one, came.get(one.sop), reasonIn(output))
  }
  return judge.way
}

const reasonIn = (output: string): string =>
  `did not come: ${output.trim().split('\n').at(-1)?.slice(0, 120) ?? ''}`

async function dataSetsIn(folder: string): Promise<Map<string, Uint8Array>> {
  const came = new Map<string, Uint8Array>()
  for (const name of await readdir(folder)) {
    const { sopUid, dataSet } = readPart10File(await readFile(path.join(folder, name)))
    came.set(sopUid, dataSet)
  }
  return came
}

/** Counts per way; exceptions with the same reason in one line. */
export function printWays(ways: readonly Way[], of: number): void {
  console.log('| way | same data set | not |\n|---|---|---|')
  for (const { name, same, exceptions } of ways) {
    console.log(`| ${name} | ${same} of ${of} | ${exceptions.length} |`)
  }
  for (const { name, exceptions } of ways) {
    for (const [why, files] of Map.groupBy(exceptions, ({ why }) => why)) {
      console.log(`${name}: ${files.length} × ${why}`)
      for (const { file } of files) console.log(`  ${file}`)
    }
  }
}
