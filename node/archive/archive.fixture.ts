import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  CorrectionAct,
  VerifiedCorrection,
  VerifiedGrant,
  VerifiedSearch,
} from '#protocol/authorize.ts'
import type { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { element } from '../dicom/data-set.fixture.ts'
import { silentLog } from '../log.ts'
import type { Archive, Declared, Origin, Stored } from './archive.ts'
import type { Timers } from './completion.ts'
import { openArchive } from './level-archive.ts'
import type { ArchiveOptions } from './level-archive.ts'

export const holder = '1.2.643.5.1.13.13.12.2.42.1001' as OrganizationOid
const user = `${holder}#01HZZZZZZZZZZZZZZZZZZZZZZZ` as UserId

/** Proofs, which only the decision makes outside of tests. */
export const searchProof = { user, organization: holder } as VerifiedSearch
export const studyProof = (study: string): VerifiedGrant =>
  ({
    basis: 'own',
    operation: 'view',
    study: study as StudyUid,
    user,
    organization: holder,
    expiresAt: Number.MAX_SAFE_INTEGER,
  }) as unknown as VerifiedGrant

export const correctionProof = (act: CorrectionAct, reason = 'по заявлению'): VerifiedCorrection =>
  ({ act, user, organization: holder, reason }) as VerifiedCorrection

export const scanner: Origin = {
  kind: 'dimse',
  callingAe: 'CT1',
  calledAe: 'CAMI',
  address: '10.0.0.5',
  association: 'a1',
  device: 'ct-1',
}
export const stranger: Origin = {
  kind: 'dimse',
  callingAe: 'WHO',
  calledAe: 'CAMI',
  address: '10.0.0.9',
  association: 'a2',
}

export type Slice = {
  study: string
  series: string
  sop: string
  patientId?: string
  name?: string
  birthDate?: string
  date?: string
  time?: string
  modality?: string
  sopClass?: string
  institution?: string
  accession?: string
  number?: number
  pixels?: Uint8Array
}
const classUid = '1.2.840.10008.5.1.4.1.1.2'
export const explicitLittleEndian = '1.2.840.10008.1.2.1'

export const declare = (sopUid: string, sopClass = classUid): Declared => ({
  sopClass,
  sopUid,
  transferSyntax: explicitLittleEndian,
})

/** A well-formed data set, Explicit VR Little Endian. */
export function dataSet(slice: Slice): Buffer {
  const { pixels = new Uint8Array(8) } = slice
  const text = (tag: string, vr: string, value: string | undefined): Buffer[] =>
    value === undefined ? [] : [element(tag, vr, value)]
  return Buffer.concat([
    element('00080005', 'CS', 'ISO_IR 192'),
    element('00080016', 'UI', slice.sopClass ?? classUid),
    element('00080018', 'UI', slice.sop),
    ...text('00080020', 'DA', slice.date ?? '20260102'),
    ...text('00080030', 'TM', slice.time ?? '101500'),
    ...text('00080050', 'SH', slice.accession),
    element('00080060', 'CS', slice.modality ?? 'CT'),
    ...text('00080080', 'LO', slice.institution),
    element('0008103E', 'LO', 'Лёгкие'),
    element('00100010', 'PN', slice.name ?? 'Иванов^Пётр'),
    element('00100020', 'LO', slice.patientId ?? '42'),
    ...text('00100030', 'DA', slice.birthDate),
    element('0020000D', 'UI', slice.study),
    element('0020000E', 'UI', slice.series),
    element('00200013', 'IS', String(slice.number ?? 1)),
    element('7FE00010', 'OW', pixels),
  ])
}

/** Sends a data set as an association does: in parts, pausing when asked. */
export async function send(
  archive: Pick<Archive, 'ingest'>,
  bytes: Uint8Array,
  declared: Declared,
  { origin = scanner, partBytes = 16_384 } = {},
): Promise<Stored> {
  const sink = await archive.ingest(declared, origin)
  for (let at = 0; at < bytes.byteLength; at += partBytes) {
    if (!sink.write(bytes.subarray(at, at + partBytes))) await sink.drain()
  }
  return await sink.finish()
}

export const sendSlice = (
  archive: Pick<Archive, 'ingest'>,
  slice: Slice,
  origin: Origin = scanner,
): Promise<Stored> => send(archive, dataSet(slice), declare(slice.sop, slice.sopClass), { origin })

export async function readAll(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = []
  for await (const part of parts) read.push(part)
  return Buffer.concat(read)
}

/** The bytes of one instance, through the door that everybody takes. */
export async function fetch(archive: Archive, study: string, sop: string): Promise<Buffer> {
  await using reader = await archive.open(studyProof(study))
  const entry = (await reader.instances()).find((entry) => entry.sop === sop)
  if (entry === undefined) throw new Error(`no instance ${sop}`)
  return await readAll(reader.read(entry.sop))
}

/** Repeatable bytes. */
export function noise(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes + (bytes % 2))
  let state = seed * 2_654_435_761 + 1
  for (let i = 0; i < buffer.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    buffer[i] = state >>> 24
  }
  return buffer
}

export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'cami-archive-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Time that a test moves. */
export function createClock(start = 1_800_000_000_000) {
  let now = start
  const waiting = new Set<{ at: number; run: () => void }>()
  const timers: Timers = {
    now: () => now,
    after(ms, run) {
      const entry = { at: now + ms, run }
      waiting.add(entry)
      return () => waiting.delete(entry)
    },
  }
  return {
    timers,
    clock: () => now,
    move(ms: number) {
      now += ms
      for (const entry of waiting) {
        if (entry.at > now) continue
        waiting.delete(entry)
        entry.run()
      }
    },
  }
}

/** An archive in a folder, with what tests usually want. */
export function openTestArchive(
  dir: string,
  options: Partial<ArchiveOptions> = {},
): Promise<Archive> {
  let salt = 1
  return openArchive({
    dir,
    holder,
    log: silentLog,
    clock: () => 1_800_000_000_000,
    random: (bytes) => noise(bytes, salt++).subarray(0, bytes),
    freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
    ...options,
  })
}
