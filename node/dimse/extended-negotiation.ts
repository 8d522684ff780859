import type { Accepted } from './dcmjs-dimse.ts'
import { findModels, getModels, moveModels } from './query/models.ts'
import { itemBytes } from './user-items.ts'

/** Type of the SOP Class Extended Negotiation sub-item (PS3.7 §D.3.3.5). */
export const extendedNegotiation = 0x56

/**
 * Relational queries are had. Not had are combined matching of date and time, fuzzy matching of names, adjustment of
 * time zones and conversion to enhanced multi-frame instances (PS3.4 §C.5.1.1).
 */
const ofQueries = [1, 0, 0, 0, 0]
/** Relational retrieval is had, that conversion is not (PS3.4 §C.5.2.1, §C.5.3.1). */
const ofRetrieval = [1, 0]

const offered: ReadonlyMap<string, readonly number[]> = new Map([
  ...[...findModels.keys()].map((uid) => [uid, ofQueries] as const),
  ...[...moveModels.keys(), ...getModels.keys()].map((uid) => [uid, ofRetrieval] as const),
])

/** The answers to what a peer asked for, by SOP class: of accepted classes only, and never more than was asked. */
export function extendedAnswers(asked: ReadonlyMap<string, Buffer>, accepted: Accepted): Buffer[] {
  const classes = new Set([...accepted.values()].map(({ abstractSyntax }) => abstractSyntax))
  return [...asked].flatMap(([uid, wanted]) => {
    const had = classes.has(uid) ? offered.get(uid) : undefined
    if (had === undefined) return []
    const answer = had.slice(0, wanted.length).map((is, index) => (wanted[index] === 1 ? is : 0))
    const length = Buffer.alloc(2)
    length.writeUInt16BE(uid.length)
    const value = Buffer.concat([length, Buffer.from(uid, 'latin1'), Buffer.from(answer)])
    return [itemBytes(extendedNegotiation, value)]
  })
}
