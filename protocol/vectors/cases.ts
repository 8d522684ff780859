import type { ErrorCode } from '../errors.ts'
import type { Federation } from '../federation.fixture.ts'
import type { Vector } from './vector.ts'

type WithoutAnswer<V> = V extends unknown ? Omit<V, 'expect' | 'error'> : never

/** A vector before its answer is known. `error` is stated by hand for each bad one; good answers are worked out. */
export type Case = { name: string; error?: ErrorCode; vector: WithoutAnswer<Vector> }

export const answer = (error?: ErrorCode) => (error === undefined ? {} : { error })

/** The nodes' keys, as a reader knows them. */
export const keysOf = ({ holder, grantee, stranger }: Federation) =>
  [holder, grantee, stranger].map(({ oid, kid, jwk }) => ({ organization: oid, kid, jwk }))
