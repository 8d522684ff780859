import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Sha256 } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import { createArrival } from './arrival.ts'
import type { Arrival, ArrivalLimits } from './arrival.ts'
import type { Copies } from './copies.ts'

export type ArrivalsDeps = {
  /** Holds `<sha256>`: chunks of instances that are not complete. */
  dir: string
  copies: Copies
  limits: ArrivalLimits & { transferAgeMs: number }
  clock: () => number
}

/** Everything that is on its way here, each instance once. */
export type Arrivals = AsyncDisposable & {
  of(instance: ManifestInstance): Arrival
  known(sha256: Sha256): Arrival | undefined
  /** Somebody brings it, or it has just failed. */
  isTaken(sha256: Sha256): boolean
  /** Its study is not read any more: it goes as soon as nobody brings it or waits for it. */
  release(sha256: Sha256): Promise<void>
  /** One who brought it or waited for it has left. */
  left(arrival: Arrival): Promise<void>
}

export async function openArrivals({
  dir,
  copies,
  limits,
  clock,
}: ArrivalsDeps): Promise<Arrivals> {
  await removeOld(dir, clock() - limits.transferAgeMs, copies)
  const arrivals = new Map<Sha256, Arrival>()
  const leaving = new Set<Arrival>()
  const isUsed = (one: Arrival): boolean => one.claim !== undefined || one.demands > 0
  const left = async (arrival: Arrival): Promise<void> => {
    if (isUsed(arrival) || !(arrival.isDone() || leaving.has(arrival))) return
    leaving.delete(arrival)
    const { chunksRoot } = arrival.instance
    if (arrivals.get(chunksRoot) === arrival) arrivals.delete(chunksRoot)
    await arrival.close()
  }
  return {
    of(instance) {
      const known = arrivals.get(instance.chunksRoot)
      // One that was done and whose copy has gone since is brought again.
      if (known !== undefined && !known.isDone()) {
        leaving.delete(known)
        return known
      }
      const file = path.join(dir, instance.chunksRoot)
      const made = createArrival({ instance, file, copies, limits, clock })
      arrivals.set(instance.chunksRoot, made)
      return made
    },
    known: (sha256) => arrivals.get(sha256),
    isTaken(sha256) {
      const known = arrivals.get(sha256)
      if (known === undefined || known.isDone()) return false
      return isUsed(known) || known.failure() !== undefined
    },
    async release(sha256) {
      const known = arrivals.get(sha256)
      if (known === undefined) return
      leaving.add(known)
      await left(known)
    },
    left,
    async [Symbol.asyncDispose]() {
      await Promise.all([...arrivals.values()].map((one) => one.close()))
    },
  }
}

async function removeOld(dir: string, before: number, copies: Copies): Promise<void> {
  await mkdir(dir, { recursive: true })
  for (const name of await readdir(dir)) {
    const file = path.join(dir, name)
    const { mtimeMs } = await stat(file)
    if (mtimeMs < before || copies.has(name as Sha256)) await rm(file, { force: true })
  }
}
