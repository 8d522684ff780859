import { tokenDigest } from '#protocol/jws.ts'
import type { LogEntry } from '#protocol/transparency/entries.ts'
import { listingOf, type Asker, type AttackWorld } from './attack-world.fixture.ts'

/** What an attacker does, and who then asks; every one of these must be refused. */
export type Attack = {
  actor: string
  name: string
  /** What stops it. */
  control: string
  run: (world: AttackWorld, pick: (bound: number) => number) => Promise<Attempt[]>
  /** What the holder must have raised within two beats. */
  alarm?: RegExp
}

/** A question to the holder, or a deed of another kind, which gives `read` when it succeeds. */
export type Attempt = Asker | (() => Promise<string>)

/** The second epoch, in which the one grant is over. */
export async function revoked(world: AttackWorld, over: object = {}): Promise<string> {
  const prev = await tokenDigest(world.first)
  const grants = [await listingOf(world.grant, 'revoked')]
  const epoch = await world.tellEpoch({ epoch: 2, prev, grants, ...over })
  await heard(world, 2)
  return epoch
}

export async function heard({ holderNode }: AttackWorld, epoch: number): Promise<void> {
  const deadline = performance.now() + 30_000
  while (holderNode().federation.epochFacts()?.epoch !== epoch) {
    if (performance.now() > deadline) throw new Error(`epoch ${epoch} was not taken`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** What the registry adds to the log that it shows to one organization. */
export function add(world: AttackWorld, more: LogEntry[], to = world.holder.oid): void {
  world.change({ entries: [...world.evil.viewOf(to).entries, ...more] }, to)
}
export const now = (world: AttackWorld): number => Math.floor(world.clock.now / 1000)
