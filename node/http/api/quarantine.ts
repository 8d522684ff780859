import { z } from 'zod'
import { overlayLimits } from '#protocol/limits.ts'
import type { CorrectionDoors } from '../../access/correction-doors.ts'
import type { Doors } from '../../access/doors.ts'
import type { QuarantineEntry } from '../../archive/archive.ts'
import { defineRoute, type Route } from '../routes.ts'
import { Overlays, why, whyOf } from './corrections.ts'

const Person = z.strictObject({ id: z.string(), name: z.string(), birthDate: z.string() })

const QuarantineRow = z.strictObject({
  id: z.string(),
  reason: z.string(),
  study: z.string(),
  series: z.string(),
  sop: z.string(),
  bytes: z.int(),
  sha256: z.string(),
  receivedAt: z.int(),
  /** Who sent it, in words: AE title and address, or user. */
  source: z.string(),
  /** Whom the object and its study name; only where somebody has to decide whether they are one (DQ-10). */
  patients: z.strictObject({ received: Person, study: Person }).exactOptional(),
})

const Release = z.strictObject({
  entries: z
    .array(z.string().regex(/^\d{1,16}$/, 'not the number of an entry'))
    .min(1)
    .max(overlayLimits.quarantinedMax),
  /** Of one study: as they came; as the study's patient's; or as another patient's, in a study of its own. */
  as: z.enum(['received', 'same-patient', 'other-patient']),
  ...why,
})

/** What was received and is kept apart: no images, and no names but where they are the question. */
export function quarantineRoutes({
  doors,
  corrections,
}: {
  doors: Pick<Doors, 'quarantine'>
  corrections: Pick<CorrectionDoors, 'overlay'>
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/quarantine',
      summary: 'Objects that were received and are not shown, with the reason',
      access: ['mo_admin'],
      answer: z.strictObject({ entries: z.array(QuarantineRow) }),
      async handle({ user }) {
        return { entries: (await doors.quarantine(user)).map(rowOf) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/quarantine/release',
      summary:
        'Let quarantined objects of one study in; UIDs that are taken or invalid are replaced',
      access: ['mo_admin'],
      body: Release,
      answer: Overlays,
      async handle({ body, user }) {
        const { entries, as } = body
        const request = { kind: 'release', entries, as } as const
        return { overlays: await corrections.overlay(user, request, whyOf(body)) }
      },
    }),
  ]
}

/** Without the attributes: whose images they are is otherwise not the administrator's business. */
const rowOf = (entry: QuarantineEntry): z.infer<typeof QuarantineRow> => ({
  id: entry.id,
  reason: entry.reason,
  study: entry.study,
  series: entry.series,
  sop: entry.sop,
  bytes: entry.bytes,
  sha256: entry.sha256,
  receivedAt: entry.receivedAt,
  source: sourceOf(entry.origin),
  ...(entry.patients && { patients: entry.patients }),
})

function sourceOf(origin: QuarantineEntry['origin']): string {
  if (origin.kind === 'dimse') return `${origin.callingAe} ${origin.address}`
  if (origin.kind === 'stow') return `${origin.user} ${origin.address}`
  if (origin.kind === 'release') return `quarantine ${origin.entry}`
  return origin.kind === 'media' ? origin.path : origin.holder
}
