import { hash } from 'node:crypto'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Sha256, Ulid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import { toleranceMs } from '#protocol/times.ts'
import type { Records } from '../store/records.ts'

/** Only the digest of the secret is kept: who reads the records cannot become anybody. */
export const Session = z.strictObject({
  account: Ulid,
  createdAt: z.int(),
  usedAt: z.int(),
  authTime: z.int(),
  /** Names the password that was given; sessions of before this was kept have the time alone. */
  passwordSetAt: z.int().exactOptional(),
  amr: z.array(z.enum(['pwd', 'otp', 'hwk'])),
  address: z.string(),
  workstation: z.string(),
})
export type Session = z.infer<typeof Session>

export const sessionId = (secret: string): Sha256 => hash('sha256', secret) as Sha256

/** Sessions that are not over, in memory, with a copy on the disk for the next start. */
export type SessionStore = {
  get(id: Sha256): Session | undefined
  /** The sessions of one person. */
  of(account: string): Sha256[]
  add(id: Sha256, session: Session): Promise<void>
  /** Notes the use; on the disk at most once in a minute. */
  use(id: Sha256, session: Session): Promise<void>
  end(id: Sha256): Promise<void>
  endAll(account: string): Promise<void>
  /**
   * What is over goes; then the longest unused of this person. A node full of live sessions refuses new ones
   * (`unavailable`).
   */
  makeRoom(account: string): Promise<void>
  count(): number
}

const kind = 'session'

export async function loadSessions(records: Records, clock: () => number): Promise<SessionStore> {
  const sessions = new Map<Sha256, Session>()
  /** When the last use of each was written down. */
  const writtenAt = new Map<Sha256, number>()
  for await (const { key, value: session } of records.list(kind, Session)) {
    if (isOver(session, clock())) await records.del(kind, key)
    else sessions.set(Sha256.parse(key), session)
  }
  const end = async (id: Sha256) => {
    sessions.delete(id)
    writtenAt.delete(id)
    await records.del(kind, id)
  }
  return {
    get: (id) => sessions.get(id),
    of: (account) => [...sessions].filter(([, one]) => one.account === account).map(([id]) => id),
    async add(id, session) {
      await records.put(kind, id, session)
      sessions.set(id, session)
    },
    async use(id, session) {
      const now = clock()
      session.usedAt = Math.max(session.usedAt, now)
      if (now - (writtenAt.get(id) ?? session.createdAt) < httpLimits.sessionPersistMs) return
      writtenAt.set(id, now)
      await records.put(kind, id, session)
    },
    end,
    async endAll(account) {
      for (const [id, session] of sessions) if (session.account === account) await end(id)
    },
    async makeRoom(account) {
      const own: [Sha256, Session][] = []
      for (const [id, session] of sessions) {
        if (isOver(session, clock())) await end(id)
        else if (session.account === account) own.push([id, session])
      }
      own.sort(([, one], [, other]) => one.usedAt - other.usedAt)
      const excess = Math.max(0, own.length - httpLimits.sessionsPerAccount + 1)
      for (const [id] of own.slice(0, excess)) await end(id)
      if (sessions.size < httpLimits.sessionsMax) return
      throw new ProtocolError('unavailable', 'there are too many sessions')
    },
    count: () => sessions.size,
  }
}

/** One from the future, too: the clock that began it was wrong, and no door believes it. */
export const isOver = ({ createdAt, usedAt }: Session, now: number): boolean =>
  Math.abs(now - usedAt) >= httpLimits.sessionIdleMs ||
  now - createdAt >= httpLimits.sessionMs ||
  createdAt > now + toleranceMs
