import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as check, asyncProperty, integer } from 'fast-check'
import { toHex } from '../bytes.ts'
import {
  consistencyProof,
  emptyRoot,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  type SubtreeReader,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'
import { createTileReader, createTileWriter, tileWidth } from './tiles.ts'

/** The tree as RFC 6962 §2.1 writes it down. */
function naiveRoot(entries: readonly Uint8Array[]): Hash {
  const [first] = entries
  if (first === undefined) return emptyRoot
  if (entries.length === 1) return leafHash(first)
  const k = 2 ** Math.ceil(Math.log2(entries.length) - 1)
  return nodeHash(naiveRoot(entries.slice(0, k)), naiveRoot(entries.slice(k)))
}

const readerOf =
  (entries: readonly Uint8Array[]): SubtreeReader =>
  (level, index) =>
    Promise.resolve(naiveRoot(entries.slice(index * 2 ** level, (index + 1) * 2 ** level)))

const numbered = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => Uint8Array.of(at >> 8, at & 255))

test('roots are those of the published test vectors of Certificate Transparency', async () => {
  const inputs = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ]
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  const entries = inputs.map((hex) => new Uint8Array(Buffer.from(hex, 'hex')))
  for (const [at, root] of roots.entries()) {
    assert.equal(toHex(await rootOf(at + 1, readerOf(entries))), root)
  }
})

test('every inclusion proof up to 70 entries holds, and none with a bit changed', async () => {
  const entries = numbered(70)
  const read = readerOf(entries)
  for (let size = 1; size <= entries.length; size++) {
    const root = naiveRoot(entries.slice(0, size))
    for (let index = 0; index < size; index++) {
      const proof = await inclusionProof(index, size, read)
      const claim = { index, size, leaf: leafHash(at(entries, index)), root, proof }
      assert.ok(verifyInclusion(claim), `${index} of ${size}`)
      assert.ok(!verifyInclusion({ ...claim, leaf: flipped(claim.leaf, size) }))
      assert.ok(!verifyInclusion({ ...claim, proof: [...proof, root] }))
      for (const [place, hash] of proof.entries()) {
        assert.ok(!verifyInclusion({ ...claim, proof: proof.with(place, flipped(hash, index)) }))
      }
      assert.ok(!verifyInclusion({ ...claim, proof: proof.slice(1) }) || proof.length === 0)
    }
  }
})

test('every consistency proof up to 70 entries holds, and none with a bit changed', async () => {
  const entries = numbered(70)
  const read = readerOf(entries)
  const roots = Array.from({ length: 71 }, (_, size) => naiveRoot(entries.slice(0, size)))
  for (let second = 0; second <= 70; second++) {
    for (let first = 0; first <= second; first++) {
      const proof = await consistencyProof(first, second, read)
      const [firstRoot, secondRoot] = [at(roots, first), at(roots, second)]
      const claim = { first, second, firstRoot, secondRoot, proof }
      assert.ok(verifyConsistency(claim), `${first} to ${second}`)
      assert.ok(!verifyConsistency({ ...claim, firstRoot: flipped(firstRoot, second) }))
      if (first > 0) {
        assert.ok(!verifyConsistency({ ...claim, secondRoot: flipped(secondRoot, first) }))
      }
      for (const [place, hash] of proof.entries()) {
        const changed = proof.with(place, flipped(hash, second))
        assert.ok(!verifyConsistency({ ...claim, proof: changed }))
      }
    }
  }
})

test('a log written as tiles in any portions has the root of its entries', async () => {
  await check(
    asyncProperty(array(integer({ min: 0, max: 400 }), { maxLength: 4 }), async (portions) => {
      const tiles = new Map<string, Uint8Array>()
      let size = 0
      for (const portion of portions) {
        // Each portion goes on from what is kept, as after a restart.
        const writer = createTileWriter(size, partialsOf(tiles, size))
        for (let count = 0; count < portion; count++) {
          writer.append(Uint8Array.of(writer.size >> 8, writer.size & 255))
        }
        for (const tile of writer.take()) tiles.set(`${tile.level}/${tile.index}`, tile.bytes)
        size = writer.size
      }
      const read = createTileReader(size, ({ level, index }) =>
        Promise.resolve(at([tiles.get(`${level}/${index}`)], 0)),
      )
      assert.deepEqual(await rootOf(size, read), naiveRoot(numbered(size)))
    }),
    { numRuns: 30 },
  )
})

function partialsOf(tiles: ReadonlyMap<string, Uint8Array>, size: number): Uint8Array[] {
  const partials: Uint8Array[] = []
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / tileWidth)) {
    const isFull = width % tileWidth === 0
    const last = tiles.get(`${level}/${Math.floor(width / tileWidth)}`)
    partials.push(isFull ? new Uint8Array() : at([last], 0))
  }
  return partials
}

function flipped(hash: Hash, bit: number): Hash {
  const changed = new Uint8Array(hash)
  const place = (bit >> 3) % changed.length
  changed.set([at([...changed], place) ^ (1 << (bit & 7))], place)
  return changed
}

function at<T>(list: readonly (T | undefined)[], index: number): T {
  const value = list[index]
  assert.ok(value !== undefined)
  return value
}
