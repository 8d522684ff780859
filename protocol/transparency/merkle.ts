import { sha256 } from '@noble/hashes/sha2.js'
import { ProtocolError } from '../errors.ts'

/**
 * The Merkle tree of RFC 6962 §2 (SHA-256) over numbered entries, and its proofs. Nothing is stored here: hashes of
 * complete subtrees come through a `SubtreeReader`, whoever keeps them.
 */
export type Hash = Uint8Array

/** The root of the complete subtree of 2^`level` entries that begins with entry `index` · 2^`level`. */
export type SubtreeReader = (level: number, index: number) => Promise<Hash>

export const hashBytes = 32

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

export const emptyRoot: Hash = sha256(new Uint8Array())

export const leafHash = (entry: Uint8Array): Hash =>
  sha256.create().update(leafPrefix).update(entry).digest()

export const nodeHash = (left: Hash, right: Hash): Hash =>
  sha256.create().update(nodePrefix).update(left).update(right).digest()

/** The root of the first `size` entries. */
export async function rootOf(size: number, read: SubtreeReader): Promise<Hash> {
  return size === 0 ? emptyRoot : rangeHash({ from: 0, to: size }, read)
}

/** Proves that entry `index` is among the first `size` (RFC 6962 §2.1.1): hashes from the leaf up. */
export async function inclusionProof(
  index: number,
  size: number,
  read: SubtreeReader,
): Promise<Hash[]> {
  if (index < 0 || index >= size) throw new ProtocolError('bad_request', 'entry is not in the log')
  const path: Promise<Hash>[] = []
  let range = { from: 0, to: size }
  while (range.to - range.from > 1) {
    const { left, right } = halves(range)
    const isLeft = index < left.to
    path.unshift(rangeHash(isLeft ? right : left, read))
    range = isLeft ? left : right
  }
  return Promise.all(path)
}

/** Proves that the first `first` of `second` entries are those of an earlier tree (RFC 6962 §2.1.2). */
export async function consistencyProof(
  first: number,
  second: number,
  read: SubtreeReader,
): Promise<Hash[]> {
  if (first < 0 || first > second) throw new ProtocolError('bad_request', 'sizes are out of order')
  if (first === 0 || first === second) return []
  const path: Promise<Hash>[] = []
  let range = { from: 0, to: second }
  // While the earlier tree is one complete subtree at the left edge, its verifier knows the hash already.
  let isKnown = true
  while (range.to !== first) {
    const { left, right } = halves(range)
    const goesLeft = first <= left.to
    path.unshift(rangeHash(goesLeft ? right : left, read))
    if (!goesLeft) isKnown = false
    range = goesLeft ? left : right
  }
  if (!isKnown) path.unshift(rangeHash(range, read))
  return Promise.all(path)
}

/** Checks an inclusion proof (RFC 9162 §2.1.3.2). */
export function verifyInclusion(claim: {
  index: number
  size: number
  leaf: Hash
  root: Hash
  proof: readonly Hash[]
}): boolean {
  const { index, size, leaf, root, proof } = claim
  if (index < 0 || index >= size) return false
  let fn = index
  let sn = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (sibling.length !== hashBytes || sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(fn) && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && isSame(hash, root)
}

/** Checks a consistency proof (RFC 9162 §2.1.4.2); an empty earlier tree is consistent with everything. */
export function verifyConsistency(claim: {
  first: number
  second: number
  firstRoot: Hash
  secondRoot: Hash
  proof: readonly Hash[]
}): boolean {
  const { first, second, firstRoot, secondRoot, proof } = claim
  if (first < 0 || first > second) return false
  if (first === 0) return proof.length === 0 && isSame(firstRoot, emptyRoot)
  if (first === second) return proof.length === 0 && isSame(firstRoot, secondRoot)
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : [...proof]
  const start = path.shift()
  if (start?.length !== hashBytes) return false
  let fn = first - 1
  let sn = second - 1
  while (isOdd(fn)) {
    fn = half(fn)
    sn = half(sn)
  }
  let fr = start
  let sr = start
  for (const sibling of path) {
    if (sibling.length !== hashBytes || sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      fr = nodeHash(sibling, fr)
      sr = nodeHash(sibling, sr)
      while (!isOdd(fn) && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      sr = nodeHash(sr, sibling)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && isSame(fr, firstRoot) && isSame(sr, secondRoot)
}

type Range = { from: number; to: number }

async function rangeHash(range: Range, read: SubtreeReader): Promise<Hash> {
  const count = range.to - range.from
  if (isPowerOfTwo(count)) return read(Math.log2(count), range.from / count)
  const { left, right } = halves(range)
  const [a, b] = await Promise.all([rangeHash(left, read), rangeHash(right, read)])
  return nodeHash(a, b)
}

/** Splits after the largest power of two that is smaller than the count. */
function halves({ from, to }: Range): { left: Range; right: Range } {
  let size = 1
  while (size * 2 < to - from) size *= 2
  return { left: { from, to: from + size }, right: { from: from + size, to } }
}

// Numbers of entries may exceed 32 bits, so no bitwise operators.
const isOdd = (value: number): boolean => value % 2 === 1
const half = (value: number): number => Math.floor(value / 2)
const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value))

export const isSame = (a: Hash, b: Hash): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at])
