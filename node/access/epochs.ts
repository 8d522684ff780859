import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { epochFacts, nextEpochState, verifyBeat, verifyEpoch } from '#protocol/epoch.ts'
import type { Epoch, EpochFacts, EpochMark } from '#protocol/epoch.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { Sha256, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Verified } from '#protocol/jws.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { readMark, writeMark } from './mark-file.ts'

/** What this node believes of its own grant set, and since when nobody has confirmed it. */
export type Epochs = {
  facts(): EpochFacts | undefined
  /** `iat` of the newest thing the registry signed for us, milliseconds: time has been at least there. */
  lastIssued(): number
  accept(token: string): Promise<'accept' | 'same'>
  /** `behind`: the beat confirms an epoch that has not come here yet. */
  beat(token: string): Promise<'accept' | 'behind'>
}

type Deps = {
  self: OrganizationOid
  trust: () => TrustList
  now: () => number
  records: Pick<Records, 'get' | 'write' | 'list' | 'put'>
  dir: string
  log: Log
  /** Throws when the transparency log does not bear an epoch out, or nobody witnesses it any more. */
  checkLog?: { epoch(claims: Epoch): Promise<void>; beat(): void }
  /** The registry has signed two things that cannot both be true. */
  onEvidence: () => Promise<void>
}

type Current = { token: string; verified: Verified<Epoch>; freshAtSeconds: number }

const Mark = z.strictObject({ epoch: z.int().min(1), digest: Sha256 })
const keptEpochs = 16
const keyOf = (epoch: number): string => String(epoch).padStart(16, '0')

/**
 * The number of an accepted epoch never decreases, whatever happens to the database: every epoch stands under its own
 * key that is never rewritten, and the highest number also in a file of its own. A database that was put back from a
 * copy, or that forgot its last writes, then closes access until the registry has been heard again.
 */
export async function openEpochs(deps: Deps): Promise<Epochs> {
  const { records, log } = deps
  const expected = () => ({ trust: deps.trust(), audience: urnOf(deps.self), now: deps.now() })
  const file = path.join(deps.dir, 'epoch-high-water.json')
  await mkdir(deps.dir, { recursive: true, mode: 0o700 })
  let current = await readNewest(deps, expected())
  let mark = higher(await readMark<EpochMark>(file, Mark), current)
  let isFrozen = (await records.get('epoch-evidence', 'first')) !== undefined
  if (isFrozen) log.error('evidence against the registry is kept: newer epochs are not accepted')

  const freeze = async (...tokens: string[]): Promise<never> => {
    log.error({ epoch: mark?.epoch }, 'the registry signed two epochs of one number')
    await records.put('epoch-evidence', 'first', { tokens, at: deps.now() })
    isFrozen = true
    await deps.onEvidence()
    throw new ProtocolError('epoch_equivocation', 'two contents of one epoch')
  }
  const isCurrent = (): boolean => current?.verified.digest === mark?.digest
  return {
    facts: () =>
      current !== undefined && isCurrent()
        ? epochFacts(current.verified.claims, current.freshAtSeconds)
        : undefined,
    lastIssued: () => (current?.freshAtSeconds ?? 0) * 1000,
    async accept(token) {
      const verified = await verifyEpoch(token, expected())
      const next = nextEpochState(mark, verified)
      if (next === 'epoch_equivocation') return await freeze(current?.token ?? '', token)
      if (isFrozen) throw new ProtocolError('epoch_equivocation', 'frozen at an older epoch')
      if (next !== 'accept' && next !== 'same') {
        throw new ProtocolError(next, 'not a successor of the epoch in force')
      }
      await deps.checkLog?.epoch(verified.claims)
      // The same number with the same content is taken too: the file may know it while the database does not.
      if (next === 'same' && isCurrent()) return 'same'
      const { epoch, iat } = verified.claims
      const old = await keysBefore(records, epoch)
      await records.write([
        { type: 'put', kind: 'epoch', key: keyOf(epoch), value: token },
        ...old.map((key) => ({ type: 'del', kind: 'epoch', key }) as const),
      ])
      await writeMark(file, { epoch, digest: verified.digest })
      current = { token, verified, freshAtSeconds: iat }
      mark = { epoch, digest: verified.digest }
      return 'accept'
    },
    async beat(token) {
      const { claims } = await verifyBeat(token, expected())
      if (isFrozen) throw new ProtocolError('epoch_equivocation', 'frozen at an older epoch')
      if (current === undefined || !isCurrent() || claims.epoch > current.verified.claims.epoch) {
        return 'behind'
      }
      if (claims.epoch < current.verified.claims.epoch) {
        throw new ProtocolError('epoch_rollback', 'a beat of an older epoch')
      }
      if (claims.sha256 !== current.verified.digest) return await freeze(current.token, token)
      if (claims.iat <= current.freshAtSeconds) return 'accept'
      deps.checkLog?.beat()
      await records.put('epoch-beat', 'newest', token)
      current = { ...current, freshAtSeconds: claims.iat }
      return 'accept'
    },
  }
}

/** The newest epoch of the records; beats that confirm it make it fresh again. */
async function readNewest(
  { records, log }: Deps,
  expected: Parameters<typeof verifyEpoch>[1],
): Promise<Current | undefined> {
  let token: unknown
  for await (const { value } of records.list('epoch', z.unknown())) token = value
  if (typeof token !== 'string') return undefined
  try {
    const verified = await verifyEpoch(token, expected)
    const { epoch, iat } = verified.claims
    const kept = await records.get('epoch-beat', 'newest')
    const beat =
      typeof kept === 'string' ? await verifyBeat(kept, expected).catch(() => undefined) : undefined
    const isOfIt = beat?.claims.epoch === epoch && beat.claims.sha256 === verified.digest
    return { token, verified, freshAtSeconds: isOfIt ? Math.max(iat, beat.claims.iat) : iat }
  } catch (err) {
    log.warn({ err }, 'the newest epoch here is not valid any more')
    return undefined
  }
}

function higher(mark: EpochMark | undefined, current: Current | undefined): EpochMark | undefined {
  if (current === undefined) return mark
  const { claims, digest } = current.verified
  if (mark !== undefined && mark.epoch > claims.epoch) return mark
  return { epoch: claims.epoch, digest }
}

async function keysBefore(records: Pick<Records, 'list'>, epoch: number): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of records.list('epoch', z.unknown()))
    if (key < keyOf(epoch)) keys.push(key)
  return keys.slice(0, Math.max(0, keys.length - keptEpochs))
}
