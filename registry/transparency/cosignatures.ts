import { ProtocolError } from '#protocol/errors.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import { cosignedAt, countWitnesses, quorumOf } from '#protocol/transparency/checkpoint.ts'
import { formatNote, parseNote, parseVerifierKey } from '#protocol/transparency/note.ts'
import type { Note, NoteKey } from '#protocol/transparency/note.ts'
import type { LogTrust } from '#protocol/trust-list.ts'
import type { Store } from '../store/store.ts'
import { secondsOf } from '#protocol/times.ts'

/** What witnesses have signed of the newest checkpoints. */
export type Cosignatures = {
  /** The newest checkpoint with what has been signed of it so far. */
  newest(): string
  /** The newest one that enough witnesses have signed. */
  witnessed(): string | undefined
  witnesses(): { name: string; at: number | undefined }[]
  /** Takes the cosignatures of a note that this log has signed; true when it is witnessed now and was not. */
  add(note: string): Promise<boolean>
  /** There is another checkpoint. */
  grown(): void
}

const witnessedKey = 'log/witnessed'
/** Checkpoints that may still be signed while the log goes on growing. */
const keptCheckpoints = 64

export async function openCosignatures(deps: {
  store: Store
  checkpoint: () => string
  trust: () => LogTrust | undefined
  clock: () => number
}): Promise<Cosignatures> {
  const { store, trust, clock } = deps
  const open = new Map<string, Note>()
  const heardAt = new Map<string, number>()
  let witnessed = await store.get(witnessedKey)
  const grown = (): Note => {
    const note = parseNote(deps.checkpoint())
    const known = open.get(note.text)
    if (known !== undefined) return known
    open.set(note.text, note)
    const [oldest] = open.keys()
    if (open.size > keptCheckpoints && oldest !== undefined) open.delete(oldest)
    return note
  }
  if (witnessed !== undefined && parseNote(witnessed).text === grown().text) {
    const note = parseNote(witnessed)
    open.set(note.text, note)
  }
  const keys = (): NoteKey[] => (trust()?.witnesses ?? []).map(parseVerifierKey)
  return {
    newest: () => formatNote(grown()),
    witnessed: () => witnessed,
    witnesses: () => keys().map(({ name }) => ({ name, at: heardAt.get(name) })),
    async add(text) {
      const said = parseNote(text)
      const note = open.get(said.text)
      if (note === undefined) throw new ProtocolError('not_found', 'not a recent checkpoint')
      const latest = secondsOf(clock() + transparencyLimits.aheadMs)
      const signed = keys().flatMap((key) => {
        const at = cosignedAt(said, key)
        return at === undefined || at > latest ? [] : [{ key, at }]
      })
      if (signed.length === 0) throw new ProtocolError('token_unknown_key', 'no known witness')
      const names = new Set(signed.map(({ key }) => key.name))
      const kept = note.signatures.filter(({ name }) => !names.has(name))
      const brought = said.signatures.filter(({ name }) => names.has(name))
      for (const { key, at } of signed) heardAt.set(key.name, at)
      const next = { text: note.text, signatures: [...kept, ...brought] }
      open.set(next.text, next)
      const oldest = secondsOf(clock() - transparencyLimits.freshMs)
      if (countWitnesses(next, keys(), oldest) < quorumOf(keys().length)) return false
      const before = witnessed === undefined ? undefined : parseNote(witnessed).text
      witnessed = formatNote(next)
      await store.write([{ put: witnessedKey, value: witnessed }])
      return before !== next.text
    },
    grown: () => void grown(),
  }
}
