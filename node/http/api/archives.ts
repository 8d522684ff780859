import { z } from 'zod'
import { errorCodes } from '#protocol/errors.ts'
import { SeriesUid, StudyUid, Ulid } from '#protocol/ids.ts'
import type {
  RemoteArchiveDoors,
  RemoteMove as Move,
  RemoteQuery,
} from '../../access/remote-archive-doors.ts'
import { defineRoute, type Route } from '../routes.ts'

const access = ['radiographer', 'mo_admin'] as const
const text = z.string().max(64)
const params = z.strictObject({ archive: z.string().min(1).max(64) })

/** What is looked for, with the wildcards and ranges of DICOM; in a body, for it names patients. */
const Wanted = z.strictObject({
  /** With a study: its series. */
  study: StudyUid.exactOptional(),
  patientId: text.exactOptional(),
  patientName: text.exactOptional(),
  accession: z.string().max(16).exactOptional(),
  date: z.string().max(17).exactOptional(),
  modality: z.string().max(16).exactOptional(),
})
type Wanted = z.infer<typeof Wanted>

const tags = {
  patientId: '00100020',
  patientName: '00100010',
  birthDate: '00100030',
  sex: '00100040',
  accession: '00080050',
  date: '00080020',
  time: '00080030',
  modalities: '00080061',
  modality: '00080060',
  description: '00081030',
  study: '0020000D',
  studySeries: '00201206',
  studyInstances: '00201208',
  series: '0020000E',
  seriesNumber: '00200011',
  seriesDescription: '0008103E',
  seriesInstances: '00201209',
} as const
type Name = keyof typeof tags
/** Of each attribute what the archive said of it, as text. */
const Row = z.partialRecord(z.enum(Object.keys(tags) as [Name, ...Name[]]), z.string())

const RemoteMove = z.strictObject({
  id: Ulid,
  device: z.string(),
  study: StudyUid,
  series: SeriesUid.exactOptional(),
  user: z.string(),
  state: z.enum(['running', 'done', 'cancelled', 'failed']),
  code: z.enum(errorCodes).exactOptional(),
  startedAt: z.int(),
  endedAt: z.int().exactOptional(),
  counts: z.strictObject({
    remaining: z.int().exactOptional(),
    completed: z.int(),
    failed: z.int(),
    warning: z.int(),
  }),
})
type Archives = Pick<RemoteArchiveDoors, 'list' | 'echo' | 'find' | 'move' | 'moves' | 'cancel'>

/** Other archives of the register, asked over DIMSE. */
export const archiveRoutes = ({ archives }: { archives: Archives }): Route[] => [
  ...askingRoutes(archives),
  ...movingRoutes(archives),
]

function askingRoutes(archives: Archives): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/archives',
      summary: 'Registered apparatus that listen, and so can be asked',
      access,
      answer: z.strictObject({
        archives: z.array(z.strictObject({ id: z.string(), aeTitle: z.string() })),
      }),
      async handle({ user }) {
        const found = await archives.list(user)
        return { archives: found.map(({ id, aeTitle }) => ({ id, aeTitle })) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/archives/:archive/echo',
      summary: 'Whether it answers (C-ECHO)',
      access,
      params,
      handle: async ({ params, user }) => archives.echo(user, params.archive),
    }),
    defineRoute({
      method: 'post',
      path: '/api/archives/:archive/find',
      summary: 'Studies there, or the series of one (C-FIND)',
      access,
      params,
      body: Wanted,
      answer: z.strictObject({ rows: z.array(Row), more: z.boolean() }),
      async handle({ params, body, user }) {
        const { matches, more } = await archives.find(user, params.archive, queryOf(body))
        return { rows: matches.map(rowOf), more }
      },
    }),
  ]
}

function movingRoutes(archives: Archives): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/archives/:archive/moves',
      summary: 'Have a study, or one series of it, sent here (C-MOVE); answers when it has begun',
      access,
      params,
      body: z.strictObject({ study: StudyUid, series: SeriesUid.exactOptional() }),
      answer: RemoteMove,
      handle: async ({ params, body, user }): Promise<Move> =>
        archives.move(user, params.archive, body),
    }),
    defineRoute({
      method: 'get',
      path: '/api/moves',
      summary: 'Transfers from other archives and how far they are, newest first',
      access,
      isPassive: true,
      answer: z.strictObject({ moves: z.array(RemoteMove) }),
      handle: async ({ user }) => ({ moves: await archives.moves(user) }),
    }),
    defineRoute({
      method: 'delete',
      path: '/api/moves/:move',
      summary: 'Cancel a transfer; what has come stays',
      access,
      params: z.strictObject({ move: Ulid }),
      answer: RemoteMove,
      handle: async ({ params, user }): Promise<Move> => archives.cancel(user, params.move),
    }),
  ]
}

function queryOf({ modality, study, ...wanted }: Wanted): RemoteQuery {
  const match: Record<string, string> = {}
  for (const [name, value] of Object.entries(wanted)) match[tags[name as Name]] = value
  if (modality !== undefined) {
    match[study === undefined ? tags.modalities : tags.modality] = modality
  }
  if (study === undefined) return { level: 'STUDY', match }
  // Below a study only what describes its series is asked about.
  return {
    level: 'SERIES',
    match: { [tags.study]: study, ...(modality !== undefined && { [tags.modality]: modality }) },
  }
}

type Match = Awaited<ReturnType<Archives['find']>>['matches'][number]

function rowOf(match: Match): z.infer<typeof Row> {
  const found = Object.entries(tags).map(([name, tag]) => [
    name,
    (match[tag]?.Value ?? []).map(textOf).filter(Boolean).join(' '),
  ])
  return Object.fromEntries(found.filter(([, value]) => value !== ''))
}

function textOf(value: NonNullable<Match[string]['Value']>[number]): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '')
  const { Alphabetic = '', Ideographic = '' } = value as Record<string, string>
  return Alphabetic === '' ? Ideographic : Alphabetic
}
