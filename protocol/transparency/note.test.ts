import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { array, assert as check, integer, nat, property, uint8Array } from 'fast-check'
import { toHex } from '../bytes.ts'
import { codeOf } from '../errors.ts'
import { PrivateJwk } from '../ids.ts'
import { publicJwk } from '../keys.ts'
import {
  checkpointText,
  cosign,
  cosignedAt,
  countWitnesses,
  parseCheckpoint,
  quorumOf,
} from './checkpoint.ts'
import {
  formatNote,
  isNoteSignedBy,
  type NoteKey,
  parseNote,
  parseVerifierKey,
  signatureType,
  signNote,
  verifierKey,
} from './note.ts'
import { decodeEntries, encodeEntries, parseTilePath, tilePath, tilesSince } from './tiles.ts'

const newKey = (): PrivateJwk => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return PrivateJwk.parse(privateKey.export({ format: 'jwk' }))
}

const logKey = newKey()
const name = 'cami.kuzbass/registry'
const key: NoteKey = { name, type: signatureType.ed25519, jwk: publicJwk(logKey) }
const text = checkpointText({ origin: name, size: 17, root: new Uint8Array(32).fill(7) })

test('a note signed elsewhere verifies with its published key', () => {
  const published = parseVerifierKey(
    'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  )
  const note = parseNote(
    'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n" +
      '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
  )
  assert.ok(isNoteSignedBy(note, published))
  assert.ok(!isNoteSignedBy({ ...note, text: note.text.replace('answer', 'Answer') }, published))
})

test('a note is read as it was written, and its key from its line', () => {
  const written = formatNote(signNote(text, name, logKey))
  const note = parseNote(written)
  assert.equal(formatNote(note), written)
  assert.ok(isNoteSignedBy(note, key))
  assert.deepEqual(parseVerifierKey(verifierKey(key)), key)
  assert.ok(!isNoteSignedBy(note, { ...key, name: 'another' }))
  assert.deepEqual(parseCheckpoint(note.text), {
    origin: name,
    size: 17,
    root: new Uint8Array(32).fill(7),
  })
})

test('no change of one letter of a signed checkpoint is accepted', () => {
  const written = formatNote(signNote(text, name, logKey))
  for (let at = 0; at < written.length; at++) {
    const letter = written[at] === 'A' ? 'B' : 'A'
    const changed = written.slice(0, at) + letter + written.slice(at + 1)
    let isAccepted = false
    try {
      isAccepted = isNoteSignedBy(parseNote(changed), key)
    } catch (error) {
      assert.equal(codeOf(error), 'log_malformed')
    }
    assert.ok(!isAccepted, `letter ${at}`)
  }
})

test('a witness says when it saw a checkpoint, and a plain signature is none', async () => {
  const witnessKey = newKey()
  const witness: NoteKey = {
    name: 'oid/1.2.643.5.1.13.13.12.2.42.1234',
    type: signatureType.cosignature,
    jwk: publicJwk(witnessKey),
  }
  const note = signNote(text, name, logKey)
  assert.equal(cosignedAt(note, witness), undefined)
  const signature = cosign(text, { name: witness.name, key: witnessKey }, 1_795_000_000)
  const cosigned = parseNote(formatNote({ ...note, signatures: [...note.signatures, signature] }))
  assert.equal(cosignedAt(cosigned, witness), 1_795_000_000)
  assert.equal(countWitnesses(cosigned, [witness], 1_795_000_000), 1)
  assert.equal(countWitnesses(cosigned, [witness], 1_795_000_001), 0)
  const moved = new Uint8Array(signature.bytes)
  moved.set([1], 7)
  const later = { ...note, signatures: [{ ...signature, bytes: moved }] }
  assert.equal(cosignedAt(later, witness), undefined)
})

test('a quorum of nine is six, of two both, of one itself', () => {
  assert.deepEqual([0, 1, 2, 3, 5, 9, 13].map(quorumOf), [0, 1, 2, 2, 4, 6, 9])
})

test('tile paths have one spelling', () => {
  assert.equal(tilePath({ level: 0, index: 0, width: 256 }), 'tile/0/000')
  assert.equal(tilePath({ level: 1, index: 1_234_067, width: 8 }), 'tile/1/x001/x234/067.p/8')
  assert.equal(tilePath({ level: 'entries', index: 70, width: 1 }), 'tile/entries/070.p/1')
  check(
    property(nat(12), nat(999_999_999), integer({ min: 1, max: 256 }), (level, index, width) => {
      const tile = { level, index, width }
      assert.deepEqual(parseTilePath(tilePath(tile)), tile)
    }),
  )
  for (const path of [
    'tile/0/x000/001',
    'tile/0/1',
    'tile/0/000.p/256',
    'tile/00/000',
    'tile/0/000/',
  ]) {
    assert.equal(parseTilePath(path), undefined, path)
  }
})

test('a mirror fetches every tile that a longer log has, and no other', () => {
  assert.deepEqual(tilesSince(0, 3), [{ level: 0, index: 0, width: 3 }])
  assert.deepEqual(tilesSince(255, 513), [
    { level: 0, index: 0, width: 256 },
    { level: 0, index: 1, width: 256 },
    { level: 0, index: 2, width: 1 },
    { level: 1, index: 0, width: 2 },
  ])
  assert.deepEqual(tilesSince(512, 512), [])
})

test('bundles of entries are read as they were written; damaged ones are refused', () => {
  check(
    property(array(uint8Array({ maxLength: 40 }), { maxLength: 20 }), (entries) => {
      assert.deepEqual(decodeEntries(encodeEntries(entries)).map(toHex), entries.map(toHex))
    }),
  )
  const damaged = encodeEntries([Uint8Array.of(1, 2, 3)]).subarray(0, 4)
  assert.throws(() => decodeEntries(damaged), { code: 'log_malformed' })
})
