import type { StudyUid } from '#protocol/ids.ts'
import type { Query, QueryResult, StudyReader } from '../../archive/archive.ts'
import type { Request } from '../service.ts'

/** A device as the doors know it. */
export type DeviceCaller = { device: string; ae: string; address: string; certificate?: string }

export type Transfer = { study: StudyUid; instances: number; bytes: number; detail: string }

/** The doors to lists and images (`node/access/device-doors.ts`). */
export type QueryDoors = {
  search(caller: DeviceCaller, query: Query, purpose: 'query' | 'retrieve'): Promise<QueryResult>
  open(caller: DeviceCaller, study: StudyUid): Promise<StudyReader>
  transferring(caller: DeviceCaller, transfer: Transfer): Promise<void>
  transferred(
    caller: DeviceCaller,
    transfer: Transfer,
    outcome: 'success' | 'failure',
  ): Promise<void>
}

export const callerOf = ({ device, origin, certificate }: Request): DeviceCaller => ({
  ...(certificate && { certificate }),
  device: device.id,
  ae: origin.callingAe,
  address: origin.address,
})
