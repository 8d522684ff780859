import { z } from 'zod'
import { StudyUid } from '#protocol/ids.ts'
import { httpLimits, overlayLimits } from '#protocol/limits.ts'
import type { CorrectionDoors } from '../../access/correction-doors.ts'
import { Overlay, OverlayTarget, rejectionCodes, Survivor } from '../../archive/overlay.ts'
import type { RejectionCode } from '../../archive/overlay.ts'
import { defineRoute, type Route } from '../routes.ts'

/** Why: obligatory with every change; the document that it rests on, when there is one. */
export const why = {
  reason: z.string().trim().min(1).max(overlayLimits.reasonChars),
  basis: z.string().trim().min(1).max(overlayLimits.reasonChars).exactOptional(),
}

export const whyOf = ({ reason, basis }: { reason: string; basis?: string }) => ({
  reason,
  ...(basis !== undefined && { basis }),
})

export const Overlays = z.strictObject({ overlays: z.array(Overlay) })

const [patientTarget, studyTarget, seriesTarget, instanceTarget] = OverlayTarget.options
const RejectedTarget = z.discriminatedUnion('level', [studyTarget, seriesTarget, instanceTarget])
const instance = instanceTarget.pick({ series: true, sop: true })

const Correction = z.strictObject({
  target: OverlayTarget,
  attributes: z
    .array(
      z.strictObject({
        tag: z.string().regex(/^[0-9A-F]{8}$/, 'not a tag GGGGEEEE'),
        /** As DICOM writes them; none: the attribute becomes empty. */
        new: z.array(z.string().max(overlayLimits.valueChars)).max(overlayLimits.valuesMax),
      }),
    )
    .min(1)
    .max(overlayLimits.attributesMax),
  ...why,
})

const Merge = z.strictObject({
  patient: patientTarget.omit({ level: true }),
  survivor: Survivor.partial({ name: true, birthDate: true, sex: true }),
  ...why,
})

const Rejection = z.strictObject({
  target: RejectedTarget,
  code: z.enum(Object.keys(rejectionCodes) as [RejectionCode, ...RejectionCode[]]),
  instances: z.array(instance).min(1).max(overlayLimits.instancesMax).exactOptional(),
  ...why,
})

const History = z.strictObject({
  study: StudyUid.exactOptional(),
  patientId: z.string().min(1).max(128).exactOptional(),
  issuer: z.string().max(128).exactOptional(),
  kind: z
    .enum(['correct', 'merge', 'unmerge', 'reject', 'restore', 'release', 'revert'])
    .exactOptional(),
  offset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(httpLimits.resultsMax)
    .default(httpLimits.resultsDefault),
})

/** With the number of the overlay that ended it. */
const HistoryEntry = z.union(
  Overlay.options.map((one) => one.extend({ revertedBy: z.int().exactOptional() })),
)

const readers = ['radiographer', 'dept_head', 'mo_admin', 'security_auditor'] as const
const editors = ['radiographer', 'dept_head', 'mo_admin'] as const

type Deps = { corrections: CorrectionDoors }

/** Putting right what was received wrong, and looking back at it. Originals stay as they are. */
export const correctionRoutes = (deps: Deps): Route[] => [
  ...attributeRoutes(deps),
  ...patientRoutes(deps),
]

function attributeRoutes({ corrections }: Deps): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/corrections',
      summary: 'What was corrected, merged, rejected or released, newest first',
      access: readers,
      query: History,
      answer: z.strictObject({ overlays: z.array(HistoryEntry) }),
      async handle({ query, user }) {
        const { study, kind, patientId, issuer = '', offset, limit } = query
        const found = await corrections.overlays(user, {
          offset,
          limit,
          ...(study !== undefined && { study }),
          ...(kind !== undefined && { kind }),
          ...(patientId !== undefined && { patient: { id: patientId, issuer } }),
        })
        return { overlays: found }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/corrections',
      summary: 'Show other values of attributes of a patient, study, series or instance',
      access: editors,
      body: Correction,
      answer: Overlays,
      async handle({ body, user }) {
        const { target, attributes } = body
        const request = { kind: 'correct', target, attributes } as const
        return { overlays: await corrections.overlay(user, request, whyOf(body)) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/corrections/:number/revert',
      summary: 'End a correction, merge, rejection or release: what it changed is as it was',
      access: editors,
      params: z.strictObject({ number: z.coerce.number().int().min(1) }),
      body: z.strictObject(why),
      answer: Overlays,
      async handle({ params, body, user }) {
        const request = { kind: 'revert', reverts: params.number } as const
        return { overlays: await corrections.overlay(user, request, whyOf(body)) }
      },
    }),
  ]
}

function patientRoutes({ corrections }: Deps): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/patient-merges',
      summary: "Show one patient's studies under another patient",
      access: ['dept_head', 'mo_admin'],
      body: Merge,
      answer: Overlays,
      async handle({ body, user }) {
        const target = { level: 'patient', ...body.patient } as const
        const { id, issuer, name = '', birthDate = '', sex = '' } = body.survivor
        const survivor = { id, issuer, name, birthDate, sex }
        const request = { kind: 'merge', target, survivor } as const
        return { overlays: await corrections.overlay(user, request, whyOf(body)) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/rejections',
      summary: 'Hide a study, a series or instances from everybody; nothing is erased',
      access: ['dept_head', 'mo_admin'],
      body: Rejection,
      answer: Overlays,
      async handle({ body, user }) {
        const { target, code, instances } = body
        const list = instances === undefined ? {} : { instances }
        const request = { kind: 'reject' as const, target, code, ...list }
        return { overlays: await corrections.overlay(user, request, whyOf(body)) }
      },
    }),
  ]
}
