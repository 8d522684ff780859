import type { AuditEntry } from '#protocol/audit-event.ts'
import { authorizeRemoteArchive } from '#protocol/authorize.ts'
import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { ulid, type OrganizationOid, type SeriesUid, type StudyUid } from '#protocol/ids.ts'
import { remoteArchiveLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { startOf } from '../apparatus.ts'
import type { Device } from '../config.ts'
import type { Federation } from './federation.ts'
import { refusal } from './refusal.ts'
import type { SessionUser } from './session-user.ts'

export type RemoteQuery = { level: 'STUDY' | 'SERIES'; match: Record<string, string> }
export type RemoteObject = { study: StudyUid; series?: SeriesUid }
type Counts = { remaining?: number; completed: number; failed: number; warning: number }

/** One transfer from another archive to this one. */
export type RemoteMove = RemoteObject & {
  id: string
  device: string
  user: string
  state: 'running' | 'done' | 'cancelled' | 'failed'
  code?: ErrorCode
  startedAt: number
  endedAt?: number
  counts: Counts
}

/**
 * The doors through which people ask other archives of the register (form № 4) over DIMSE, and have them send to this
 * one. Each decides and writes the audit record before anything is asked; a refusal is audited too.
 */
export type RemoteArchiveDoors = AsyncDisposable & {
  list(user: SessionUser): Promise<Device[]>
  echo(user: SessionUser, device: string): Promise<void>
  find(
    user: SessionUser,
    device: string,
    query: RemoteQuery,
  ): Promise<{ matches: DicomJson[]; more: boolean }>
  /** Begins; `moves` tells how far it is. */
  move(user: SessionUser, device: string, what: RemoteObject): Promise<RemoteMove>
  moves(user: SessionUser): Promise<RemoteMove[]>
  cancel(user: SessionUser, id: string): Promise<RemoteMove>
}

type Deps = {
  /** Who asks over the network (`node/dimse/remote-archive.ts`). */
  remote: {
    echo(device: Device): Promise<void>
    find(device: Device, query: RemoteQuery): Promise<{ matches: DicomJson[]; more: boolean }>
    move(
      device: Device,
      what: RemoteObject,
      watch: { signal: AbortSignal; onProgress: (counts: Counts) => void },
    ): Promise<Counts>
  }
  audit: { append(entry: AuditEntry): Promise<unknown> }
  devices: { list(): readonly Device[]; get(id: string): Device | undefined }
  federation: Pick<Federation, 'policy'>
  self: { oid: OrganizationOid }
  clock: () => number
  random: (bytes: number) => Uint8Array
}

export function createRemoteArchiveDoors(deps: Deps): RemoteArchiveDoors {
  const { remote, devices, clock } = deps
  const { decide, record } = createDecision(deps)
  const moves = createMoves(deps, record)

  const archiveOf = (id: string): Device => {
    const device = devices.get(id)
    if (device === undefined || !isArchive(device, clock())) {
      throw new ProtocolError('not_found', 'no such archive')
    }
    return device
  }
  /** Asks once it is written down that it is asked; and again how it ended, when it failed. */
  const asking = async <T>(
    user: SessionUser,
    what: Pick<AuditEntry, 'detail'>,
    ask: () => Promise<T>,
  ): Promise<T> => {
    await record(user, { event: 'query', outcome: 'success', ...what })
    try {
      return await ask()
    } catch (error) {
      await record(user, { event: 'query', outcome: 'failure', code: codeOf(error), ...what })
      throw error
    }
  }
  return {
    async list(user) {
      await decide(user)
      return devices.list().filter((device) => isArchive(device, clock()))
    },
    async echo(user, id) {
      await decide(user)
      const device = archiveOf(id)
      await asking(user, { detail: `C-ECHO at ${device.aeTitle}` }, () => remote.echo(device))
    },
    async find(user, id, query) {
      await decide(user)
      const device = archiveOf(id)
      const detail = `C-FIND ${query.level} at ${device.aeTitle}`
      return await asking(user, { detail }, () => remote.find(device, query))
    },
    async move(user, id, what) {
      await decide(user)
      return await moves.start(user, archiveOf(id), what)
    },
    async moves(user) {
      await decide(user)
      return moves.list()
    },
    async cancel(user, id) {
      await decide(user)
      return moves.cancel(id)
    },
    [Symbol.asyncDispose]: moves.end,
  }
}

/** What listens can be asked, from its day on. */
const isArchive = (device: Device, now: number): boolean =>
  device.port !== undefined && startOf(device) <= now

type Recorded = Pick<AuditEntry, 'event' | 'outcome'> & Partial<AuditEntry>
type Recorder = (user: SessionUser, entry: Recorded) => Promise<void>

function createDecision({ audit, federation, self, clock }: Deps) {
  const record: Recorder = async (user, entry) => {
    await audit.append({
      organization: self.oid,
      user: user.uid,
      role: user.roles.join(' ').slice(0, 32),
      source: (user.workstation === '' ? user.address : user.workstation).slice(0, 128),
      holder: self.oid,
      ...entry,
    })
  }
  return {
    record,
    async decide(user: SessionUser): Promise<void> {
      const decision = authorizeRemoteArchive({
        user,
        self: self.oid,
        now: clock(),
        policy: federation.policy(),
      })
      if (decision.ok) return
      await record(user, { event: 'query', outcome: 'denied', code: decision.code })
      throw refusal(decision.code, 'not to be asked for')
    },
  }
}

type Running = { move: RemoteMove; cancel: AbortController; done: Promise<void> }

/** Transfers that run, and the last ones that ended; nothing of them outlives the process. */
function createMoves({ remote, clock, random }: Deps, record: Recorder) {
  const known = new Map<string, Running>()
  const running = () => [...known.values()].filter(({ move }) => move.state === 'running')

  const run = async (user: SessionUser, device: Device, { move, cancel }: Running) => {
    const about = { study: move.study, detail: `C-MOVE from ${device.aeTitle}` }
    const { signal } = cancel
    try {
      const onProgress = (counts: Counts) => void (move.counts = counts)
      move.counts = await remote.move(device, move, { signal, onProgress })
      move.state = move.counts.failed > 0 ? 'failed' : 'done'
      if (move.counts.failed > 0) move.code = 'not_acceptable'
    } catch (error) {
      move.state = signal.aborted ? 'cancelled' : 'failed'
      move.code = signal.aborted ? 'aborted' : codeOf(error)
    }
    move.endedAt = clock()
    const { completed, warning } = move.counts
    const outcome = move.state === 'done' ? 'success' : 'failure'
    const code = move.code === undefined ? {} : { code: move.code }
    await record(user, {
      event: 'import',
      outcome,
      ...about,
      ...code,
      instances: completed + warning,
    })
  }
  return {
    async start(user: SessionUser, device: Device, what: RemoteObject): Promise<RemoteMove> {
      if (running().length >= remoteArchiveLimits.movesRunningMax) {
        throw new ProtocolError('unavailable', 'too much is being fetched')
      }
      const [startedAt, counts] = [clock(), { completed: 0, failed: 0, warning: 0 }]
      const about = { id: ulid(startedAt, random(10)), device: device.id, user: user.uid }
      const move: RemoteMove = { ...what, ...about, state: 'running', startedAt, counts }
      const one: Running = { move, cancel: new AbortController(), done: Promise.resolve() }
      // Its place is taken before anything is waited for.
      known.set(move.id, one)
      forget(known)
      const detail = `C-MOVE from ${device.aeTitle}`
      const entry = { event: 'begin-transferring', outcome: 'success', study: what.study } as const
      try {
        await record(user, { ...entry, detail })
      } catch (error) {
        known.delete(move.id)
        throw error
      }
      // Its end is in the move; a record of it that could not be written stops what comes next.
      one.done = run(user, device, one).catch(() => undefined)
      return { ...move }
    },
    list: (): RemoteMove[] => [...known.values()].map(({ move }) => ({ ...move })).toReversed(),
    cancel(id: string): RemoteMove {
      const one = known.get(id)
      if (one === undefined) throw new ProtocolError('not_found', 'no such transfer')
      one.cancel.abort()
      return { ...one.move }
    },
    async end(): Promise<void> {
      for (const { cancel } of running()) cancel.abort()
      await Promise.all([...known.values()].map(({ done }) => done))
    },
  }
}

function forget(known: Map<string, Running>): void {
  const ended = [...known].filter(([, { move }]) => move.state !== 'running')
  const excess = ended.length - remoteArchiveLimits.movesKeptMax
  for (const [id] of ended.slice(0, Math.max(0, excess))) known.delete(id)
}
