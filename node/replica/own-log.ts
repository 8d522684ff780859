import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { emptyHead, indexEntryKind, verifyIndexEntry } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import type { Kid, OrganizationOid, PublicJwk, StudyUid } from '#protocol/ids.ts'
import { decodeToken, sha256Hex, tokenDigest } from '#protocol/jws.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Archive } from '../archive/archive.ts'
import type { Published } from './published.ts'

type Deps = {
  archive: Pick<Archive, 'append'>
  published: Published
  self: OrganizationOid
  keyOf: (kid: Kid) => PublicJwk | undefined
  clock: () => number
}

/** What was taken back: entries that are here again, and the studies of which something else was said meanwhile. */
export type TakenBack = { entries: number; studies: Set<StudyUid> }

/**
 * Takes from the registry what this node once published and no longer knows, after an older copy of its data was put
 * back. Every entry bears this node's own signature and is synced to the value log before it counts. Entries that were
 * made here since have numbers that are taken: nobody has seen them, they give way and are said anew.
 *
 * Without an entry that proves it nothing gives way: the word of a registry is not enough to number anything anew.
 * Throws what `verifyIndexEntry` throws when the registry's entries are not this node's.
 */
export async function takeBackOwnLog(
  connection: Pick<Connection, 'request'>,
  deps: Deps,
): Promise<TakenBack> {
  const { archive, published, self, keyOf, clock } = deps
  const theirs = await connection.request('index.head', {})
  let head = await commonHead(connection, published)
  const studies = await studiesAfter(published, head.seq)
  await published.doubt(studies)
  let entries = 0
  while (head.seq < theirs.seq) {
    const batch = await connection.request('index.own', { after: head.seq })
    if (batch.entries.length === 0) throw new ProtocolError('log_gap', 'the registry stops short')
    for (const token of batch.entries) {
      const accepted = await verifyIndexEntry(token, { org: self, head, keyOf })
      head = accepted.head
      const { record } = accepted.entry
      if ((await published.digestAt(head.seq)) === head.digest) continue
      await archive.append('index-entry', Buffer.from(token, 'utf8'))
      await published.add(token, await saidBy(accepted.entry, clock()))
      studies.add(record.study)
      entries += 1
    }
  }
  return { entries, studies }
}

async function saidBy(entry: IndexEntry, at: number) {
  const content = entry.kind === 'study' ? canonicalJson(entry.record) : 'removed'
  return { digest: await sha256Hex(content), at, isOpen: false }
}

/** An entry that both have, near the newest of those. Steps grow: a log is long, what was lost is mostly its end. */
async function commonHead(
  connection: Pick<Connection, 'request'>,
  published: Published,
): Promise<IndexHead> {
  const { seq } = await connection.request('index.head', {})
  let at = Math.min(published.head().seq, seq)
  for (let step = 1; at > 0; step *= 2) {
    const { entries } = await connection.request('index.own', { after: at - 1 })
    const [token] = entries
    if (token === undefined) throw new ProtocolError('log_gap', 'the registry stops short')
    const digest = await published.digestAt(at)
    if (digest === (await tokenDigest(token)) && digest !== undefined) return { seq: at, digest }
    at = Math.max(0, at - step)
  }
  return emptyHead
}

/** What was said here after a number. */
async function studiesAfter(published: Published, seq: number): Promise<Set<StudyUid>> {
  const studies = new Set<StudyUid>()
  for (let at = seq; ; at += indexLimits.pushBatch) {
    const tokens = await published.after(at, indexLimits.pushBatch)
    for (const token of tokens) studies.add(decodeToken(token, indexEntryKind).claims.record.study)
    if (tokens.length < indexLimits.pushBatch) return studies
  }
}
