import { z } from 'zod'
import type { Doors } from '../../access/doors.ts'
import type { QuarantineEntry } from '../../archive/archive.ts'
import { defineRoute, type Route } from '../routes.ts'

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
})

/** What the organization's administrator sees: no images. */
export function administrationRoutes({ doors }: { doors: Pick<Doors, 'quarantine'> }): Route[] {
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
  ]
}

/** Without the attributes: whose images they are is not the administrator's business. */
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
})

function sourceOf(origin: QuarantineEntry['origin']): string {
  if (origin.kind === 'dimse') return `${origin.callingAe} ${origin.address}`
  if (origin.kind === 'stow') return `${origin.user} ${origin.address}`
  if (origin.kind === 'release') return `quarantine ${origin.entry}`
  return origin.kind === 'media' ? origin.path : origin.holder
}
