import { z } from 'zod'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { Log } from '../log.ts'
import type { InstanceRow, StudyRow } from './catalog-rows.ts'
import { stateOf } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { copyInstance, knownInstance } from './record-copy.ts'
import type { CopyParts } from './record-copy.ts'

const days = z.number().min(0).max(36_500)

/** How long bytes are kept here when somebody else has them too. Without another copy they are kept for ever. */
export const RetentionPolicy = z.strictObject({
  /** Days since a study's last instance came; by modality, and `default`. A study of several keeps the longest. */
  keepDays: z.record(z.string().min(1).max(16), days),
  /** Studies of which nothing is ever moved away. */
  legalHold: z.array(StudyUid).default([]),
  /** While less than this fraction of the disk is free, these days count instead when they are fewer. */
  lowSpace: z
    .strictObject({ freeFraction: z.number().min(0).max(1), keepDays: days })
    .exactOptional(),
  /** A proof that is older must be renewed. */
  proofDays: z.number().min(0).max(365).default(7),
})
export type RetentionPolicy = z.infer<typeof RetentionPolicy>

/** That another place holds the very same bytes and has read them: what an eviction rests on. */
export const CopyProof = z.strictObject({
  /** A result of Storage Commitment for what was sent there, or the signed manifest of whoever holds it. */
  kind: z.enum(['storage-commitment', 'manifest']),
  sop: SopUid,
  sha256: Sha256,
  bytes: z.int().min(0),
  /** AE title, or an organization's OID. */
  to: z.string().min(1).max(64),
  /** When it was read there, in milliseconds. */
  verifiedAt: z.int().min(0),
})
export type CopyProof = z.infer<typeof CopyProof>

/** Asks the places that may hold a copy. */
export type FindProof = (instance: {
  study: StudyUid
  sop: SopUid
  sha256: Sha256
  bytes: number
}) => Promise<CopyProof | undefined>

export type RetentionParts = {
  copying: CopyParts
  catalog: Pick<Catalog, 'allStudies' | 'instancesOf' | 'receivedInstance' | 'study'>
  policy: RetentionPolicy
  findProof: FindProof
  freeFraction: () => Promise<number>
  clock: () => number
  log: Log
  /** The archive closes: what is left is for the next time. */
  signal: AbortSignal
  /** So many instances of a study left. */
  moved: (study: StudyUid, left: { instances: number; bytes: number; to: string[] }) => void
}
export type Retained = { evicted: number; bytes: number; withoutCopy: number }

const dayMs = 24 * 3600 * 1000

/** Moves away what the policy does not want here any more and what is safe elsewhere; everything else stays. */
export async function retain(parts: RetentionParts): Promise<Retained> {
  const { catalog, policy, findProof, clock, log, signal } = parts
  const done: Retained = { evicted: 0, bytes: 0, withoutCopy: 0 }
  const isLow = (await parts.freeFraction()) < (policy.lowSpace?.freeFraction ?? 0)
  for await (const study of catalog.allStudies()) {
    if (signal.aborted) break
    if (!isDue(policy, study, { now: clock(), isLow })) continue
    const left = { instances: 0, bytes: 0, to: new Set<string>() }
    for await (const row of catalog.instancesOf(study.study)) {
      if (signal.aborted) break
      if (row.evicted !== undefined) continue
      const { sop, sha256, bytes } = row
      const proof = await findProof({ study: study.study, sop, sha256, bytes }).catch(
        (error: unknown) => {
          log.warn({ code: codeOf(error) }, 'whether another copy exists could not be asked')
          return undefined
        },
      )
      if (proof === undefined || !isProof(parts, row, proof)) {
        done.withoutCopy++
        continue
      }
      if (!(await tryEvict(parts, proof))) continue
      left.instances++
      left.bytes += bytes
      left.to.add(proof.to)
    }
    if (left.instances === 0) continue
    done.evicted += left.instances
    done.bytes += left.bytes
    parts.moved(study.study, { ...left, to: [...left.to] })
  }
  return done
}

function isDue(
  { keepDays, legalHold, lowSpace }: RetentionPolicy,
  study: StudyRow,
  { now, isLow }: { now: number; isLow: boolean },
): boolean {
  if (legalHold.includes(study.study) || stateOf(study) !== 'complete') return false
  const wanted = study.modalities.map((modality) => keepDays[modality] ?? keepDays['default'])
  const fallback = keepDays['default'] ?? Infinity
  const kept = wanted.length === 0 ? fallback : Math.max(...wanted.map((one) => one ?? Infinity))
  const longest = isLow ? Math.min(kept, lowSpace?.keepDays ?? kept) : kept
  return now - study.lastReceivedAt > longest * dayMs
}

/** The same bytes, read there not long ago, and not in a time that has yet to come. */
function isProof(
  { policy, clock }: Pick<RetentionParts, 'policy' | 'clock'>,
  row: Pick<InstanceRow, 'sop' | 'sha256' | 'bytes'>,
  proof: CopyProof,
): boolean {
  const age = clock() - proof.verifiedAt
  return (
    CopyProof.safeParse(proof).success &&
    proof.sop === row.sop &&
    proof.sha256 === row.sha256 &&
    proof.bytes === row.bytes &&
    age >= 0 &&
    age <= policy.proofDays * dayMs
  )
}

/** What cannot leave stays, and keeps nothing else here; the next time it is tried again. */
async function tryEvict(parts: RetentionParts, proof: CopyProof): Promise<boolean> {
  try {
    await evict(parts, proof)
    return true
  } catch (error) {
    if (codeOf(error) === 'storage_failed') throw error
    parts.log.warn({ code: codeOf(error), err: error }, 'an instance could not be moved away')
    return false
  }
}

/** The only way by which bytes leave an archive. Throws `conflict` when the proof does not hold for them. */
async function evict(parts: RetentionParts, proof: CopyProof): Promise<void> {
  const { copying, policy, clock } = parts
  const known = knownInstance(copying.catalog, proof.sop)
  const isSafe =
    known !== undefined &&
    !policy.legalHold.includes(known.entry.study) &&
    isProof(parts, known.entry, proof)
  if (!isSafe) throw new ProtocolError('conflict', 'no other verified copy of these bytes is known')
  await copyInstance(copying, known, { to: proof.to, at: clock() })
}
