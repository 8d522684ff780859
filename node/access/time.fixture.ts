import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { verifyBeat } from '#protocol/epoch.ts'
import { createFederation, now as start } from '#protocol/federation.fixture.ts'
import { silentLog } from '../log.ts'
import { openTime } from './time.ts'
import type { ClockAlarm, Time } from './time.ts'

const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
const year = 365 * 24 * hour
const staleAfter = 24 * hour

type Clock = 'right' | 'back' | 'ahead' | 'days-ahead' | 'frozen' | 'jitter'

/** A host with a clock that can be wrong, a node on it, and a registry whose clock is right. */
export async function createHost() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-time-'))
  const federation = await createFederation()
  const { sign, holder, claims } = federation
  const trust = claims.trustList()
  // `truth` is what no node can see.
  const host = { truth: start, offset: 0, frozenAt: undefined as number | undefined, boot: 1 }
  const up = { since: start - hour }
  const alarms: ClockAlarm[] = []
  const fresh = { at: 0 }
  const clock = (): number => host.frozenAt ?? host.truth + host.offset
  const onAlarm = (code: ClockAlarm): Promise<void> => {
    alarms.push(code)
    return Promise.resolve()
  }
  const common = { self: holder.oid, trust: () => trust, clock, dir, log: silentLog, onAlarm }
  const open = (): Promise<Time> => {
    const { since } = up
    const monotonic = { read: () => host.truth - since, boot: `boot-${host.boot}` }
    return openTime({ ...common, monotonic })
  }
  const node = { time: await open() }
  return {
    dir,
    host,
    alarms,
    federation,
    time: () => node.time,
    async pass(ms: number) {
      host.truth += ms
      await node.time.tick()
    },
    set(kind: Clock) {
      host.frozenAt = kind === 'frozen' ? clock() : undefined
      const offsets = { back: -48 * hour, ahead: 10 * year, 'days-ahead': 60 * hour }
      host.offset = Object.hasOwn(offsets, kind) ? offsets[kind as keyof typeof offsets] : 0
    },
    jump(ms: number) {
      host.offset += ms
    },
    /** The registry confirms the set of grants; what is not believed makes nothing fresh. */
    async beat() {
      const iat = Math.floor(host.truth / second)
      const token = await sign.beat('00'.repeat(32) as never, { iat })
      await node.time.hear(token)
      const expected = { trust, audience: holder.urn, now: node.time.now() }
      const isTaken = await verifyBeat(token, expected).then(
        () => true,
        () => false,
      )
      if (isTaken) fresh.at = Math.max(fresh.at, iat * second)
    },
    async restart() {
      node.time = await open()
    },
    async reboot(offFor: number) {
      host.truth += offFor
      host.boot += 1
      up.since = host.truth
      node.time = await open()
    },
    /** As the decision does it: a grant of this end is in force, and its set is fresh. */
    accepts: (end: number): boolean =>
      node.time.isTrusted() && node.time.now() < end && node.time.now() < fresh.at + staleAfter,
    /** By the truth. */
    isExpired: (end: number, tolerance: number): boolean =>
      host.truth >= Math.min(end, fresh.at + staleAfter) + tolerance,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}

export type Drill = { accepted: number; expired: number; refused: number; recovered: boolean }

/** A random history of one clock: what was accepted after its end, and whether a mended clock mends the node. */
export async function runDrill(random: () => number, steps: number): Promise<Drill> {
  await using host = await createHost()
  const drill: Drill = { accepted: 0, expired: 0, refused: 0, recovered: false }
  const below = (bound: number): number => Math.floor(random() * bound)
  const kinds: Clock[] = ['right', 'back', 'ahead', 'days-ahead', 'frozen', 'jitter']
  // A frozen clock and an unkept minute are found out within this.
  const tolerance = 4 * minute
  let kind: Clock = 'right'
  let end = start + below(72) * hour
  await host.beat()
  for (let step = 0; step < steps; step++) {
    const what = below(6)
    if (what === 0) host.set((kind = kinds[below(kinds.length)] ?? 'right'))
    else if (what === 1) await host.restart()
    else if (what === 2 && kind !== 'frozen') await host.reboot(below(60) * minute)
    else if (what === 3) await host.beat()
    else await host.pass(below(2) === 0 ? below(180) * second : below(16) * hour)
    if (kind === 'jitter') host.jump(below(2) === 0 ? second : -second)
    if (host.host.truth > end + 48 * hour) end = host.host.truth + below(72) * hour
    // Authority is judged in both ways in which it ends, by its own end and by the age of its set.
    for (const one of [end, start + year]) {
      if (!host.accepts(one)) drill.refused += 1
      else if (host.isExpired(one, tolerance)) drill.expired += 1
      else drill.accepted += 1
    }
  }
  host.set('right')
  await host.pass(minute)
  await host.beat()
  const { time } = host
  const off = Math.abs(time().now() - host.host.truth)
  drill.recovered = time().isTrusted() && off <= 2 * minute
  return drill
}
