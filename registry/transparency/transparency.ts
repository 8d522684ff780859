import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { Kid, OrganizationOid } from '#protocol/ids.ts'
import { publicJwk } from '#protocol/keys.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { keyIdOf, parseVerifierKey, signatureType } from '#protocol/transparency/note.ts'
import { quorumOf } from '#protocol/transparency/checkpoint.ts'
import type { EventParams } from '#protocol/control.ts'
import { readPrivateKey } from '../config.ts'
import type { Credentials } from '../credentials.ts'
import { isListed, readGrants } from '../grant-rows.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Trust } from '../trust.ts'
import type { Withdrawals } from '../withdrawals.ts'
import { openCosignatures } from './cosignatures.ts'
import type { Cosignatures } from './cosignatures.ts'
import { journalWithoutLog } from './journal.ts'
import type { Journal, LogHead, NewEntry } from './journal.ts'
import { openTransparencyLog } from './log.ts'
import type { TransparencyLog } from './log.ts'

/** The registry's log and what witnesses make of it; without a key for it there is none. */
export type Transparency = Disposable & {
  readonly journal: Journal
  readonly kept: { log: TransparencyLog; cosignatures: Cosignatures } | undefined
  status(): TransparencyStatus
  /** What every node should hear, now and after each change. */
  onChange(tell: (checkpoints: EventParams<'log'>) => void): void
  /** Takes in what was so before there was a log, or stands in the configuration alone. */
  catchUp(known: { credentials: Credentials; withdrawals: Withdrawals }): Promise<void>
}

export type TransparencyStatus = {
  policy: 'off' | 'required'
  log?: LogHead
  /** How many cosignatures make a checkpoint a witnessed one. */
  quorum: number
  witnessed?: { size: number }
  witnesses: { name: string; at?: number }[]
}

type Deps = {
  logKeyFile: string | undefined
  authority: Kid
  store: Store
  trust: Trust
  clock: () => number
  log: Log
}

export async function openTransparency(deps: Deps): Promise<Transparency> {
  const { trust, store, clock, log } = deps
  const policy = () => trust.list().policy.transparency
  if (deps.logKeyFile === undefined) {
    if (policy() === 'required') {
      throw invalid('the trust list requires a transparency log: name its key in logKeyFile')
    }
    return {
      journal: journalWithoutLog(store),
      kept: undefined,
      status: () => ({ policy: policy(), quorum: 0, witnesses: [] }),
      onChange: () => undefined,
      catchUp: () => Promise.resolve(),
      [Symbol.dispose]: () => undefined,
    }
  }
  const announcer = createAnnouncer()
  const { key, origin } = await readLogKey(deps.logKeyFile, trust)
  const onAppend = (): void => {
    cosignatures.grown()
    announcer.soon()
  }
  const kept = await openTransparencyLog({ ...deps, key, origin, onAppend })
  const cosignatures = await openCosignatures({
    store,
    clock,
    checkpoint: kept.checkpoint,
    trust: () => trust.list().log,
  })
  const checkpoints = (): EventParams<'log'> => checkpointsOf(cosignatures)
  return {
    journal: kept,
    kept: {
      log: kept,
      cosignatures: {
        ...cosignatures,
        async add(note) {
          const isWitnessed = await cosignatures.add(note)
          if (isWitnessed) announcer.soon()
          return isWitnessed
        },
      },
    },
    status: () => statusOf(trust, kept, cosignatures),
    onChange: (tell) => announcer.to(() => tell(checkpoints())),
    async catchUp(known) {
      for (const entry of await standing(store, { ...known, trust, now: clock() })) {
        await kept.write([entry], []).catch((error: unknown) => {
          log.warn({ kind: entry.kind, code: codeOf(error) }, 'not taken into the log')
        })
      }
    },
    [Symbol.dispose]: () => announcer[Symbol.dispose](),
  }
}

export function checkpointsOf(cosignatures: Cosignatures): EventParams<'log'> {
  const witnessed = cosignatures.witnessed()
  return { newest: cosignatures.newest(), ...(witnessed !== undefined && { witnessed }) }
}

function createAnnouncer() {
  let tell = (): void => undefined
  let timer: NodeJS.Timeout | undefined
  return {
    to(listener: () => void) {
      tell = listener
    },
    soon() {
      timer ??= setTimeout(() => {
        timer = undefined
        tell()
      }, transparencyLimits.announceDelayMs)
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

async function readLogKey(file: string, trust: Trust) {
  const key = await readPrivateKey(file)
  const said = trust.list().log
  if (said === undefined) {
    throw invalid('the trust list names no log: have the authority sign one that does')
  }
  const { name } = parseVerifierKey(said.key)
  const own = keyIdOf({ name, type: signatureType.ed25519, jwk: publicJwk(key) })
  if (own !== keyIdOf(parseVerifierKey(said.key))) {
    throw invalid('logKeyFile is not the log of the trust list: use the key that it names')
  }
  return { key, origin: name }
}

function statusOf(
  trust: Trust,
  log: TransparencyLog,
  cosignatures: Cosignatures,
): TransparencyStatus {
  const { policy } = trust.list()
  const witnessed = cosignatures.witnessed()
  const witnesses = cosignatures.witnesses()
  return {
    policy: policy.transparency,
    log: log.head(),
    quorum: quorumOf(witnesses.length),
    ...(witnessed !== undefined && { witnessed: { size: Number(witnessed.split('\n')[1]) } }),
    witnesses: witnesses.map(({ name, at }) => ({ name, ...(at !== undefined && { at }) })),
  }
}

async function standing(
  store: Store,
  given: { trust: Trust; credentials: Credentials; withdrawals: Withdrawals; now: number },
): Promise<NewEntry[]> {
  const { trust, credentials, withdrawals, now } = given
  const organizations = credentials.all()
  const grants = await Promise.all(organizations.map(({ oid }) => readGrants(store, oid)))
  const suspended = (org: OrganizationOid): NewEntry => {
    return { kind: 'suspension', org, state: 'imposed' }
  }
  return [
    { kind: 'trust-list', token: trust.token() },
    ...organizations.map(({ credential: token }): NewEntry => ({ kind: 'credential', token })),
    ...grants
      .flat()
      .filter((row) => row.active && isListed(row, now))
      .map(({ token }): NewEntry => ({ kind: 'grant', token })),
    ...withdrawals.kids().map((kid): NewEntry => ({ kind: 'key-revocation', kid })),
    ...withdrawals.organizations().map(suspended),
  ]
}

const invalid = (message: string): ProtocolError =>
  new ProtocolError('configuration_invalid', message)
