import { readFile } from 'node:fs/promises'
import { eventually } from '../client.ts'
import { callRow, type Row } from './call.ts'
import type { Stage } from './stage.ts'
import { corpusPaths, slices, subjectOf } from './subjects.ts'

/** Orthanc as a client of every service of the node, and as the place that the node sends to. */
export async function callOrthanc(stage: Stage): Promise<Row[]> {
  const { orthanc } = stage
  if (orthanc === undefined) {
    return [
      {
        peer: 'Orthanc',
        service: 'all',
        command: 'Orthanc',
        said: 'not installed',
        verdict: 'missing',
      },
    ]
  }
  const rest = createRest(orthanc.url)
  const files = corpusPaths('modalities/MR/')
    .filter((file) => !file.includes('j2k'))
    .slice(0, 2)
  const uploads: string[] = []
  for (const file of files) {
    const { ID } = await rest<{ ID: string }>('/instances', await readFile(file))
    uploads.push(ID)
  }
  const row = async (service: string, command: string, work: () => Promise<string>) =>
    callRow({ peer: 'Orthanc', service, command }, work)
  const rows = [
    await row('C-ECHO', 'POST /modalities/cami/echo', async () => {
      await rest('/modalities/cami/echo', {})
      return 'answered'
    }),
    await row('C-STORE, then storage commitment', 'POST /modalities/cami/store', async () =>
      commit(rest, uploads),
    ),
    ...(await findRows(rest, row)),
    await row('C-FIND worklist', 'POST /modalities/cami/find-worklist', async () => {
      const found = await rest<unknown[]>('/modalities/cami/find-worklist', {
        PatientName: '',
        ScheduledProcedureStepSequence: [{ Modality: '' }],
      })
      return counted(found.length, 'steps')
    }),
    await row('C-MOVE to Orthanc', 'POST /queries/…/retrieve', async () => moveToItself(rest)),
    await row('C-STORE and commitment of our route', 'GET /api/sending', async () =>
      routed(stage, rest),
    ),
  ]
  // Another one: over DIMSE Orthanc encodes anew, which would be other content under the same UID.
  const other = await readFile(corpusPaths('modalities/XA/')[0] ?? '')
  const { ID } = await rest<{ ID: string }>('/instances', other)
  return [...rows, ...(await dicomwebRows(rest, row, [ID]))]
}

type Rest = ReturnType<typeof createRest>
type MakeRow = (service: string, command: string, work: () => Promise<string>) => Promise<Row>

function createRest(url: string) {
  return async <T>(path: string, body?: unknown): Promise<T> => {
    const sent = body instanceof Uint8Array ? body : JSON.stringify(body)
    const answer = await fetch(
      `${url}${path}`,
      body === undefined ? {} : { method: 'POST', body: sent as never },
    )
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${answer.status} ${text.slice(0, 300)}`)
    return (text === '' ? {} : JSON.parse(text)) as T
  }
}

function counted(count: number, what: string): string {
  if (count === 0) throw new Error(`no ${what}`)
  return `${count} ${what}`
}

async function commit(rest: Rest, Resources: string[]): Promise<string> {
  const stored = await rest<{ InstancesCount: number; FailedInstancesCount: number }>(
    '/modalities/cami/store',
    { Resources, Synchronous: true },
  )
  if (stored.FailedInstancesCount > 0) throw new Error(JSON.stringify(stored))
  const asked = await rest<{ ID: string }>('/modalities/cami/storage-commitment', { Resources })
  const report = await eventually(
    'a report of storage commitment',
    async () => {
      const found = await rest<{ Status: string; Success?: unknown[]; Failures?: unknown[] }>(
        `/storage-commitment/${asked.ID}`,
      )
      return found.Status === 'Pending' ? undefined : found
    },
    45_000,
  )
  const { Status, Success = [], Failures = [] } = report
  if (Status !== 'Success') throw new Error(JSON.stringify(report))
  return `${stored.InstancesCount} stored; ${Status}: ${Success.length} kept, ${Failures.length} not`
}

async function findRows(rest: Rest, row: MakeRow): Promise<Row[]> {
  const { study, series } = subjectOf(slices()[0] ?? '')
  const queries = {
    Patient: { PatientID: '' },
    Study: { StudyInstanceUID: study, ModalitiesInStudy: '' },
    Series: { StudyInstanceUID: study, SeriesInstanceUID: '' },
    Instance: { StudyInstanceUID: study, SeriesInstanceUID: series, SOPInstanceUID: '' },
  }
  const rows: Row[] = []
  for (const [Level, Query] of Object.entries(queries)) {
    const found = async () => {
      const { ID } = await rest<{ ID: string }>('/modalities/cami/query', { Level, Query })
      return counted((await rest<string[]>(`/queries/${ID}/answers`)).length, 'answers')
    }
    rows.push(await row(`C-FIND ${Level}`, 'POST /modalities/cami/query', found))
  }
  return rows
}

async function moveToItself(rest: Rest): Promise<string> {
  const { study } = subjectOf(slices()[0] ?? '')
  const Query = { StudyInstanceUID: study }
  const { ID } = await rest<{ ID: string }>('/modalities/cami/query', { Level: 'Study', Query })
  await rest(`/queries/${ID}/retrieve`, { TargetAet: 'ORTHANC', Synchronous: true, Timeout: 60 })
  const found = await rest<{ ID: string }[]>('/tools/find', {
    Level: 'Instance',
    Query,
    Expand: false,
  })
  return counted(found.length, 'instances came')
}

/** What the node's own route brought: the image is there, and Orthanc has committed itself to it. */
async function routed({ admin }: Stage, rest: Rest): Promise<string> {
  const jobs = await eventually(
    'a study that was sent and committed',
    async () => {
      const { jobs } = await admin.json<{
        jobs: { commitment?: string; state: string; sent: number }[]
      }>('/api/sending')
      return jobs.some(({ commitment }) => commitment === 'kept') ? jobs : undefined
    },
    45_000,
  )
  const Query = { Modality: 'MG' }
  const found = await rest<string[]>('/tools/find', { Level: 'Instance', Query })
  return `${counted(found.length, 'instances there')}; commitment ${jobs.map(({ commitment }) => commitment).join(', ')}`
}

async function dicomwebRows(rest: Rest, row: MakeRow, Resources: string[]): Promise<Row[]> {
  const at = '/dicom-web/servers/cami'
  const { study } = subjectOf(slices()[0] ?? '')
  return [
    await row('STOW-RS', `POST ${at}/stow`, async () => {
      const told = await rest<{ InstancesCount?: string }>(`${at}/stow`, {
        Resources,
        Synchronous: true,
      })
      return `${told.InstancesCount ?? '?'} stored`
    }),
    await row('QIDO-RS', `POST ${at}/qido`, async () => {
      const found = await rest<unknown[]>(`${at}/qido`, {
        Uri: '/studies',
        Arguments: { StudyInstanceUID: study },
      })
      return counted(found.length, 'studies')
    }),
    await row('WADO-RS', `POST ${at}/retrieve`, async () => {
      const told = await rest<Record<string, unknown>>(`${at}/retrieve`, {
        Resources: [{ Study: study }],
        Synchronous: true,
      })
      const count = Number(told['ReceivedInstancesCount'] ?? 0)
      return counted(count, 'instances received')
    }),
  ]
}
