import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createFederation, now } from './federation.fixture.ts'
import { readLineage, verifyRekey } from './rekey.ts'

const region = await createFederation()
const { sign, claims, grantee, successor, stranger, holder, holderKeyOf } = region
const trust = claims.trustList()
const next = claims.credential(successor, { prev_kid: grantee.kid })
const credential = await sign.credential(grantee)

describe('a change of key', () => {
  test('is the word of the old key and the new one', async () => {
    const { next: kid, kid: old } = await verifyRekey(await sign.rekey(), {
      keyOf: holderKeyOf,
      now,
    })
    assert.deepEqual([old, kid], [grantee.kid, successor.kid])
  })

  test('is not by one key alone, for another organization, or onto itself', async () => {
    const expected = { keyOf: holderKeyOf, now }
    const self = await sign.rekey({}, { next: grantee })
    await assert.rejects(verifyRekey(self, expected), { code: 'rekey_unproven' })
    const foreign = await sign.rekey({ iss: holder.urn })
    await assert.rejects(verifyRekey(foreign, expected), { code: 'token_unknown_key' })
  })
})

describe('a lineage', () => {
  test('knows the earlier key, and that it gave way', async () => {
    const lineage = await readLineage(next, [{ credential, rekey: await sign.rekey() }], trust)
    assert.deepEqual(lineage.follows, [grantee.kid])
    assert.deepEqual(
      lineage.keys.map(({ kid }) => kid),
      [grantee.kid],
    )
  })

  test('after an enrollment anew knows the earlier key and inherits nothing of it', async () => {
    for (const rekey of [undefined, await sign.rekey({}, { next: stranger }), 'a.b.c']) {
      const ancestor = { credential, ...(rekey !== undefined && { rekey }) }
      const lineage = await readLineage(next, [ancestor], trust)
      assert.deepEqual(lineage.follows, [])
      assert.equal(lineage.keys.length, 1)
    }
  })

  test('does not reach across a key that did not give way, nor to another organization', async () => {
    const [rekey, other] = [await sign.rekey(), await sign.credential(stranger)]
    const apart = claims.credential(successor)
    assert.deepEqual((await readLineage(apart, [{ credential, rekey }], trust)).follows, [])
    assert.deepEqual((await readLineage(next, [{ credential: other, rekey }], trust)).keys, [])
  })
})
