import type { EventParams } from '../control.ts'
import { createFederation, now, nowSeconds } from '../federation.fixture.ts'
import type { Party } from '../federation.fixture.ts'
import type { Method, Params, Result } from '../control.ts'
import type { PrivateJwk } from '../ids.ts'
import { privateJwk, publicJwk } from '../keys.ts'
import type { TrustList } from '../trust-list.ts'
import { checkpointText, cosign } from './checkpoint.ts'
import { encodeEntry } from './entries.ts'
import type { LogEntry } from './entries.ts'
import { leafHash, nodeHash, rootOf } from './merkle.ts'
import type { Hash } from './merkle.ts'
import { formatNote, parseNote, signatureType, signNote, verifierKey } from './note.ts'

/** A log in memory, as a registry of good or bad intentions would keep it. */

export const origin = 'cami.kuzbass/registry'
export const logKey = privateJwk(new Uint8Array(32).fill(21))
const witnessKeys = [31, 32, 33].map((seed) => privateJwk(new Uint8Array(32).fill(seed)))

const nameOf = ({ oid }: Party): string => `oid/${oid}`
const keyLine = (name: string, key: PrivateJwk, type: 1 | 4): string =>
  verifierKey({ name, type, jwk: publicJwk(key) })

export async function createLogWorld(transparency: 'off' | 'required' = 'required') {
  const federation = await createFederation()
  const parties = [federation.holder, federation.grantee, federation.stranger]
  const keyOf = (party: Party) => keyAt(parties.findIndex(({ oid }) => oid === party.oid))
  const over: Partial<TrustList> = {
    policy: { secondFactor: 'required', staleAfterHours: 24, transparency },
    log: {
      key: keyLine(origin, logKey, signatureType.ed25519),
      witnesses: parties.map((party, at) =>
        keyLine(nameOf(party), keyAt(at), signatureType.cosignature),
      ),
    },
  }
  const at = nowSeconds
  const trustList = await federation.sign.trustList(over)
  const beginning: LogEntry[] = [{ kind: 'trust-list', at, token: trustList }]
  for (const party of parties) {
    beginning.push({ kind: 'credential', at, token: await federation.sign.credential(party) })
  }
  return {
    ...federation,
    at,
    trustList,
    beginning,
    witnessKey: keyOf,
    /** The note with cosignatures of these witnesses. */
    cosigned: (note: string, witnesses: readonly Party[] = parties, seconds = now / 1000) => {
      const parsed = parseNote(note)
      const more = witnesses.map((party) => {
        const witness = { name: nameOf(party), key: keyOf(party) }
        return cosign(parsed.text, witness, seconds)
      })
      return formatNote({ ...parsed, signatures: [...parsed.signatures, ...more] })
    },
  }
}
export type LogWorld = Awaited<ReturnType<typeof createLogWorld>>

function keyAt(index: number): PrivateJwk {
  const key = witnessKeys[index]
  if (key === undefined) throw new Error('no such witness')
  return key
}

/** The simplest reading of RFC 6962: all leaves, hashed anew. */
export async function noteOf(entries: readonly LogEntry[], key = logKey): Promise<string> {
  const leaves = entries.map((entry) => leafHash(encodeEntry(entry)))
  const read = (level: number, index: number): Hash => {
    const leaf = leaves[index]
    if (level === 0 && leaf !== undefined) return leaf
    return nodeHash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))
  }
  const root = await rootOf(entries.length, async (level, index) => read(level, index))
  return formatNote(signNote(checkpointText({ origin, size: entries.length, root }), origin, key))
}

/** What a registry answers about its log; `entries` may be changed between the questions. */
export function createLogRegistry(world: LogWorld, entries: LogEntry[]) {
  const cosignatures: string[] = []
  const checkpoints = async (): Promise<EventParams<'log'>> => {
    const newest = await noteOf(entries)
    return { newest, witnessed: world.cosigned(newest) }
  }
  const answer = async (method: Method, params: unknown): Promise<unknown> => {
    if (method === 'log.checkpoint') return checkpoints()
    if (method === 'log.entries') {
      const { from } = params as Params<'log.entries'>
      const texts = entries.slice(from).map((entry) => new TextDecoder().decode(encodeEntry(entry)))
      return { entries: texts }
    }
    if (method === 'log.cosign') cosignatures.push((params as Params<'log.cosign'>).checkpoint)
    return {}
  }
  const request = async <M extends Method>(method: M, params: Params<M>): Promise<Result<M>> =>
    (await answer(method, params)) as Result<M>
  return { entries, cosignatures, checkpoints, request }
}
