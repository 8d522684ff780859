import { dimseLimits } from '#protocol/limits.ts'
import { createFindService } from './query/find-service.ts'
import { createGetService } from './retrieve/get-service.ts'
import { createMoveService, type MoveDeps } from './retrieve/move-service.ts'
import type { Service } from './service.ts'

/** C-FIND, C-GET and C-MOVE for registered devices (PS3.4 §C). */
export function createQueryRetrieve(
  deps: Omit<MoveDeps, 'limits'> & { limits?: Partial<MoveDeps['limits']> },
): Service[] {
  const limits = { ...dimseLimits, ...deps.limits }
  return [createFindService(deps), createGetService(deps), createMoveService({ ...deps, limits })]
}
