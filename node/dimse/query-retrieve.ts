import type { Device } from '../config.ts'
import type { Log } from '../log.ts'
import { createFindService, type QueryDoors } from './query/find-service.ts'
import type { Service } from './service.ts'

/** C-FIND, C-GET and C-MOVE for registered devices (PS3.4 §C). */
export function createQueryRetrieve(deps: {
  doors: QueryDoors
  aeTitle: string
  /** The register, where destinations of C-MOVE are found. */
  devices: () => readonly Device[]
  log: Log
}): Service[] {
  return [createFindService(deps)]
}
