import { z } from 'zod'
import { toHex } from '#protocol/bytes.ts'
import type { EventParams } from '#protocol/control.ts'
import type { Epoch, EpochFacts } from '#protocol/epoch.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { Kid, PrivateJwk } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { cosign, parseCheckpoint } from '#protocol/transparency/checkpoint.ts'
import { isSame } from '#protocol/transparency/merkle.ts'
import {
  formatNote,
  isNoteSignedBy,
  parseNote,
  parseVerifierKey,
} from '#protocol/transparency/note.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '#protocol/turns.ts'
import {
  createWitnessing,
  hiddenBy,
  isUnknownToUs,
  withoutLogged,
  witnessOf,
  type OwnActs,
  type Witnessing,
} from './transparency-checks.ts'
import { InvalidEntry, openMirror, type Mirror, type Taken } from './transparency-mirror.ts'

/**
 * This node as a reader of the transparency log, and as one of its witnesses: it follows the log, believes what is
 * borne out, signs what it has seen, and raises an alarm about the rest.
 */
export type Transparency = {
  status(): TransparencyStatus
  /** Learns what there is now, over a link to the registry that is used from now on. */
  attach(connection: Pick<Connection, 'request'>): Promise<void>
  /** What the registry says of its log; true when it is witnessed again and was not. */
  take(checkpoints: EventParams<'log'>): Promise<boolean>
  /** Signs again what would grow old, with the registry's minute. */
  beat(): Promise<void>
  /** Another organization's node shows what it was shown; gives what we were. */
  compare(note: string): Promise<string | undefined>
  /** Checkpoints worth showing to others: the newest that was borne out, then what contradicts it. */
  notes(): string[]
  checkEpoch(claims: Epoch): Promise<void>
  /** Throws `log_unwitnessed` when the policy wants witnesses and they have been silent for too long. */
  checkWitnessed(): void
  /** What the log has ended taken out; nothing is fresh when witnesses have been silent for too long. */
  restrict(facts: EpochFacts): EpochFacts
}

export type TransparencyStatus = {
  policy: 'off' | 'required'
  size: number
  witnessing: Witnessing
  /** Whether this node is one of the witnesses. */
  isWitness: boolean
  /** There is evidence that the registry has shown different histories. */
  isFrozen: boolean
  alarms: number
}

export type TransparencyDeps = {
  trust: () => TrustList
  authority: Kid
  records: Pick<Records, 'find' | 'get' | 'put' | 'write'>
  dir: string
  now: () => number
  witnessKey?: PrivateJwk
  own: OwnActs
  onAlarm: (alarm: { code: ErrorCode; detail: string }) => Promise<void>
  log: Log
}

type State = {
  deps: TransparencyDeps
  mirror: Mirror
  request: Connection['request'] | undefined
  witnessed: string | undefined
  isFrozen: boolean
  /** What contradicts our history. */
  evidence: string | undefined
  cosigned: { text: string; at: number } | undefined
  /** Shown to somebody else, and longer than what we were shown. */
  ahead: { note: string; since: number } | undefined
  alarmed: Set<string>
}

const Evidence = z.strictObject({ ours: z.string(), theirs: z.string(), at: z.int() })

