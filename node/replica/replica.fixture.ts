import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createFederation, now, studyRecord } from '#protocol/federation.fixture.ts'
import type { Federation, Party } from '#protocol/federation.fixture.ts'
import { SeriesUid, StudyUid } from '#protocol/ids.ts'
import { emptyHead } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead, IndexItem } from '#protocol/index-log.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Archive, ArchiveEvent } from '../archive/archive.ts'
import { silentLog } from '../log.ts'
import { openReplica } from './replica.ts'

export { createFederation, now }

export async function createFolder() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-replica-'))
  return {
    dir,
    open: () => openReplica({ dir, log: silentLog }),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}

export const uid = (number: number): StudyUid => StudyUid.parse(`1.2.643.5.${number}`)

export const record = (number: number, over: Partial<StudyRecord> = {}): StudyRecord => ({
  ...studyRecord,
  study: uid(number),
  series: [
    {
      uid: SeriesUid.parse(`1.2.643.5.${number}.1`),
      modality: 'CT',
      number: '1',
      description: 'лёгкие',
      bodyPart: 'CHEST',
      instances: 3,
    },
  ],
  instances: 3,
  bytes: 1000,
  state: 'complete',
  ...over,
})

/** Signs one organization's index log and keeps what it signed. */
export function createLogWriter(federation: Federation, party: Party) {
  let head: IndexHead = emptyHead
  const items: IndexItem[] = []
  return {
    items,
    async add(over: Partial<IndexEntry>): Promise<IndexItem> {
      const seq = head.seq + 1
      const chained = { org: party.urn, seq, prev: head.digest }
      const claims = federation.claims.indexEntry({ ...chained, ...over })
      const entry = await party.signer.sign('cami-index+jwt', claims)
      head = { seq, digest: await tokenDigest(entry) }
      const item: IndexItem = { org: party.oid, seq, entry }
      items.push(item)
      return item
    },
    async withheld(): Promise<IndexItem> {
      const seq = head.seq + 1
      const claims = federation.claims.indexEntry({ org: party.urn, seq, prev: head.digest })
      const entry = await party.signer.sign('cami-index+jwt', claims)
      head = { seq, digest: await tokenDigest(entry) }
      const item: IndexItem = { org: party.oid, seq, withheld: head.digest }
      items.push(item)
      return item
    },
  }
}

/** The part of an archive that the publisher reads, in memory; what is appended survives `restart`. */
export function createRecords() {
  const studies = new Map<StudyUid, StudyRecord>()
  const changes: { position: number; study: StudyUid }[] = []
  const appended: Uint8Array[] = []
  const listeners = new Set<(event: ArchiveEvent) => void>()
  const tell = (event: ArchiveEvent): void => {
    for (const listener of listeners) listener(event)
  }
  const disk = { isFull: false }
  const archive: Pick<Archive, 'record' | 'changes' | 'append' | 'replay' | 'on'> = {
    record: (study) => Promise.resolve(studies.get(study)),
    changes: (after, limit) =>
      Promise.resolve(changes.filter(({ position }) => position > after).slice(0, limit)),
    append(_, payload) {
      if (disk.isFull) return Promise.reject(new Error('no space left'))
      appended.push(payload)
      return Promise.resolve()
    },
    async *replay() {
      yield* appended
    },
    on(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return {
    archive,
    appended,
    disk,
    put(value: StudyRecord): void {
      studies.set(value.study, value)
      changes.push({ position: changes.length + 1, study: value.study })
      tell({ kind: 'instance-stored', study: value.study, sop: '1.2' as never })
    },
    complete(value: StudyRecord): void {
      studies.set(value.study, value)
      changes.push({ position: changes.length + 1, study: value.study })
      tell({ kind: 'study-complete', study: value.study, late: 0 })
    },
    remove(study: StudyUid): void {
      studies.delete(study)
      changes.push({ position: changes.length + 1, study })
      tell({ kind: 'study-complete', study, late: 0 })
    },
  }
}

export async function until(isDone: () => unknown, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await isDone())) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}
