import { z } from 'zod'
import { errorCodes } from '#protocol/errors.ts'
import { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { Doors } from '../../access/doors.ts'
import { defineRoute, type Route } from '../routes.ts'

const StillOpen = z.union([
  z.strictObject({ open: z.literal(true) }),
  z.strictObject({
    open: z.literal(false),
    because: z.enum(errorCodes),
    holder: OrganizationOid,
    sentence: z.string().exactOptional(),
  }),
])

/** What an open viewer asks for, so that it closes in time and says why. */
export const readingRoutes = ({ doors }: { doors: Pick<Doors, 'stillOpen'> }): Route[] => [
  defineRoute({
    method: 'get',
    path: '/api/studies/:study/access',
    summary: 'Whether a study that this session has opened may still be read, and if not, why',
    access: 'signed-in',
    isPassive: true,
    params: z.strictObject({ study: StudyUid }),
    answer: StillOpen,
    handle: ({ params, user }) => doors.stillOpen(user, params.study),
  }),
]