export async function openTransparency(deps: TransparencyDeps): Promise<Transparency> {
  const { now } = deps
  const state = await openState(deps)
  const inTurn = createTurns()
  const witnessingOf = createWitnessing()
  const witnessing = (): Witnessing =>
    witnessingOf(state.witnessed, { trust: deps.trust(), now: now() })
  const take = (checkpoints: EventParams<'log'>) =>
    inTurn(async () => {
      const before = witnessing()
      await follow(state, checkpoints)
      return before !== 'fresh' && witnessing() === 'fresh'
    })
  const learn = async (): Promise<void> => {
    if (state.request === undefined || deps.trust().log === undefined) return
    await take(await state.request('log.checkpoint', {}))
  }
  const isUnwitnessed = (): boolean =>
    deps.trust().policy.transparency !== 'off' && witnessing() === 'none'
  const checkWitnessed = (): void => {
    if (!isUnwitnessed()) return
    throw new ProtocolError('log_unwitnessed', 'too few witnesses have signed the log of late')
  }
  return {
    status: () => ({
      policy: deps.trust().policy.transparency,
      size: state.mirror.size(),
      witnessing: witnessing(),
      isWitness: witnessOf(deps.trust(), deps.witnessKey) !== undefined,
      isFrozen: state.isFrozen,
      alarms: state.alarmed.size,
    }),
    async attach(connection) {
      state.request = connection.request.bind(connection)
      await learn()
    },
    take,
    async beat() {
      await learn()
      await complainOfWithholding(state)
    },
    compare: (note) =>
      inTurn(async () => {
        await compare(state, note)
        return state.mirror.note()
      }),
    async checkEpoch(claims) {
      if (!needsPlace(claims, deps.trust())) return
      if (claims.log !== undefined && claims.log.size > state.mirror.size()) {
        await learn().catch((error: unknown) =>
          deps.log.warn({ code: codeOf(error) }, 'the transparency log was not followed'),
        )
      }
      await checkPlace(state, claims)
      checkWitnessed()
    },
    notes: () => [state.mirror.note(), state.evidence].filter((note) => note !== undefined),
    checkWitnessed,
    restrict(facts) {
      if (deps.trust().log === undefined) return facts
      const known = withoutLogged(facts, state.mirror.state())
      // Else a registry that withholds its log would have the beats' day after the witnesses' day.
      return isUnwitnessed() ? { ...known, freshAt: 0 } : known
    },
  }
}

async function openState(deps: TransparencyDeps): Promise<State> {
  const witnessed = await deps.records.get('log-mirror', 'witnessed')
  const evidence = await deps.records.find('log-evidence', 'first', Evidence)
  const isFrozen = evidence !== undefined
  if (isFrozen) deps.log.error('evidence against the transparency log is kept: it is frozen')
  return {
    deps,
    mirror: await openMirror(deps),
    request: undefined,
    witnessed: typeof witnessed === 'string' ? witnessed : undefined,
    isFrozen,
    evidence: evidence?.theirs,
    cosigned: undefined,
    ahead: undefined,
    alarmed: new Set(),
  }
}

/** Whether an epoch is held to the log; it may lack a place there only while the policy is off. */
function needsPlace({ log }: Epoch, trust: TrustList): boolean {
  if (trust.log === undefined) return false
  if (log !== undefined) return true
  if (trust.policy.transparency === 'off') return false
  throw new ProtocolError('log_inconsistent', 'an epoch without a place in the log')
}

/** An epoch stands at a place of the log that we know, and says what stands before it there. */
async function checkPlace(state: State, claims: Epoch): Promise<void> {
  const { deps, mirror } = state
  const { log } = claims
  const isRequired = deps.trust().policy.transparency === 'required'
  if (log === undefined) return
  if (log.size > mirror.size()) {
    if (!isRequired) return
    throw new ProtocolError('log_gap', 'the log is not shown up to the epoch’s place')
  }
  if (toHex(await mirror.rootAt(log.size)) !== log.root) {
    await alarm(state, { code: 'log_inconsistent', detail: `epoch of another log, ${log.size}` })
    if (isRequired) throw new ProtocolError('log_inconsistent', 'an epoch of another history')
  }
  for (const what of hiddenBy(claims, mirror.state())) {
    await alarm(state, { code: 'log_inconsistent', detail: `an epoch hides the end of ${what}` })
  }
}

async function follow(state: State, { newest, witnessed }: EventParams<'log'>): Promise<void> {
  const { deps, mirror } = state
  if (state.isFrozen) throw new ProtocolError('log_inconsistent', 'frozen at an older state')
  const { size } = checkpointOf(state, newest)
  if (size < mirror.size()) {
    await compare(state, newest)
    await alarm(state, { code: 'log_inconsistent', detail: `the log went back to ${size}` })
    throw new ProtocolError('log_inconsistent', 'the log is shorter than it was')
  }
  const isFirst = mirror.size() === 0
  if (size > mirror.size()) await advance(state, newest, isFirst)
  else await compare(state, newest)
  if (state.ahead !== undefined && checkpointOf(state, state.ahead.note).size <= mirror.size()) {
    const { note } = state.ahead
    state.ahead = undefined
    await compare(state, note)
  }
  if (witnessed !== undefined && witnessed !== state.witnessed) {
    await compare(state, witnessed)
    if (checkpointOf(state, witnessed).size <= mirror.size()) {
      await deps.records.put('log-mirror', 'witnessed', witnessed)
      state.witnessed = witnessed
    }
  }
  await witness(state)
}

