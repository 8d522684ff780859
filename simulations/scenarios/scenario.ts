import { createHash } from 'node:crypto'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { readPart10File } from '../../node/dicom/part10.ts'
import { eventually, signIn, type Client } from '../client.ts'
import { createCt } from '../modality/ct.ts'
import { createUid, type StudyContext } from '../modality/study.ts'
import { createPerson } from '../people.ts'
import type { Random } from '../random.ts'
import type { Region } from '../region.ts'

/**
 * A scenario drives a region and throws when a promise is broken. The same function is a test and a run of
 * `npm run simulate`; what it throws decides how the run is classed (simulate.ts).
 */
export type Scenario = (world: World) => Promise<string>
export type World = { region: Region; random: Random }

/** A promise of the product was broken. */
export class Wrong extends Error {
  override readonly name = 'Wrong'
}

export function promise(held: boolean, what: string): asserts held {
  if (!held) throw new Wrong(what)
}

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')

/** DICOM JSON as scripts read it. */
export type Row = Record<string, { Value?: unknown[] }>
export function valueOf(row: Row | undefined, tag: string): string {
  const value = row?.[tag]?.Value?.[0]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

export const reader = ({ region }: World, key: string): Promise<Client> =>
  signIn(region.node(key).url, region.account(key, 'radiologist'))

/** A study that a hospital's CT has just sent: its UID, and the digest of every instance. */
export type SentStudy = { uid: string; digests: Map<string, string> }

export async function sendCt(
  { region, random }: World,
  key: string,
  size: { slices: number; size?: number },
): Promise<SentStudy> {
  const { dimse, organization } = region.node(key)
  const context: StudyContext = {
    patient: createPerson(random),
    issuer: organization.oid,
    institution: organization.name,
    studyUid: createUid(random),
    date: '20261101',
    time: '101500',
    accession: `${key.toUpperCase()}-${random.int(100_000)}`,
    description: 'КТ органов грудной клетки',
    referrer: '',
  }
  await using scu = createStoreScu({
    host: dimse.host,
    port: dimse.port,
    callingAe: 'STORESCU',
    calledAe: dimse.aeTitle,
  })
  const digests = new Map<string, string>()
  const items = (function* () {
    for (const item of createCt(context, random, size)) {
      digests.set(item.sopUid, sha256(item.dataSet))
      yield item
    }
  })()
  for await (const { status, comment } of scu.store(items)) {
    promise(status === 0, `C-STORE answered ${status} ${comment}`)
  }
  return { uid: context.studyUid, digests }
}

/** Waits until a node's region list has the whole study. */
export async function listed(client: Client, { uid, digests }: SentStudy): Promise<void> {
  await eventually(
    'the study in the region list',
    async () => {
      const rows = await client.json<Row[]>(
        `/dicom-web/studies?scope=region&StudyInstanceUID=${uid}`,
      )
      return Number(valueOf(rows[0], '00201208')) === digests.size ? true : undefined
    },
    60_000,
  )
}

/** Reads every instance through a node and compares it with what the apparatus sent. */
export async function readWhole(client: Client, { uid, digests }: SentStudy): Promise<void> {
  const rows = await client.json<Row[]>(`/dicom-web/studies/${uid}/instances?limit=1000`)
  promise(rows.length === digests.size, `${rows.length} of ${digests.size} instances are listed`)
  for (const row of rows) {
    const same = sha256(await retrieve(client, row)) === digests.get(valueOf(row, '00080018'))
    promise(same, `instance ${valueOf(row, '00080018')} is not what was sent`)
  }
}

/** The data set of one instance as a node serves it, in whatever syntax it is stored. */
export async function retrieve(client: Client, row: Row): Promise<Uint8Array> {
  const [study, series, sop] = ['0020000D', '0020000E', '00080018'].map((tag) => valueOf(row, tag))
  const answer = await client.get(`/dicom-web/studies/${study}/series/${series}/instances/${sop}`, {
    accept: 'application/dicom; transfer-syntax=*',
  })
  promise(answer.status === 200, `instance ${sop} answered ${answer.status}`)
  return readPart10File(new Uint8Array(await answer.arrayBuffer())).dataSet
}
