import { emptyHead, indexEntryKind } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import type { Sha256, StudyUid } from '#protocol/ids.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import type { Rows } from './rows.ts'

/** What was last said about a study: digest of the record, and whether more was expected. */
export type Said = { digest: Sha256; at: number; isOpen: boolean }

/** This node's own index log, by number. The truth is in the archive's value log; these rows make it quick to read. */
export type Published = {
  head(): IndexHead
  /** Takes an entry that is in the value log already. */
  add(token: string, said: Said): Promise<void>
  /** Entries after a number, oldest first. */
  after(seq: number, limit: number): Promise<string[]>
  digestAt(seq: number): Promise<Sha256 | undefined>
  said(study: StudyUid): Promise<Said | undefined>
  /** What was said of these no longer counts: they are published anew, as removed when they are not here. */
  doubt(studies: Iterable<StudyUid>): Promise<void>
  /** Studies whose last entry says that more is to come. */
  open(): Promise<StudyUid[]>
  /** How far the archive's changes have been published. */
  position(): Promise<number>
  setPosition(position: number): Promise<void>
}

type Entry = { token: string; digest: Sha256 }

const entryKey = (seq: number): string => `own!entry!${String(seq).padStart(12, '0')}`
const saidKey = (study: StudyUid): string => `own!study!${study}`
const positionKey = 'own!position'

const doubted: Said = { digest: emptyHead.digest, at: 0, isOpen: false }

async function cutAfter(rows: Rows, seq: number): Promise<void> {
  for await (const { key } of rows.list('own!entry!', entryKey(seq))) {
    await rows.write([{ del: key }])
  }
}

export async function openPublished(deps: {
  rows: Rows
  replay: () => AsyncIterable<Uint8Array>
}): Promise<Published> {
  const { rows } = deps
  let head = emptyHead
  const keep = async (token: string, entry: IndexEntry, said: Said | undefined): Promise<void> => {
    const digest = await tokenDigest(token)
    const { study } = entry.record
    // One that was made in its place gives way, and with it what followed.
    if (entry.seq <= head.seq) await cutAfter(rows, entry.seq)
    await rows.write([
      { put: entryKey(entry.seq), value: { token, digest } satisfies Entry },
      ...(said === undefined ? [] : [{ put: saidKey(study), value: said }]),
    ])
    head = { seq: entry.seq, digest }
  }
  const entryAt = async (seq: number): Promise<Entry | undefined> =>
    (await rows.get(entryKey(seq))) as Entry | undefined

  for await (const payload of deps.replay()) {
    const token = Buffer.from(payload).toString('utf8')
    const entry = decodeToken(token, indexEntryKind).claims
    // An entry whose writing was reported as failed may be there all the same. It was never sent, and the one that was
    // made in its place comes later and stands.
    const known = await entryAt(entry.seq)
    if (known?.token === token) head = { seq: entry.seq, digest: known.digest }
    else {
      // Without rows nothing is known but that something was said: also what is gone since must be said.
      const said = await rows.get(saidKey(entry.record.study))
      await keep(token, entry, said === undefined ? doubted : undefined)
    }
  }
  // Rows are written after the value log: more of them than the log has means that an older log was put back. What was
  // sent stays said.
  for (
    let next = await entryAt(head.seq + 1);
    next !== undefined;
    next = await entryAt(head.seq + 1)
  ) {
    const entry = decodeToken(next.token, indexEntryKind).claims
    if (entry.prev !== head.digest) break
    head = { seq: entry.seq, digest: next.digest }
  }

  return {
    head: () => head,
    add: (token, said) => keep(token, decodeToken(token, indexEntryKind).claims, said),
    async after(seq, limit) {
      const tokens: string[] = []
      for await (const { value } of rows.list('own!entry!', entryKey(seq))) {
        tokens.push((value as Entry).token)
        if (tokens.length >= limit) break
      }
      return tokens
    },
    digestAt: async (seq) => (await entryAt(seq))?.digest,
    doubt: (studies) =>
      rows.write([...studies].map((study) => ({ put: saidKey(study), value: doubted }))),
    said: async (study) => (await rows.get(saidKey(study))) as Said | undefined,
    open: () => openStudies(rows),
    async position() {
      const position = await rows.get(positionKey)
      return typeof position === 'number' ? position : 0
    },
    setPosition: (position) => rows.write([{ put: positionKey, value: position }]),
  }
}

async function openStudies(rows: Rows): Promise<StudyUid[]> {
  const studies: StudyUid[] = []
  for await (const { key, value } of rows.list('own!study!')) {
    if ((value as Said).isOpen) studies.push(key.slice('own!study!'.length) as StudyUid)
  }
  return studies
}