async function advance(state: State, note: string, isFirst: boolean): Promise<void> {
  const { deps, mirror, request } = state
  if (request === undefined) throw new ProtocolError('unavailable', 'no link to the registry')
  let taken: Taken[]
  try {
    taken = await mirror.advance(note, async (from) => {
      return (await request('log.entries', { from })).entries
    })
  } catch (error) {
    if (error instanceof InvalidEntry) {
      const why = error.cause instanceof Error ? error.cause.message : ''
      await alarm(state, { code: 'log_malformed', detail: `log entry ${error.number}: ${why}` })
    } else if (codeOf(error) === 'log_inconsistent') await freeze(state, note)
    throw error
  }
  // What happened before this node first looked is history.
  for (const one of isFirst ? [] : taken) {
    if (!isUnknownToUs(one, deps.own)) continue
    const { number, entry } = one
    await alarm(state, {
      code: 'conflict',
      detail: `log entry ${number} names this organization: ${entry.kind}`,
    })
  }
}

/** Two checkpoints of one log must be two moments of one history. */
async function compare(state: State, note: string): Promise<void> {
  const { deps, mirror } = state
  const { size, root } = checkpointOf(state, note)
  if (size > mirror.size()) {
    state.ahead ??= { note, since: deps.now() }
    return
  }
  if (isSame(await mirror.rootAt(size), root)) return
  await freeze(state, note)
  throw new ProtocolError('log_inconsistent', 'two histories of one log')
}

async function complainOfWithholding(state: State): Promise<void> {
  const { ahead, deps, mirror } = state
  if (ahead === undefined) return
  // After a clock that was set back it is not known how long: it begins anew.
  ahead.since = Math.min(ahead.since, deps.now())
  if (deps.now() - ahead.since < transparencyLimits.withheldMs) return
  const { size } = checkpointOf(state, ahead.note)
  if (size > mirror.size()) {
    await alarm(state, { code: 'log_gap', detail: `the log is shown to others up to ${size}` })
  }
}

/** Both notes are kept: the log has signed each of them. */
async function freeze(state: State, theirs: string): Promise<void> {
  const { deps, mirror } = state
  const evidence = { ours: mirror.note() ?? '', theirs, at: deps.now() }
  if (!state.isFrozen) await deps.records.put('log-evidence', 'first', evidence)
  state.isFrozen = true
  state.evidence ??= theirs
  await alarm(state, { code: 'log_inconsistent', detail: 'two histories of the transparency log' })
}

async function alarm(state: State, what: { code: ErrorCode; detail: string }): Promise<void> {
  if (state.alarmed.has(what.detail) || state.alarmed.size >= alarmsMax) return
  state.alarmed.add(what.detail)
  state.deps.log.error({ code: what.code }, 'alarm about the transparency log')
  await state.deps.onAlarm(what)
}
const alarmsMax = 1000

/** The size and root of a note that the log has signed. */
function checkpointOf({ deps }: State, note: string) {
  const { log } = deps.trust()
  const parsed = parseNote(note)
  const key = log && parseVerifierKey(log.key)
  if (key === undefined || !isNoteSignedBy(parsed, key)) {
    throw new ProtocolError('token_bad_signature', 'a checkpoint that the log has not signed')
  }
  const checkpoint = parseCheckpoint(parsed.text)
  if (checkpoint.origin !== key.name) throw new ProtocolError('log_malformed', 'of another log')
  return checkpoint
}

/** Only what this node keeps already, on disk, is signed. */
async function witness(state: State): Promise<void> {
  const { deps, mirror, cosigned, request } = state
  const key = witnessOf(deps.trust(), deps.witnessKey)
  const note = mirror.note()
  if (key === undefined || deps.witnessKey === undefined || note === undefined) return
  if (state.isFrozen || !mirror.isComplete() || request === undefined) return
  const { text } = parseNote(note)
  const isRecent =
    cosigned !== undefined && Math.abs(deps.now() - cosigned.at) < transparencyLimits.freshMs / 4
  if (isRecent && cosigned.text === text) return
  const seconds = Math.floor(deps.now() / 1000)
  const signature = cosign(text, { name: key.name, key: deps.witnessKey }, seconds)
  await request('log.cosign', { checkpoint: formatNote({ text, signatures: [signature] }) })
  state.cosigned = { text, at: deps.now() }
}
