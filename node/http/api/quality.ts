import { z } from 'zod'
import { StudyUid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { QualityDoors } from '../../access/quality-doors.ts'
import type { Doubt, StudyFindings } from '../../archive/attention.ts'
import { TextEncoding } from '../../config.ts'
import { PinnedEncoding } from '../../store/text-encodings.ts'
import { defineRoute, type Route } from '../routes.ts'

const Finding = z.strictObject({
  /** Rule of reception: `DQ-03`. */
  code: z.string(),
  /** `correct`: somebody must. `warn`: somebody should know. `note`: handled already. */
  action: z.enum(['correct', 'warn', 'note']),
  /** Attribute, `GGGGEEEE`. */
  tag: z.string().exactOptional(),
  detail: z.string().exactOptional(),
})

/** A reading of bytes that nobody could read. */
const Candidate = z.strictObject({
  encoding: TextEncoding,
  confidence: z.number(),
  isPlausible: z.boolean(),
  /** Attributes of the study as this encoding reads them, by tag. */
  texts: z.record(z.string(), z.string()),
})

const Findings = z.strictObject({
  study: StudyUid,
  device: z.string(),
  receivedAt: z.int(),
  patient: z.strictObject({
    name: z.string(),
    id: z.string(),
    birthDate: z.string(),
    sex: z.string(),
  }),
  date: z.string(),
  description: z.string(),
  findings: z.array(Finding),
  needsCorrection: z.boolean(),
  /** The question: which encoding is it? */
  doubt: z
    .strictObject({ declared: z.array(z.string()), candidates: z.array(Candidate) })
    .exactOptional(),
  /** What the text was taken for, when not for what was declared. */
  text: z
    .strictObject({
      source: z.string(),
      encoding: TextEncoding.exactOptional(),
      confidence: z.number(),
    })
    .exactOptional(),
})

const Patient = z.strictObject({
  id: z.string(),
  issuer: z.string(),
  name: z.string(),
  birthDate: z.string(),
  sex: z.string(),
  snils: z.string().exactOptional(),
  studies: z.int(),
})
const Duplicate = z.strictObject({
  patients: z.array(Patient).length(2),
  because: z.enum(['snils', 'name']),
  isCertain: z.boolean(),
})

const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(httpLimits.resultsMax)
  .default(httpLimits.resultsDefault)
const readers = ['radiographer', 'dept_head', 'mo_admin'] as const
const params = z.strictObject({ study: StudyUid })

/** What the rules of reception found, and what only a person can say. */
export const qualityRoutes = ({ quality }: { quality: QualityDoors }): Route[] => [
  ...findingRoutes(quality),
  ...encodingRoutes(quality),
]

function findingRoutes(quality: QualityDoors): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/quality',
      summary: 'Studies in which somebody must correct something, after a UID, with counts by rule',
      access: readers,
      query: z.strictObject({ after: StudyUid.exactOptional(), limit }),
      answer: z.strictObject({
        studies: z.array(Findings),
        more: z.boolean(),
        counts: z.record(z.string(), z.int()),
        counted: z.int(),
      }),
      async handle({ query, user }) {
        const { studies, ...rest } = await quality.attention(user, query)
        return { ...rest, studies: studies.map(answerOf) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/studies/:study/quality',
      summary: 'What the rules of reception found in a study',
      access: readers,
      params,
      answer: Findings,
      handle: async ({ params, user }) => answerOf(await quality.findings(user, params.study)),
    }),
    defineRoute({
      method: 'get',
      path: '/api/patients/duplicates',
      summary: 'Patients who may be one (DQ-21): proposals, the certain first',
      access: readers,
      query: z.strictObject({ limit }),
      answer: z.strictObject({ candidates: z.array(Duplicate), more: z.boolean() }),
      handle: async ({ query, user }) => quality.duplicates(user, query.limit),
    }),
  ]
}

function encodingRoutes(quality: QualityDoors): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/studies/:study/encoding',
      summary: "Say in which encoding a study's text is; `pin`: and all that its device writes",
      access: ['mo_admin'],
      params,
      body: z.strictObject({ encoding: TextEncoding, pin: z.boolean() }),
      /** Studies that were corrected. */
      answer: z.strictObject({ studies: z.int() }),
      handle: async ({ params, body, user }) => quality.answer(user, params.study, body),
    }),
    defineRoute({
      method: 'get',
      path: '/api/encodings',
      summary: 'What devices are known to write, learned or said',
      access: ['mo_admin'],
      answer: z.strictObject({ encodings: z.array(PinnedEncoding) }),
      handle: async ({ user }) => ({ encodings: await quality.encodings(user) }),
    }),
    defineRoute({
      method: 'delete',
      path: '/api/encodings/:device',
      summary: 'Forget what a device writes, and learn it anew',
      access: ['mo_admin'],
      params: z.strictObject({ device: z.string().min(1).max(64) }),
      handle: async ({ params, user }) => quality.unpin(user, params.device),
    }),
  ]
}

function answerOf({ attributes, doubt, ...found }: StudyFindings): z.infer<typeof Findings> {
  const text = (tag: string): string => textOf(attributes[tag]?.Value?.[0])
  return {
    ...found,
    patient: {
      name: text('00100010'),
      id: text('00100020'),
      birthDate: text('00100030'),
      sex: text('00100040'),
    },
    date: text('00080020'),
    description: text('00081030'),
    ...(doubt !== undefined && { doubt: doubtOf(doubt) }),
  }
}

const doubtOf = ({ declared, candidates }: Doubt) => ({
  declared,
  candidates: candidates.map(({ attributes, ...candidate }) => ({
    ...candidate,
    texts: Object.fromEntries(
      Object.entries(attributes).map(([tag, { Value }]) => [tag, textOf(Value?.[0])]),
    ),
  })),
})

function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  if (typeof value !== 'object' || value === null) return ''
  return Object.values(value)
    .filter((group) => typeof group === 'string')
    .join('=')
}
