import { hash } from 'node:crypto'
import path from 'node:path'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { Sha256 } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import { createSeal, readSealKey, type Seal } from '#protocol/secrets/seal.ts'
import { newTotp, totpStep } from '#protocol/secrets/totp.ts'
import type { NodeConfig } from '../config.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '#protocol/turns.ts'
import type { Account } from './accounts.ts'

/** The second factor of each person who has one: an authenticator application, and codes for the day it is lost. */
export type SecondFactors = {
  has(account: string): boolean
  stateOf(account: string): { since: number; recoveryCodes: number } | undefined
  /** A new seed; it counts for nothing until `confirm` has seen a code of it. */
  begin(account: Pick<Account, 'id' | 'login'>): { secret: string; uri: string }
  /**
   * Takes the place of what she had before. Gives the recovery codes, of which only digests are kept. Throws `conflict`
   * when nothing waits for a code, `forbidden` for a wrong one; after five of them nothing waits any more.
   */
  confirm(account: string, code: string): Promise<string[]>
  /** Uses the code up, on the disk before it is answered: no code is worth anything twice. */
  use(account: string, code: string): Promise<'authenticator' | 'recovery' | undefined>
  /** Says whether there was one. */
  reset(account: string): Promise<boolean>
  /** How many cannot be opened: another key has sealed them. Their codes are all wrong until they are reset. */
  unreadable(): number
}

const Factor = z.strictObject({
  since: z.int(),
  /** The last step whose code was used. */
  used: z.int(),
  sealed: z.base64(),
})
type Factor = z.infer<typeof Factor>

const Secrets = z.strictObject({ secret: z.string(), recovery: z.array(Sha256) })
type Secrets = z.infer<typeof Secrets>

const kind = 'second-factor'
const placeOf = (account: string) => `${kind}/${account}`

type Deps = {
  records: Records
  seal: Seal
  clock: () => number
  random: (count: number) => Uint8Array
}

/** Those of a node, under the key that its configuration names. */
export async function openFactors(
  config: Pick<NodeConfig, 'dataDir' | 'dataKeyFile'>,
  { log, ...deps }: Omit<Deps, 'seal'> & { log: Log },
): Promise<SecondFactors> {
  const file = config.dataKeyFile ?? path.join(config.dataDir, 'data-key')
  const factors = await openSecondFactors({ ...deps, seal: createSeal(await readSealKey(file)) })
  const count = factors.unreadable()
  if (count > 0) {
    log.warn({ file, count }, 'second factors do not open: restore the data key, or reset them')
  }
  return factors
}

export async function openSecondFactors(deps: Deps): Promise<SecondFactors> {
  const { records, seal, clock } = deps
  const inTurn = createTurns()
  const kept = await load(deps)
  const pending = new Map<string, { secret: string; until: number; failures: number }>()
  const save = async (account: string, secrets: Secrets, times: Pick<Factor, 'since' | 'used'>) => {
    const text = Buffer.from(JSON.stringify(secrets))
    const sealed = seal.seal(placeOf(account), text).toString('base64')
    await records.put(kind, account, { ...times, sealed } satisfies Factor)
    kept.set(account, { ...times, secrets })
  }
  return {
    has: (account) => kept.has(account),
    stateOf(account) {
      const found = kept.get(account)
      if (found === undefined) return undefined
      return { since: found.since, recoveryCodes: found.secrets?.recovery.length ?? 0 }
    },
    begin({ id, login }) {
      const totp = newTotp(login)
      pending.set(id, { secret: totp.secret, until: clock() + httpLimits.enrolmentMs, failures: 0 })
      return totp
    },
    confirm: (account, code) =>
      inTurn(async () => {
        const waiting = pending.get(account)
        const now = clock()
        if (waiting === undefined || now >= waiting.until) {
          throw new ProtocolError('conflict', 'no second factor waits for its first code')
        }
        const { secret } = waiting
        const used = totpStep(secret, code, { now, used: 0 })
        if (used === undefined) {
          waiting.failures++
          if (waiting.failures >= httpLimits.codeFailuresMax) pending.delete(account)
          throw new ProtocolError('forbidden', 'a wrong code')
        }
        const codes = recoveryCodes(deps)
        const recovery = codes.map((one) => digestOf(account, one))
        await save(account, { secret, recovery }, { since: now, used })
        pending.delete(account)
        return codes
      }),
    use: (account, code) =>
      inTurn(async () => {
        const { secrets, since, used } = kept.get(account) ?? {}
        if (secrets === undefined || since === undefined || used === undefined) return undefined
        const step = totpStep(secrets.secret, code, { now: clock(), used })
        if (step !== undefined) {
          await save(account, secrets, { since, used: step })
          return 'authenticator'
        }
        const digest = digestOf(account, code)
        if (!secrets.recovery.includes(digest)) return undefined
        const recovery = secrets.recovery.filter((one) => one !== digest)
        await save(account, { ...secrets, recovery }, { since, used })
        return 'recovery'
      }),
    reset: (account) =>
      inTurn(async () => {
        pending.delete(account)
        await records.del(kind, account)
        return kept.delete(account)
      }),
    unreadable: () => [...kept.values()].filter(({ secrets }) => secrets === undefined).length,
  }
}

type Kept = Pick<Factor, 'since' | 'used'> & {
  /** Absent: sealed with a key that is not here. She is asked for a code all the same. */
  secrets: Secrets | undefined
}

async function load({ records, seal }: Deps): Promise<Map<string, Kept>> {
  const kept = new Map<string, Kept>()
  for await (const { key, value } of records.list(kind, Factor)) {
    const { sealed, ...times } = value
    kept.set(key, { ...times, secrets: unseal(seal, placeOf(key), sealed) })
  }
  return kept
}

function unseal(seal: Seal, place: string, sealed: string): Secrets | undefined {
  try {
    const text = seal.open(place, Buffer.from(sealed, 'base64')).toString('utf8')
    return Secrets.parse(JSON.parse(text))
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'storage_corrupt') return undefined
    throw error
  }
}

/** 32 signs that nobody confuses on paper, so that five bits make each of them. */
const signs = 'abcdefghijkmnpqrstuvwxyz23456789'
const signsPerCode = 16

/** Of 80 bits each: a digest of one cannot be guessed back. */
const recoveryCodes = ({ random }: Pick<Deps, 'random'>): string[] =>
  Array.from({ length: httpLimits.recoveryCodes }, () => {
    const text = Array.from(random(signsPerCode), (byte) => signs[byte % signs.length]).join('')
    return text.replaceAll(/(.{4})(?=.)/g, '$1-')
  })

/** However it was typed: with dashes, spaces, capitals. */
const digestOf = (account: string, code: string): Sha256 =>
  hash('sha256', `${account} ${code.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`) as Sha256
