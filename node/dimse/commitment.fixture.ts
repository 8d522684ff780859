import { randomBytes } from 'node:crypto'
import type { Archive } from '../archive/archive.ts'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { dimseLimits } from '#protocol/limits.ts'
import type { Device } from '../config.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords, type Records } from '../store/records.ts'
import { CommitmentReport, createCommitment, type Connect } from './commitment.ts'
import type { CommitmentResult } from './commitment-data.ts'
import { openAssociation } from './scu-association.ts'

/** Associations of the node itself, as `CAMI`. */
export const connectAs =
  (callingAe: string): Connect =>
  async (target, pairs, onRequest) =>
    openAssociation({
      ...target,
      callingAe,
      pairs,
      limits: dimseLimits,
      ...(onRequest && { onRequest }),
    })

/** Storage commitment over real records; `reopen` is a restart. */
export async function openCommitment(deps: {
  archive: Pick<Archive, 'verify'>
  devices: Device[]
  delayMs?: number
  referencesWaitingMax?: number
  reportsPerDeviceMax?: number
  around?: (records: Records) => Records
}) {
  const folder = await temporaryFolder()
  const results: CommitmentResult[] = []
  const start = async () => {
    const records = await openRecords(folder.path)
    const reports = await openJobQueue({
      records: deps.around?.(records) ?? records,
      kind: 'commitment-report',
      work: CommitmentReport,
      clock: Date.now,
      random: randomBytes,
      limits: { delayMs: deps.delayMs ?? 50 },
    })
    const { referencesWaitingMax, reportsPerDeviceMax } = deps
    const service = createCommitment({
      ...(referencesWaitingMax !== undefined && { referencesWaitingMax }),
      ...(reportsPerDeviceMax !== undefined && { reportsPerDeviceMax }),
      archive: deps.archive,
      reports,
      devices: { get: (id) => deps.devices.find((device) => device.id === id) },
      connect: connectAs('CAMI'),
      onResult: async (result) => void results.push(result),
      clock: Date.now,
      log: silentLog,
    })
    return { records, reports, service }
  }
  let current = await start()
  const stop = async () => {
    await current.service[Symbol.asyncDispose]()
    await current.records[Symbol.asyncDispose]()
  }
  return {
    results,
    service: () => current.service,
    reports: () => current.reports,
    async reopen() {
      await stop()
      current = await start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}
